/** All checks, in the order in which a human would look: the host, the daemon, the registry, the network, the peers. */
import type { Check } from './check.ts';

export const checks: readonly Check[] = [];
