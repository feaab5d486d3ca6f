import type { FlagTable, FlagValues } from './go-flags.ts';

/** Where a command finds the network's registry: flanneld's etcd flags, and which engine to use. */
export const registryFlags = {
  registry: {
    kind: 'string',
    default: 'etcd',
    placeholder: 'etcd|dir:PATH',
    help: 'where config and leases live: etcd, or a directory that all hosts of one machine share',
    check: text => (/^(etcd|dir:.+)$/s.test(text) ? undefined : 'etcd or dir:PATH'),
  },
  'etcd-endpoints': {
    kind: 'string',
    default: 'http://127.0.0.1:4001,http://127.0.0.1:2379',
    placeholder: 'URL,URL',
    help: 'etcd endpoints, separated by commas',
  },
  'etcd-prefix': {
    kind: 'string',
    default: '/coreos.com/network',
    placeholder: 'KEY',
    help: 'etcd key below which the network lives',
  },
  'etcd-keyfile': { kind: 'string', default: '', placeholder: 'PATH', help: 'TLS client key for etcd' },
  'etcd-certfile': {
    kind: 'string',
    default: '',
    placeholder: 'PATH',
    help: 'TLS client certificate for etcd',
  },
  'etcd-cafile': {
    kind: 'string',
    default: '',
    placeholder: 'PATH',
    help: 'CA bundle that signs the etcd servers',
  },
  'etcd-username': { kind: 'string', default: '', placeholder: 'NAME', help: 'etcd user' },
  'etcd-password': {
    kind: 'string',
    default: '',
    placeholder: 'TEXT',
    help: 'password of the etcd user; safer in FLANNELD_ETCD_PASSWORD, which no process list shows',
    secret: true,
  },
} as const satisfies FlagTable;

/** How to reach the registry. */
export type RegistryOptions =
  /** A directory: one JSON file per key. */
  { readonly type: 'dir'; readonly path: string } | ({ readonly type: 'etcd' } & EtcdOptions);

/** flanneld's etcd flags; an empty text means "not given". */
export interface EtcdOptions {
  readonly endpoints: readonly string[];
  readonly prefix: string;
  readonly keyFile: string;
  readonly certFile: string;
  readonly caFile: string;
  readonly username: string;
  readonly password: string;
}

export function registryOptionsOf(values: FlagValues<typeof registryFlags>): RegistryOptions {
  if (values.registry.startsWith('dir:')) return { type: 'dir', path: values.registry.slice('dir:'.length) };
  return {
    type: 'etcd',
    endpoints: values['etcd-endpoints'].split(','),
    prefix: values['etcd-prefix'],
    keyFile: values['etcd-keyfile'],
    certFile: values['etcd-certfile'],
    caFile: values['etcd-cafile'],
    username: values['etcd-username'],
    password: values['etcd-password'],
  };
}
