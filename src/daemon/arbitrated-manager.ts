import type { SubnetManager } from '../registry/subnet-manager.ts';
import type { NetworkArbiter } from './network-arbiter.ts';

/** The subnet manager of one network among several: its config is what the arbiter lets pass. */
export function arbitratedManager(
  manager: SubnetManager,
  arbiter: NetworkArbiter,
  name: string,
): SubnetManager {
  return {
    ...manager,
    getConfig: ({ signal = new AbortController().signal } = {}) => arbiter.getConfig(name, signal),
    watchConfig: ({ signal }) => arbiter.follow(name, signal),
  };
}
