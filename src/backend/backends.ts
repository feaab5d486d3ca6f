import { WeftError } from '../base/errors.ts';
import { nearest } from '../base/nearest.ts';
import type { NetworkConfig } from '../lease/network-config.ts';
import type { Backend } from './backend.ts';
import { createVxlan } from './vxlan.ts';

type Create = (config: NetworkConfig) => { readonly backend: Backend; readonly warnings: readonly string[] };

const creators: Readonly<Record<string, Create>> = {
  vxlan: createVxlan,
};

/** flannel's other backends, so that a config that is right for flannel is not called a typing error. */
const notYet = ['udp', 'host-gw', 'wireguard', 'ipip', 'ipsec', 'alloc', 'extension', 'tencent-vpc'];

/**
 * The backend that the network config asks for, with warnings about its options.
 * @throws WeftError `backend-unknown`, `backend-not-supported`, `config-invalid`
 */
export function createBackend(config: NetworkConfig): ReturnType<Create> {
  const { type } = config.backend;
  const create = Object.hasOwn(creators, type) ? creators[type] : undefined;
  if (create !== undefined) return create(config);
  const known = Object.keys(creators);
  if (notYet.includes(type)) {
    throw new WeftError(
      'backend-not-supported',
      `Backend.Type is ${type}, Weft has ${known.join(', ')} so far`,
      {
        remedy: 'put a config with "Backend": {"Type": "vxlan"}, with `weft config put`',
      },
    );
  }
  const near = nearest(type, [...known, ...notYet]);
  const hint = near === undefined ? '' : `; did you mean ${near}?`;
  throw new WeftError(
    'backend-unknown',
    `Backend.Type is ${JSON.stringify(type)}, which nobody knows${hint}`,
    {
      remedy: `choose one of: ${known.join(', ')}`,
    },
  );
}
