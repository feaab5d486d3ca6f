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
import type { InterfaceChoice } from './interface-choice.ts';
import { addressesOn, bestAddress, bestFirst, isLinkLocal, isUsable } from './underlay-addresses.ts';
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
  /** Families of the network that this host can take no part in now. */
  readonly missing: readonly MissingFamily[];
}

export interface MissingFamily {
  readonly family: Family;
  readonly why: string;
  readonly remedy: string;
}

/**
 * The interface that serves all families; where none does, one that serves IPv4, or else IPv6, and what the other lacks:
 * better a member by one family than none (flannel exits).
 * @param families address families that the network uses
 * @throws WeftError `interface-not-found`, `interface-without-address` when there is none for any family
 */
export async function chooseInterface(
  choice: InterfaceChoice,
  view: UnderlayView,
  families: readonly Family[],
): Promise<ChosenInterface> {
  try {
    return await chooseFor(choice, view, families);
  } catch (error) {
    if (!(error instanceof WeftError) || families.length < 2) throw error;
    for (const family of families) {
      const chosen = await chooseFor(choice, view, [family]).catch(() => undefined);
      if (chosen === undefined) continue;
      const others = families.filter(other => other !== family);
      return { ...chosen, missing: others.map(other => missingOn(view, chosen, other, error)) };
    }
    throw error;
  }
}

/** @throws WeftError `interface-not-found`, `interface-without-address` unless it serves all of `families` */
async function chooseFor(
  choice: InterfaceChoice,
  view: UnderlayView,
  families: readonly Family[],
): Promise<ChosenInterface> {
  const match = await findMatch(choice, view, families);
  const address = (family: Family): IpAddress | undefined => {
    if (!families.includes(family)) return undefined;
    const best = namedAddress(view, match, choice, family) ?? bestAddress(view.addresses, match.link, family);
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
    missing: [],
  };
}

function missingOn(
  view: UnderlayView,
  { index, external }: ChosenInterface,
  family: Family,
  error: WeftError,
): MissingFamily {
  const own = view.addresses.filter(({ dev, local }) => dev === index && familyOf(local) === family);
  const remedy = `give ${external.name} an IPv${family} address that the other hosts reach, or switch the family off: "EnableIPv${family}": false`;
  if (own.some(isUsable)) return { family, why: error.message, remedy: error.remedy ?? remedy };
  const found = own.map(
    ({ local, flags }) => `${local}${flags?.tentative ? ', which is tentative' : ', which is link-local'}`,
  );
  const beside = found.length === 0 ? '' : ` (it has ${found.join('; ')})`;
  return { family, why: `interface ${external.name} has no usable IPv${family} address${beside}`, remedy };
}

interface Match {
  readonly link: Link;
  /** The addresses that were named, in their order; none when only the interface was. */
  readonly addresses: readonly IpAddress[];
  readonly because: string;
}

/** The address that the operator has named, and that is there: in choosing the interface, or as what to publish. */
function namedAddress(
  view: UnderlayView,
  { link, addresses }: Match,
  choice: InterfaceChoice,
  family: Family,
): IpAddress | undefined {
  const published = family === 4 ? choice.publicIp : choice.publicIpv6;
  const here = addressesOn(view.addresses, link).some(({ local }) => local === published);
  // fe80::1 names an interface, but no host can be reached at it without one.
  const chosen = addresses.find(address => familyOf(address) === family && !isLinkLocal(address));
  return chosen ?? (here ? published : undefined);
}

async function findMatch(
  choice: InterfaceChoice,
  view: UnderlayView,
  families: readonly Family[],
): Promise<Match> {
  const tried: string[] = [];
  for (const { flag, find } of wishes(choice, view, families)) {
    const match = await find();
    const missing = match && families.find(family => !hasAddress(view, match, choice, family));
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
  const flags = { 4: ['-public-ip', choice.publicIp], 6: ['-public-ipv6', choice.publicIpv6] } as const;
  const ours = [...families, 4 as const, 6 as const].map(family => flags[family]);
  const [flag, named] = ours.find(([, address]) => address !== undefined) ?? flags[4];
  if (named === undefined) return byDefaultRoute(view, families);
  const match = byAddress(view, named, flag);
  if (match !== undefined) return match;
  throw notFound(
    view,
    `no interface holds ${flag} ${named}`,
    'behind NAT, name the interface with -iface as well',
  );
}

function hasAddress(view: UnderlayView, match: Match, choice: InterfaceChoice, family: Family): boolean {
  return (
    (namedAddress(view, match, choice, family) ?? bestAddress(view.addresses, match.link, family)) !==
    undefined
  );
}

function byNameOrAddress(view: UnderlayView, text: string): Match | undefined {
  const address = tryParseIp(text);
  if (address !== undefined) return byAddress(view, address, '-iface');
  const link = view.links.find(candidate => candidate.name === text);
  return link && { link, addresses: [], because: `-iface ${text}` };
}

function byAddress(view: UnderlayView, address: IpAddress, flag: string): Match | undefined {
  const holder = view.addresses.find(candidate => candidate.local === address);
  const link = holder && linkOf(view, holder.dev);
  return link && { link, addresses: [address], because: `${flag} ${address}` };
}

/** First pass: the addresses, interface by interface, one of each family; second pass: the names. */
function byRegex(view: UnderlayView, regex: RegExp, families: readonly Family[]): Match | undefined {
  const because = `-iface-regex ${regex.source}`;
  for (const link of view.links) {
    const hits = bestFirst(addressesOn(view.addresses, link)).filter(
      address => isUsable(address) && regex.test(address.local),
    );
    if (families.every(family => hits.some(address => familyOf(address.local) === family))) {
      return { link, addresses: hits.map(({ local }) => local), because };
    }
  }
  const link = view.links.find(candidate => regex.test(candidate.name));
  return link && { link, addresses: [], because };
}

async function byReach(view: UnderlayView, target: IpAddress): Promise<Match | undefined> {
  const route = await view.routeTo(target);
  const link = route?.dev === undefined ? undefined : linkOf(view, route.dev);
  const source = route?.preferredSource;
  return link && { link, addresses: source ? [source] : [], because: `-iface-can-reach ${target}` };
}

/** One interface for all families that have a default route; on a link of their own, hosts may have none of IPv6. */
function byDefaultRoute(view: UnderlayView, families: readonly Family[]): Match {
  const found = families.flatMap(family => {
    const route = view.routes.find(({ dst, type }) => dst === everything[family] && type === 'unicast');
    const dev = route?.dev ?? route?.multipath?.[0]?.dev;
    const link = dev === undefined ? undefined : linkOf(view, dev);
    return link === undefined ? [] : [{ family, link }];
  });
  const [first] = found;
  if (first === undefined)
    throw notFound(view, 'there is no default route to tell the interface', 'name it with -iface');
  const other = found.find(({ link }) => link.index !== first.link.index);
  if (other === undefined) return { link: first.link, addresses: [], because: 'it has the default route' };
  throw notFound(
    view,
    `the default routes of IPv${first.family} and IPv${other.family} lead over different interfaces, ${first.link.name} and ${other.link.name}`,
    'name the one to use with -iface',
  );
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
          addressesOn(view.addresses, link)
            .map(address => address.local)
            .join(', ') || 'no address'
        })`,
    )
    .join(', ');
}
