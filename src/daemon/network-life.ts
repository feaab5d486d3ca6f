/** One network, from its config to the signal. */
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { SubnetManager } from '../registry/subnet-manager.ts';
import { InstanceLocks } from './instance-lock.ts';
import { joinNetwork } from './join.ts';
import type { NetworkPlace } from './network-place.ts';
import type { DaemonOptions } from './options.ts';
import { claimRuleNames, type RuleNamesClaim } from './rule-names.ts';
import { NetworkService, type OtherNetworks, type ServeTools } from './serve.ts';

export interface LifeTools {
  readonly manager: SubnetManager;
  readonly place: NetworkPlace;
  readonly log: Log;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly signal: AbortSignal;
  readonly others?: OtherNetworks | undefined;
  /** Called as soon as the lease is ours. */
  onJoined(service: NetworkService): void;
  /** See {@link ServeTools.onMembership}. */
  onMembership(): void;
}

/**
 * Joins and serves until the signal aborts; the data path stays.
 * @throws WeftError what waiting does not mend: see {@link joinNetwork}; the signal's reason
 */
export async function liveInNetwork(options: DaemonOptions, tools: LifeTools): Promise<void> {
  const locks = new InstanceLocks(tools.place.inside);
  let rules: RuleNamesClaim | undefined;
  try {
    let again: boolean;
    do {
      const rejoining = new AbortController();
      const signal = AbortSignal.any([tools.signal, rejoining.signal]);
      const all = { ...tools, locks, signal, rejoin: () => rejoining.abort() };
      const { membership, own } = await joinNetwork(options, all);
      const { devices, type } = membership.backend;
      if (options.network === undefined) rules ??= await claimRuleNames(devices[0] ?? type, tools);
      const service = new NetworkService({ ...options, ...rules?.options }, all, membership, own);
      tools.onJoined(service);
      await service.run(options.renewMarginMinutes * 60);
      again = rejoining.signal.aborted && !tools.signal.aborted;
    } while (again);
  } finally {
    rules?.lock?.close();
    locks.close();
  }
}
