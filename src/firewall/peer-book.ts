import type { IpAddress } from '../base/ip.ts';
import type { Lease, Subnet } from '../lease/lease.ts';
import { subnetId } from '../lease/subnet-id.ts';
import type { PeerAddresses } from '../traffic/plan.ts';
import type { PeerSetChange } from './engine.ts';

/**
 * The underlay addresses of the peers, by their leases. An address stays as long as any lease has it: a host that
 * moves to another subnet has two for a moment.
 */
export class PeerBook {
  readonly #leases = new Map<string, PeerAddresses>();
  readonly #uses = new Map<IpAddress, number>();
  #known = false;

  /** False until all peers have been told once: until then nobody may be kept out. */
  get isKnown(): boolean {
    return this.#known;
  }

  peers(): Iterable<PeerAddresses> {
    return this.#leases.values();
  }

  has(address: IpAddress): boolean {
    return this.#uses.has(address);
  }

  put({ subnet, attrs }: Lease): PeerSetChange {
    const key = subnetId(subnet);
    const before = addressesOf(this.#leases.get(key));
    this.#leases.set(key, attrs);
    const added = this.#use(addressesOf(attrs));
    return { added, removed: this.#release(before) };
  }

  remove(subnet: Subnet): PeerSetChange {
    const key = subnetId(subnet);
    const before = addressesOf(this.#leases.get(key));
    this.#leases.delete(key);
    return { added: [], removed: this.#release(before) };
  }

  /** Takes `leases` for all there are. */
  replaceAll(leases: Iterable<Lease>): PeerSetChange {
    this.#known = true;
    const before = [...this.#leases.values()].flatMap(addressesOf);
    this.#leases.clear();
    const added = [...leases].flatMap(lease => this.put(lease).added);
    return { added, removed: this.#release(before) };
  }

  /** Gives those that are new. */
  #use(addresses: readonly IpAddress[]): IpAddress[] {
    return addresses.filter(address => {
      const uses = this.#uses.get(address) ?? 0;
      this.#uses.set(address, uses + 1);
      return uses === 0;
    });
  }

  /** Gives those that nobody has any more. */
  #release(addresses: readonly IpAddress[]): IpAddress[] {
    return addresses.filter(address => {
      const uses = this.#uses.get(address) ?? 0;
      if (uses > 1) this.#uses.set(address, uses - 1);
      else this.#uses.delete(address);
      return uses === 1;
    });
  }
}

function addressesOf(peer: PeerAddresses | undefined): IpAddress[] {
  return [peer?.publicIp, peer?.publicIpv6].filter(address => address !== undefined);
}
