/**
 * Which interface leads to the other hosts. The rules are flannel's (pkg/ipmatch): `-iface` in the order given,
 * `-iface-regex`, `-iface-can-reach`; with none of them the interface that holds `-public-ip`, else the one of
 * the default route.
 */
import type { ExternalInterface } from '../backend/backend.ts';
import { WeftError } from '../base/errors.ts';
import { type Family, familyOf, type IpAddress, tryParseIp } from '../base/ip.ts';
import { everything } from '../base/prefix.ts';
import type { Address } from '../wire/address.ts';
import type { Link } from '../wire/link.ts';
import type { Route } from '../wire/route.ts';
import type { IfIndex } from '../wire/rtnetlink.ts';
import type { InterfaceChoice } from './options.ts';
import { underlayRoutes } from './underlay-routes.ts';

/** What the choice is made from. */
export interface UnderlayView {
  readonly links: readonly Link[];
  readonly addresses: readonly Address[];
  /** Main table, both families. */
  readonly routes: readonly Route[];
  /** The kernel's route to an address (`ip route get`); undefined when there is none. */
  routeTo(address: IpAddress): Promise<Route | undefined>;
}

export interface ChosenInterface {
  readonly external: ExternalInterface;
  /** Number of the interface, which outlives its name. */
  readonly index: IfIndex;
  /** Underlay addresses to publish. */
  readonly publicIp: IpAddress | undefined;
  readonly publicIpv6: IpAddress | undefined;
  /** Why this one, for the log. */
  readonly because: string;
}

/**
 * @param families address families that the network uses
 * @throws WeftError `interface-not-found`, `interface-without-address`
 */
export async function chooseInterface(
  choice: InterfaceChoice,
  view: UnderlayView,
  families: readonly Family[],
): Promise<ChosenInterface> {
  const match = await findMatch(choice, view, families);
  const address = (family: Family): IpAddress | undefined => {
    if (!families.includes(family)) return undefined;
    if (match.address !== undefined && familyOf(match.address) === family) return match.address;
    const best = bestAddress(view, match.link, family);
    if (best !== undefined) return best;
    throw new WeftError(
      'interface-without-address',
      `interface ${match.link.name} (${match.because}) has no usable IPv${family} address`,
      { remedy: `give it one, or choose another interface with -iface. There is: ${inventory(view)}` },
    );
  };
  const [ipv4, ipv6] = [address(4), address(6)];
  return {
    index: match.link.index,
    external: {
      name: match.link.name,
      mtuBytes: match.link.mtuBytes,
      ipv4,
      ipv6,
      routes: underlayRoutes(view.routes, match.link.index),
    },
    publicIp: ipv4 && (choice.publicIp ?? ipv4),
    publicIpv6: ipv6 && (choice.publicIpv6 ?? ipv6),
    because: match.because,
  };
}

interface Match {
  readonly link: Link;
  /** The address that was named; undefined when only the interface was. */
  readonly address: IpAddress | undefined;
  readonly because: string;
}

async function findMatch(
  choice: InterfaceChoice,
  view: UnderlayView,
  families: readonly Family[],
): Promise<Match> {
  const tried: string[] = [];
  for (const { flag, find } of wishes(choice, view, families)) {
    const match = await find();
    const missing = match === undefined ? undefined : missingFamily(view, match, families);
    if (match !== undefined && missing === undefined) return match;
    tried.push(
      match === undefined ? flag : `${flag} (${match.link.name} has no usable IPv${missing} address)`,
    );
  }
  if (tried.length > 0) throw notFound(view, `no interface fits ${tried.join(', ')}`, 'choose one of these');
  return findUnnamed(choice, view, families);
}

interface Wish {
  readonly flag: string;
  find(): Match | undefined | Promise<Match | undefined>;
}

/** What the operator named, in the order in which it is tried: one that does not fit gives way to the next. */
function wishes(choice: InterfaceChoice, view: UnderlayView, families: readonly Family[]): Wish[] {
  const { iface, ifaceRegex, ifaceCanReach } = choice;
  const reach = ifaceCanReach === undefined ? [] : [ifaceCanReach];
  return [
    ...iface.map(name => ({ flag: `-iface ${name}`, find: () => byNameOrAddress(view, name) })),
    ...ifaceRegex.map(regex => ({
      flag: `-iface-regex ${regex.source}`,
      find: () => byRegex(view, regex, families),
    })),
    ...reach.map(target => ({ flag: `-iface-can-reach ${target}`, find: () => byReach(view, target) })),
  ];
}

function findUnnamed(choice: InterfaceChoice, view: UnderlayView, families: readonly Family[]): Match {
  const [flag, named] =
    choice.publicIp !== undefined ? ['-public-ip', choice.publicIp] : ['-public-ipv6', choice.publicIpv6];
  if (named !== undefined) {
    const match = byAddress(view, named, flag);
    if (match !== undefined) return match;
    throw notFound(
      view,
      `no interface holds ${flag} ${named}`,
      'behind NAT, name the interface with -iface as well',
    );
  }
  const match = byDefaultRoute(view, families);
  if (match !== undefined) return match;
  throw notFound(view, 'there is no default route to tell the interface', 'name it with -iface');
}

/** The first family of which the match has neither the address that was named nor another. */
function missingFamily(view: UnderlayView, match: Match, families: readonly Family[]): Family | undefined {
  return families.find(family => {
    const named = match.address !== undefined && familyOf(match.address) === family;
    return !named && bestAddress(view, match.link, family) === undefined;
  });
}

function byNameOrAddress(view: UnderlayView, text: string): Match | undefined {
  const address = tryParseIp(text);
  if (address !== undefined) return byAddress(view, address, '-iface');
  const link = view.links.find(candidate => candidate.name === text);
  return link && { link, address: undefined, because: `-iface ${text}` };
}

function byAddress(view: UnderlayView, address: IpAddress, flag: string): Match | undefined {
  const holder = view.addresses.find(candidate => candidate.local === address);
  const link = holder && linkOf(view, holder.dev);
  return link && { link, address, because: `${flag} ${address}` };
}

/** First pass: the addresses, interface by interface, one of each family; second pass: the names. */
function byRegex(view: UnderlayView, regex: RegExp, families: readonly Family[]): Match | undefined {
  const because = `-iface-regex ${regex.source}`;
  for (const link of view.links) {
    const hits = addressesOn(view, link).filter(address => regex.test(address.local));
    const first = hits.find(address => familyOf(address.local) === families[0]);
    if (families.every(family => hits.some(address => familyOf(address.local) === family))) {
      return { link, address: first?.local, because };
    }
  }
  const link = view.links.find(candidate => regex.test(candidate.name));
  return link && { link, address: undefined, because };
}

async function byReach(view: UnderlayView, target: IpAddress): Promise<Match | undefined> {
  const route = await view.routeTo(target);
  const link = route?.dev === undefined ? undefined : linkOf(view, route.dev);
  return link && { link, address: route?.preferredSource, because: `-iface-can-reach ${target}` };
}

function byDefaultRoute(view: UnderlayView, families: readonly Family[]): Match | undefined {
  const found = families.map(family => {
    const route = view.routes.find(({ dst, type }) => dst === everything[family] && type === 'unicast');
    const dev = route?.dev ?? route?.multipath?.[0]?.dev;
    return dev === undefined ? undefined : linkOf(view, dev);
  });
  const [link] = found;
  if (link === undefined || found.some(other => other?.index !== link.index)) return undefined;
  return { link, address: undefined, because: 'it has the default route' };
}

/** flannel's order: global before link-local, permanent before dynamic, lasting before temporary; no deprecated. */
function bestAddress(view: UnderlayView, link: Link, family: Family): IpAddress | undefined {
  const rank = ({ scope, flags }: Address): number =>
    (scope === 'global' ? 0 : 4) + (flags?.permanent === false ? 2 : 0) + (flags?.secondary === true ? 1 : 0);
  return addressesOn(view, link)
    .filter(({ local, flags }) => familyOf(local) === family && flags?.deprecated !== true)
    .sort((one, other) => rank(one) - rank(other))[0]?.local;
}

function addressesOn(view: UnderlayView, link: Link): Address[] {
  return view.addresses.filter(address => address.dev === link.index);
}

function linkOf(view: UnderlayView, index: number): Link | undefined {
  return view.links.find(link => link.index === index);
}

function notFound(view: UnderlayView, what: string, remedy: string): WeftError {
  return new WeftError('interface-not-found', what, { remedy: `${remedy}: ${inventory(view)}` });
}

/** `eth0 (192.0.2.1), lo (127.0.0.1, ::1)`. */
function inventory(view: UnderlayView): string {
  return view.links
    .map(
      link =>
        `${link.name} (${
          addressesOn(view, link)
            .map(address => address.local)
            .join(', ') || 'no address'
        })`,
    )
    .join(', ');
}
