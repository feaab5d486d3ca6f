import { describeSubnet, judgeLease, subnetsOverlap } from '../lease/judge.ts';
import type { Lease, LeaseEvent, Subnet } from '../lease/lease.ts';
import type { NetworkConfig } from '../lease/network-config.ts';
import type { RegistryEntry, RegistryEvent, Revision } from './registry.ts';
import {
  keyOfSubnet,
  leasesPrefix,
  readSubnetEntry,
  type SubnetEntry,
  type SubnetListing,
  type SubnetTools,
} from './subnet-entries.ts';

export interface WatchLeasesOptions {
  readonly config: NetworkConfig;
  /** Left out of the peers, and told as `own`. */
  readonly own: Lease;
  /** Peers' leases from an earlier watch, which a value that has turned malformed since does not undo. */
  readonly known?: Iterable<Lease> | undefined;
  readonly signal: AbortSignal;
}

export type WatchedLease =
  /** All peers there are; whatever was known before and is not among them is gone. */
  | { readonly type: 'snapshot'; readonly leases: readonly Lease[] }
  | LeaseEvent
  /** Our own lease as the registry has it; undefined when it is gone or says nothing sensible. */
  | { readonly type: 'own'; readonly lease: Lease | undefined }
  /** A peer's lease that must not be followed, and why; among the peers no longer, if it was. It, too, is `removed`. */
  | { readonly type: 'refused'; readonly lease: Lease; readonly why: string }
  /** The registry was lost, or is there again. What was told stays true as far as is known. */
  | { readonly type: 'state'; readonly connected: boolean; readonly cause?: Error | undefined };

/**
 * See `SubnetManager.watchLeases`.
 * @param read what has just been read: the watch begins with that, and goes on with what came after
 */
export function watchLeases(
  tools: SubnetTools,
  options: WatchLeasesOptions,
  read: SubnetListing | undefined,
): AsyncGenerator<WatchedLease, void, void> {
  const peers = new Peers(tools, options);
  const { signal, config } = options;
  const prefix = leasesPrefix({ ipv6: config.enableIpv6 });
  const listing = read?.prefix === prefix ? read : undefined;
  const from = { after: listing?.revision, witness: listing?.witness };
  const events = tools.registry.watch(prefix, { ...from, signal });
  // The listing itself is not for the generator, which would hold it as long as the watch goes on.
  return follow(peers, listing === undefined ? [] : [...peers.begin(listing.entries)], events);
}

async function* follow(
  peers: Peers,
  opening: WatchedLease[],
  events: AsyncIterable<RegistryEvent>,
): AsyncGenerator<WatchedLease, void, void> {
  while (opening.length > 0) yield* opening.splice(0, 1);
  for await (const event of events) yield* peers.take(event);
}

type Judged = Extract<WatchedLease, { type: 'put' | 'own' | 'refused' }> | undefined;
/** An entry, and what it says; undefined when its key names no subnet. */
interface Read {
  readonly entry: { readonly key: string; readonly revision: Revision };
  readonly found: SubnetEntry | undefined;
}
type RegistryDelete = Extract<RegistryEvent, { type: 'delete' }>;

/** The peers' leases as last told. */
class Peers {
  readonly #tools: SubnetTools;
  readonly #config: NetworkConfig;
  readonly #own: Lease;
  readonly #ownKey: string;
  /** The last good lease of each key. */
  #leases = new Map<string, Lease>();
  /** Subnets of the leases that must not be followed, by key: they are told as removed, too. */
  readonly #refused = new Map<string, Subnet>();
  /** What the last removal has made way for, and has been judged with it. */
  #moved: { readonly entry: RegistryEntry; readonly found: Judged } | undefined;

  constructor(tools: SubnetTools, { config, own, known = [] }: WatchLeasesOptions) {
    this.#tools = tools;
    this.#config = config;
    this.#own = own;
    this.#ownKey = keyOfSubnet(own.subnet);
    for (const lease of known) this.#leases.set(keyOfSubnet(lease.subnet), lease);
  }

  *take(event: RegistryEvent): Generator<WatchedLease, void, void> {
    switch (event.type) {
      case 'snapshot':
        return yield* this.#takeSnapshot(event.entries);
      case 'put':
        return yield* this.#takePut(event.entry);
      case 'delete':
        return yield* this.#takeDelete(event);
      case 'state':
        return yield event;
    }
  }

  /** Takes what somebody has read already. */
  *begin(entries: readonly SubnetEntry[]): Generator<WatchedLease, void, void> {
    yield* this.#replace(entries.map(entry => ({ entry, found: entry })));
  }

  *#takeSnapshot(entries: readonly RegistryEntry[]): Generator<WatchedLease, void, void> {
    const own = yield* this.#replace(entries.map(entry => this.#read(entry)));
    yield { type: 'own', lease: own };
  }

  /** @returns our own lease, as it is among them */
  *#replace(all: readonly Read[]): Generator<WatchedLease, Lease | undefined, void> {
    const before = this.#leases;
    this.#leases = new Map();
    this.#refused.clear();
    const rest: WatchedLease[] = [];
    let own: Lease | undefined;
    for (const read of all) {
      const { key } = read.entry;
      const found = this.#judge(read, before);
      if (found?.type === 'put') this.#leases.set(key, found.lease);
      else if (found?.type === 'own') own = found.lease;
      else if (found !== undefined) {
        this.#refused.set(key, found.lease.subnet);
        rest.push(found);
      }
    }
    yield { type: 'snapshot', leases: [...this.#leases.values()] };
    yield* rest;
    return own;
  }

  *#takePut(entry: RegistryEntry): Generator<WatchedLease, void, void> {
    const moved = this.#moved?.entry;
    const isMoved = moved?.key === entry.key && moved.revision === entry.revision;
    const found = isMoved ? this.#moved?.found : this.#judge(this.#read(entry));
    // The very lease that is known: the value is malformed, nothing was learnt.
    if (found === undefined || (found.type === 'put' && found.lease === this.#leases.get(entry.key))) return;
    if (found.type === 'put') {
      this.#refused.delete(entry.key);
      this.#leases.set(entry.key, found.lease);
    } else if (found.type === 'refused') {
      if (this.#leases.has(entry.key)) yield* this.#remove(entry.key);
      this.#refused.set(entry.key, found.lease.subnet);
    }
    yield found;
  }

  *#takeDelete({ key, movedTo }: RegistryDelete): Generator<WatchedLease, void, void> {
    if (key === this.#ownKey) return yield { type: 'own', lease: undefined };
    this.#moved = undefined;
    const before = this.#leases.get(key);
    if (before === undefined || movedTo === undefined) return yield* this.#remove(key);
    const found = this.#judge(this.#read(movedTo));
    // A transaction may hold the leases of many hosts; whose subnet goes on is the one that moves.
    if (found?.type !== 'put' || !subnetsOverlap(before.subnet, found.lease.subnet)) {
      return yield* this.#remove(key);
    }
    this.#moved = { entry: movedTo, found };
    yield* this.#remove(key, found.lease);
  }

  *#remove(key: string, replacedBy?: Lease): Generator<WatchedLease, void, void> {
    const subnet: Subnet | undefined = this.#leases.get(key)?.subnet ?? this.#refused.get(key);
    this.#leases.delete(key);
    this.#refused.delete(key);
    if (subnet !== undefined) yield { type: 'removed', subnet, replacedBy };
  }

  #read(entry: RegistryEntry): Read {
    return { entry, found: readSubnetEntry(entry, this.#tools.warnOnce) };
  }

  /** A malformed value changes nothing: what the key said last, if it is among `known`, stays. */
  #judge({ entry, found }: Read, known: ReadonlyMap<string, Lease> = this.#leases): Judged {
    if (entry.key === this.#ownKey) return { type: 'own', lease: found?.lease };
    const lease = found?.lease ?? known.get(entry.key);
    if (lease === undefined) return undefined;
    const verdict = judgeLease(this.#config, this.#own, lease);
    if (verdict === 'ok') return { type: 'put', lease };
    this.#tools.warnOnce(entry, `refusing the lease of ${describeSubnet(lease.subnet)}: it ${verdict}`);
    return { type: 'refused', lease, why: verdict };
  }
}
