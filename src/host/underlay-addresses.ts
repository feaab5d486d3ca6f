/** Which address of an interface the other hosts shall use. */
import { type Family, familyOf, type IpAddress } from '../base/ip.ts';
import { parsePrefix, prefixContains } from '../base/prefix.ts';
import type { LinkName } from '../state/kernel-object.ts';
import type { Address } from '../wire/address.ts';
import type { Link } from '../wire/link.ts';
import type { Route } from '../wire/route.ts';

/** Undefined when the interface has none that other hosts can use. */
export function bestAddress(
  addresses: readonly Address[],
  link: Link,
  family: Family,
): IpAddress | undefined {
  const own = addressesOn(addresses, link).filter(({ local }) => familyOf(local) === family);
  return bestFirst(own).find(isUsable)?.local;
}

export function addressesOn(addresses: readonly Address[], link: Link): Address[] {
  return addresses.filter(address => address.dev === link.index);
}

/**
 * flannel's order: global before link-local, permanent before dynamic, lasting before temporary; and last of all the
 * deprecated, which flannel does not take.
 */
export function bestFirst(addresses: readonly Address[]): Address[] {
  const rank = ({ scope, flags }: Address): number =>
    (flags?.deprecated === true ? 8 : 0) +
    (scope === 'global' ? 0 : 4) +
    (flags?.permanent === false ? 2 : 0) +
    (flags?.secondary === true ? 1 : 0);
  return [...addresses].sort((one, other) => rank(one) - rank(other));
}

/** An IPv6 address may be another host's as long as it is tentative (RFC 4862 5.4), and a link-local one is anybody's. */
export function isUsable({ local, scope, flags }: Address): boolean {
  return familyOf(local) === 4 || (flags?.tentative !== true && scope !== 'link' && scope !== 'host');
}

/** The interfaces that have routes by router advertisements: besides the external one those of the operator. */
export function advertisedLinks(
  { links, routes }: { readonly links: readonly Link[]; readonly routes: readonly Route[] },
  external: LinkName,
): LinkName[] {
  const indexes = new Set(routes.filter(({ protocol }) => protocol === 'ra').map(({ dev }) => dev));
  const advertised = links.filter(({ index }) => indexes.has(index)).map(({ name }) => name);
  return [...new Set([external, ...advertised])];
}

export function isLinkLocal(address: IpAddress): boolean {
  return familyOf(address) === 6 && prefixContains(linkLocal, address);
}

const linkLocal = parsePrefix('fe80::/10');
