import { WeftError } from '../base/errors.ts';
import { nearest } from '../base/nearest.ts';
import type { NetworkConfig } from '../lease/network-config.ts';
import { createAlloc } from './alloc.ts';
import type { Backend } from './backend.ts';
import { createExtension } from './extension.ts';
import { createHostGw } from './host-gw.ts';
import { createUdp } from './udp.ts';
import { createVxlan } from './vxlan.ts';

type Create = (config: NetworkConfig) => { readonly backend: Backend; readonly warnings: readonly string[] };

const creators: Readonly<Record<string, Create>> = {
  vxlan: createVxlan,
  'host-gw': createHostGw,
  udp: createUdp,
  alloc: createAlloc,
  extension: createExtension,
};

/** flannel's other backends, so that a config that is right for flannel is not called a typing error. */
const flannelOnly = ['wireguard', 'ipip', 'ipsec', 'tencent-vpc'];

/**
 * The backend that the network config asks for, with warnings about its options.
 * @throws WeftError `backend-unknown`, `backend-not-supported`, `config-invalid`
 */
export function createBackend(config: NetworkConfig): ReturnType<Create> {
  const { type } = config.backend;
  const create = Object.hasOwn(creators, type) ? creators[type] : undefined;
  if (create !== undefined) return create(config);
  const known = Object.keys(creators);
  if (flannelOnly.includes(type)) {
    throw new WeftError(
      'backend-not-supported',
      `Backend.Type is ${type}, which flannel has and Weft has not`,
      {
        remedy: `put a config with one of ${known.join(', ')}, with \`weft config put\`: most networks want "Backend": {"Type": "vxlan"}`,
      },
    );
  }
  const near = nearest(type, [...known, ...flannelOnly]);
  const hint = near === undefined ? '' : `; did you mean ${near}?`;
  throw new WeftError(
    'backend-unknown',
    `Backend.Type is ${JSON.stringify(type)}, which nobody knows${hint}`,
    {
      remedy: `choose one of: ${known.join(', ')}`,
    },
  );
}
