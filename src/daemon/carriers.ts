/** The carriers of the backends in use: one each, for as long as its backend is in use. */
import type { Backend, Carrier } from '../backend/backend.ts';
import type { Log } from '../base/log.ts';
import type { CarriedPeer } from '../host/carried-peer.ts';
import type { Former } from '../host/membership.ts';
import { subnetId } from '../lease/subnet-id.ts';
import type { TunnelCounters } from '../tunnel/tunnel.ts';
import type { CarrierChange, CarrierService } from './carrier.ts';

export interface CarriersOptions {
  readonly log: Log;
  /** @throws WeftError why it cannot work */
  open(carrier: Carrier, member: Former): CarrierService;
}

interface Open {
  readonly carrier: Carrier;
  readonly service: CarrierService;
}

export class Carriers {
  readonly #options: CarriersOptions;
  readonly #open = new Map<string, Open>();
  readonly #closing = new Set<Promise<void>>();
  /** Who can be reached, by {@link subnetId}: a carrier that comes later has to know them all. */
  readonly #peers = new Map<string, CarriedPeer>();

  constructor(options: CarriersOptions) {
    this.#options = options;
  }

  /** Has exactly these backends' carriers from now on. */
  follow(members: readonly Former[]): void {
    const wanted = new Map(members.map(member => [nameOf(member.backend), member]));
    for (const [name, { service }] of this.#open) {
      if (wanted.has(name)) continue;
      this.#open.delete(name);
      this.#close(service);
    }
    for (const [name, member] of wanted) {
      const { carrier } = member.backend;
      if (carrier === undefined) continue;
      const open = this.#open.get(name);
      if (open !== undefined) open.service.follow(member.host);
      else this.#start(name, carrier, member);
    }
  }

  /**
   * A tunnel takes packets from all peers, also from those that are reached by another backend: while the network changes
   * its backend they may not know yet that we have changed, or that they have been seen to. Commands are told of their own.
   */
  change({ joined, left }: CarrierChange): void {
    for (const { lease } of left) this.#peers.delete(subnetId(lease.subnet));
    for (const peer of joined) this.#peers.set(subnetId(peer.lease.subnet), peer);
    for (const [name, { carrier, service }] of this.#open) {
      const change = {
        joined: joined.filter(peer => concerns(name, carrier, peer)),
        left: left.filter(peer => concerns(name, carrier, peer)),
      };
      if (change.joined.length > 0 || change.left.length > 0) service.change(change);
    }
  }

  deviceMade(name: string): void {
    for (const { service } of this.#open.values()) service.deviceMade(name);
  }

  /** Why one of them does not work; undefined when all do. */
  get problem(): string | undefined {
    return [...this.#open.values()]
      .map(({ service }) => service.problem)
      .find(problem => problem !== undefined);
  }

  /** What each tunnel in use has carried since it was opened, and whether it works. */
  get tunnels(): ReadonlyArray<{
    readonly device: string;
    readonly works: boolean;
    readonly counters: TunnelCounters;
  }> {
    return [...this.#open.values()].flatMap(({ carrier, service }) => {
      const counters = service.counters?.();
      if (carrier.type !== 'tunnel' || counters === undefined) return [];
      return [{ device: carrier.device, works: service.problem === undefined, counters }];
    });
  }

  async close(): Promise<void> {
    this.follow([]);
    await Promise.all(this.#closing);
  }

  #start(name: string, carrier: Carrier, member: Former): void {
    const service = this.#options.open(carrier, member);
    this.#open.set(name, { carrier, service });
    const joined = [...this.#peers.values()].filter(peer => concerns(name, carrier, peer));
    if (joined.length > 0) service.change({ joined, left: [] });
  }

  #close(service: CarrierService): void {
    const closing = service
      .close()
      .catch(error => this.#options.log.error({ error }, 'closing a carrier failed'))
      .finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }
}

/** Two backends of one name share a carrier: what differs between them is not its business. */
function nameOf({ type, carrier }: Backend): string {
  return carrier === undefined ? type : JSON.stringify(carrier);
}

function concerns(name: string, carrier: Carrier, { backend }: CarriedPeer): boolean {
  return carrier.type === 'tunnel' || nameOf(backend) === name;
}
