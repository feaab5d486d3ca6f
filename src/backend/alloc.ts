/** The alloc backend: a subnet of our own, told in subnet.env, and nothing else. Whoever wants packets carried does it. */
import { readOptions } from '../lease/backend-options.ts';
import type { NetworkConfig } from '../lease/network-config.ts';
import { type Backend, untyped } from './backend.ts';
import { withoutDevice } from './direct-route.ts';

export function createAlloc(config: NetworkConfig): { backend: Backend; warnings: readonly string[] } {
  const { warnings } = readOptions(config.backend.options, {});
  const backend: Backend = {
    ...withoutDevice,
    type: 'alloc',
    carrier: undefined,
    ...untyped,
    planPeer: () => [],
  };
  return { backend, warnings };
}
