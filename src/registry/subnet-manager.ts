import type { Clock } from '../base/clock.ts';
import { WeftError } from '../base/errors.ts';
import { type Log, silentLog } from '../base/log.ts';
import type { LeaseAttrs } from '../lease/lease.ts';
import { type NetworkConfig, parseNetworkConfig } from '../lease/network-config.ts';
import { type ConfigEvent, watchConfig } from './config-watch.ts';
import { type KeepOptions, LeaseKeeper } from './lease-keeper.ts';
import type { OwnLease } from './own-lease.ts';
import type { Registry, RequestOptions } from './registry.ts';
import { acquireLease } from './subnet-acquire.ts';
import type { LeaseWish } from './subnet-choice.ts';
import { configKey, createWarnOnce, type SubnetListing, type SubnetTools } from './subnet-entries.ts';
import { reclaimLease } from './subnet-renew.ts';
import { type WatchedLease, type WatchLeasesOptions, watchLeases } from './subnet-watch.ts';

/** flannel's rules for sharing a network among hosts, over any registry. A malformed or foreign key is one warning. */
export interface SubnetManager {
  /**
   * Reads the network config.
   * @throws WeftError `config-missing`, `config-invalid`
   */
  getConfig(options?: RequestOptions): Promise<{
    readonly config: NetworkConfig;
    readonly warnings: readonly string[];
  }>;

  /**
   * Leases a subnet: the one that carries our public address, if it fits the config (one that does not is deleted,
   * a reservation aside); else the previous one, if it is free; else one at random among all that are free. A family
   * that our lease lacks is added to it, one that fits no more is taken out, and the other stays what it was.
   * Races with other hosts are run again until won. A reservation stays permanent.
   * @throws WeftError `subnets-exhausted`, `public-ip-missing`, `lease-contended`
   */
  acquireLease(wish: LeaseWish): Promise<OwnLease>;

  /**
   * Prolongs the lease by 24 h, with other attributes if given; a key that is gone is written again, where its
   * subnet is still free. A permanent lease whose attributes stay needs nothing.
   * @throws WeftError `lease-lost` when another host holds the subnet, `lease-contended`
   */
  renewLease(
    own: OwnLease,
    options?: RequestOptions & { readonly attrs?: LeaseAttrs | undefined },
  ): Promise<OwnLease>;

  /**
   * Keeps the lease until the signal aborts, by renewing in time and by writing the key again as soon as it is
   * touched. Only the keeper writes the key meanwhile: publish new attributes through it.
   * @throws WeftError `margin-invalid`
   */
  keepLease(own: OwnLease, options: KeepOptions): LeaseKeeper;

  /** The network config as it is and as it changes, until the signal aborts. */
  watchConfig(options: { readonly signal: AbortSignal }): AsyncIterable<ConfigEvent>;

  /**
   * The peers: a snapshot, then each change. The first watch after `acquireLease` goes on from what that has read, so
   * that nothing is read twice, and tells of our own lease only as it changes. A peer whose value turns malformed stays as it was; one whose lease
   * must not be followed is told as `refused`. A lease written again with equal attributes is told again.
   */
  watchLeases(options: WatchLeasesOptions): AsyncIterable<WatchedLease>;
}

export { configKey } from './subnet-entries.ts';

export function createSubnetManager(options: {
  readonly registry: Registry;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly log?: Log | undefined;
}): SubnetManager {
  const log = options.log ?? silentLog;
  const tools: SubnetTools = { ...options, log, warnOnce: createWarnOnce(log) };
  /** What the lease was chosen by, until a watch goes on from there. */
  let listing: SubnetListing | undefined;
  const takeListing = (): SubnetListing | undefined => {
    const taken = listing;
    listing = undefined;
    return taken;
  };
  return {
    getConfig: request => getConfig(tools.registry, request),
    acquireLease: wish =>
      acquireLease(tools, wish, read => {
        listing = read;
      }),
    renewLease: (own, { attrs = own.lease.attrs, signal } = {}) =>
      own.lease.permanent && attrs === own.lease.attrs
        ? Promise.resolve(own)
        : reclaimLease(tools, own, attrs, signal),
    keepLease: (own, keep) => new LeaseKeeper(tools, own, keep),
    watchConfig: ({ signal }) => watchConfig(tools.registry, configKey, signal),
    watchLeases: watch => watchLeases(tools, watch, takeListing()),
  };
}

async function getConfig(
  registry: Registry,
  options: RequestOptions = {},
): Promise<ReturnType<typeof parseNetworkConfig>> {
  const entry = await registry.get(configKey, options);
  if (entry !== undefined) return parseNetworkConfig(entry.value);
  throw new WeftError(
    'config-missing',
    `there is no network config: the key ${configKey} is absent from ${registry.name}`,
    {
      remedy: `put one, such as: echo '{"Network":"10.2.0.0/16","Backend":{"Type":"vxlan"}}' | weft config put -`,
    },
  );
}
