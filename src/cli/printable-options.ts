import type { RegistryOptions } from './registry-flags.ts';
import type { RunOptions } from './run-options.ts';

const hidden = '***';

/**
 * The options as they may be logged and shown: the etcd password and passwords inside URLs are hidden, what was
 * not given is left out.
 */
export function printableOptions(options: RunOptions): Readonly<Record<string, unknown>> {
  // The endpoints are among the registry's options, where passwords in them are hidden.
  const { registry, several, registryEndpoints: _, ifaceRegex, healthz, metrics, ...plain } = options;
  const shown: Record<string, unknown> = {
    ...printableRegistry(registry),
    ...plain,
    ...printableNetworks(several),
    ifaceRegex: ifaceRegex.map(String),
    metrics: metrics === undefined ? undefined : `${metrics.host}:${metrics.port}`,
    healthz: healthz === undefined ? undefined : `${healthz.ip}:${healthz.port}`,
  };
  return Object.fromEntries(Object.entries(shown).filter(([, value]) => !isEmpty(value)));
}

function printableNetworks(several: RunOptions['several']): Record<string, unknown> {
  if (several === undefined) return {};
  const { networks, subnetDir, allowed } = several;
  return {
    networks: networks.map(({ name, netns }) => (netns === undefined ? name : `${name}@${netns}`)),
    subnetDir,
    networksAllow: allowed.map(pair => pair.join(':')),
    subnetFile: '',
  };
}

function printableRegistry(registry: RegistryOptions): Record<string, unknown> {
  if (registry.type === 'dir') return { registry: `dir:${registry.path}` };
  return {
    registry: 'etcd',
    etcdEndpoints: registry.endpoints.map(hidePassword),
    etcdPrefix: registry.prefix,
    etcdKeyFile: registry.keyFile,
    etcdCertFile: registry.certFile,
    etcdCaFile: registry.caFile,
    etcdUsername: registry.username,
    etcdPassword: registry.password === '' ? '' : hidden,
  };
}

/** `http://user:secret@host` -> `http://user:***@host`, also for what is not quite a URL. */
function hidePassword(url: string): string {
  return url.replace(/^([^:/]*:\/\/)?([^:@/]*):(.*)@/, `$1$2:${hidden}@`);
}

function isEmpty(value: unknown): boolean {
  return value === undefined || value === '' || (Array.isArray(value) && value.length === 0);
}
