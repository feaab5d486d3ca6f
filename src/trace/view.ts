/** What a trace looks at: the kernel of this host and the registry, both as read, neither to be changed. */

import { subnetOf } from '../backend/family.ts';
import type { Family, IpAddress } from '../base/ip.ts';
import { familyOf } from '../base/ip.ts';
import type { Mac } from '../base/mac.ts';
import { type Prefix, prefixContains, prefixLength } from '../base/prefix.ts';
import type { KernelDecision } from '../kernel/route-decision.ts';
import type { Lease, Subnet } from '../lease/lease.ts';
import type { NetworkConfig } from '../lease/network-config.ts';
import type { LinkName } from '../state/kernel-object.ts';
import type { Flow, RoutingTables } from '../state/lookup.ts';
import type { IptablesState } from '../traffic/iptables-save.ts';
import type { NftListing } from '../traffic/nft-listing.ts';
import type { Address } from '../wire/address.ts';
import type { Link } from '../wire/link.ts';
import type { FdbEntry, Neighbour } from '../wire/neighbour.ts';

export interface KernelView {
  readonly links: readonly ViewLink[];
  readonly addresses: ReadonlyArray<Address<LinkName>>;
  readonly tables: RoutingTables;
  readonly neighbours: ReadonlyArray<Neighbour<LinkName>>;
  /** Of VXLAN devices and of bridges. */
  readonly fdb: ReadonlyArray<FdbEntry<LinkName>>;
  /** Sysctls by key, with slashes; undefined for what this kernel does not have. */
  readonly settings: ReadonlyMap<string, string | undefined>;
  readonly firewall: FirewallView;
  /** The kernel's own decisions, as far as it has been asked: see {@link flowKey}. */
  readonly decisions: ReadonlyMap<string, KernelDecision<LinkName>>;
}

/** A link, and the device below it by name; undefined when that is in another namespace. */
export interface ViewLink extends Link<LinkName> {
  readonly below: LinkName | undefined;
}

/** Of one family. */
export interface FirewallView {
  /** Both variants of iptables may be in use. */
  readonly iptables: readonly IptablesState[];
  readonly nft: NftListing;
  /** Why it could not be read, if so. */
  readonly unread: string | undefined;
}

/** The overlay network, from the registry, or as little of it as this host's own files tell. */
export interface NetworkView {
  /** Undefined: the registry could not be read, for this reason. */
  readonly unread: string | undefined;
  readonly config: NetworkConfig | undefined;
  readonly leases: readonly Lease[];
  /** From the config, else from subnet.env. */
  readonly networks: readonly Prefix[];
  /** This host's, from its lease, else from subnet.env. */
  readonly subnet: Subnet | undefined;
  /** This host's own. */
  readonly own: Lease | undefined;
}

/** By which answers are found, and asked for: one question to the kernel. */
export function flowKey({ destination, source, iif, oif }: Flow): string {
  return [destination, source ?? '', iif ?? '', oif ?? ''].join(' ');
}

export function linkOf({ links }: KernelView, name: LinkName | undefined): ViewLink | undefined {
  return links.find(link => link.name === name);
}

export function addressesOn(
  { addresses }: KernelView,
  dev: LinkName,
  family: Family,
): Array<Address<LinkName>> {
  return addresses.filter(address => address.dev === dev && familyOf(address.local) === family);
}

export function isOwnAddress({ addresses }: Pick<KernelView, 'addresses'>, address: IpAddress): boolean {
  return addresses.some(({ local }) => local === address);
}

/** The device that has an address of this host. */
export function ownerOf({ addresses }: KernelView, address: IpAddress): LinkName {
  return addresses.find(({ local }) => local === address)?.dev ?? 'lo';
}

export function neighbourOf(
  { neighbours }: KernelView,
  dev: LinkName,
  dst: IpAddress,
): Neighbour<LinkName> | undefined {
  return neighbours.find(neighbour => neighbour.dev === dev && neighbour.dst === dst);
}

/** In a VXLAN device's own table. Several only for a MAC that is sent to more than one host. */
export function vxlanEntriesOf({ fdb }: KernelView, dev: LinkName, mac: Mac): Array<FdbEntry<LinkName>> {
  return fdb.filter(entry => entry.dev === dev && entry.table === 'self' && entry.lladdr === mac);
}

/** The port of a bridge behind which a MAC is. */
export function bridgeEntryOf(
  { fdb }: KernelView,
  bridge: LinkName,
  mac: Mac,
): FdbEntry<LinkName> | undefined {
  const entries = fdb.filter(
    entry => entry.master === bridge && entry.lladdr === mac && entry.table === 'master',
  );
  return entries.find(({ dev }) => dev !== bridge) ?? entries[0];
}

/** The lease of the most specific subnet that the address is in. */
export function leaseOf({ leases }: NetworkView, address: IpAddress): Lease | undefined {
  return leases
    .flatMap(lease => {
      const subnet = subnetOf(lease.subnet, familyOf(address));
      return subnet !== undefined && prefixContains(subnet, address)
        ? [{ lease, length: prefixLength(subnet) }]
        : [];
    })
    .sort((one, other) => other.length - one.length)[0]?.lease;
}
