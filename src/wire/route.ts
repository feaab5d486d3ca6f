/** Routes: struct rtmsg (kernel include/uapi/linux/rtnetlink.h); `ip route`. */
import { ByteWriter, readU8, readU32le } from '../base/bytes.ts';
import { WeftError } from '../base/errors.ts';
import {
  addressBits,
  type Family,
  familyOf,
  type IpAddress,
  ipFromBytes,
  ipToBytes,
  unspecified,
} from '../base/ip.ts';
import { type Prefix, prefixBase, prefixFamily, prefixLength } from '../base/prefix.ts';
import { eachAttribute, writeAttribute, writeNested, writeU32 } from './attributes.ts';
import { routeCommand } from './iproute2.ts';
import type { NetlinkMessage, NetlinkRequest } from './netlink.ts';
import {
  decodeGateway,
  decodeHops,
  encodeHops,
  type RouteHop,
  RTNH_F_ONLINK,
  writeGateway,
} from './route-hop.ts';
import {
  AF,
  type Dev,
  dumpRequest,
  familyNumber,
  getRequest,
  type IfIndex,
  RTM,
  type Verb,
  verbFlags,
} from './rtnetlink.ts';
import { type Scope, scopeNumber, scopeOf } from './scope.ts';

export interface Route<D extends Dev = IfIndex> {
  readonly dst: Prefix;
  /** Default: unicast. */
  readonly type?: RouteType | undefined;
  readonly gateway?: IpAddress | undefined;
  readonly dev?: D | undefined;
  /** Trust that the gateway is on the link although no address says so. */
  readonly onlink?: boolean | undefined;
  /** Several next hops in place of `gateway` and `dev`. */
  readonly multipath?: ReadonlyArray<RouteHop<D>> | undefined;
  /** Next-hop object in place of `gateway` and `dev`; when read back, those are told too. */
  readonly nextHopId?: number | undefined;
  /** Source address that the kernel prefers for what it sends here. */
  readonly preferredSource?: IpAddress | undefined;
  /** Who installed it (rtnetlink.h RTPROT_*). Default: boot, as `ip route add` and flannel. */
  readonly protocol?: RouteProtocol | undefined;
  /** Lower wins. Default 0 (the kernel makes 1024 of it for IPv6). */
  readonly metric?: number | undefined;
  /** Default 254, main. */
  readonly table?: number | undefined;
  /** Default: link for a unicast route without gateway, host for local ones, else global, as `ip route`. */
  readonly scope?: Scope | undefined;
  readonly mtuBytes?: number | undefined;
  readonly tos?: number | undefined;
  /** Read-back only: cloned from another route, such as a path-MTU exception (RTM_F_CLONED). */
  readonly cloned?: boolean | undefined;
}

export type RouteType =
  | 'unicast'
  | 'local'
  | 'broadcast'
  | 'anycast'
  | 'multicast'
  | 'blackhole'
  | 'unreachable'
  | 'prohibit'
  | 'throw'
  | number;

export type RouteProtocol =
  | 'redirect'
  | 'kernel'
  | 'boot'
  | 'static'
  | 'ra'
  | 'dhcp'
  | 'bird'
  | 'zebra'
  | 'bgp'
  | number;

export interface RouteFilter {
  readonly family?: Family | undefined;
  readonly dev?: IfIndex | undefined;
  readonly table?: number | undefined;
  readonly protocol?: RouteProtocol | undefined;
}

export const mainTable = 254;

const RTA = {
  DST: 1,
  OIF: 4,
  PRIORITY: 6,
  PREFSRC: 7,
  METRICS: 8,
  MULTIPATH: 9,
  TABLE: 15,
  NH_ID: 30,
} as const;
const RTAX_MTU = 2;
const RTM_F_CLONED = 0x200;
const RTM_F_LOOKUP_TABLE = 0x1000;
const fixedBytes = 12;

const types = {
  unicast: 1,
  local: 2,
  broadcast: 3,
  anycast: 4,
  multicast: 5,
  blackhole: 6,
  unreachable: 7,
  prohibit: 8,
  throw: 9,
} as const;
/** rtnetlink.h RTPROT_*, iproute2's /etc/iproute2/rt_protos. */
const protocols = {
  redirect: 1,
  kernel: 2,
  boot: 3,
  static: 4,
  ra: 9,
  zebra: 11,
  bird: 12,
  dhcp: 16,
  bgp: 186,
} as const;
const typeNames = new Map<number, RouteType>(
  Object.entries(types).map(([name, id]) => [id, name as RouteType]),
);
const protocolNames = new Map<number, RouteProtocol>(
  Object.entries(protocols).map(([name, id]) => [id, name as RouteProtocol]),
);

export function routeRequest(verb: Verb, route: Route): NetlinkRequest {
  const writer = header(route, verb === 'delete');
  const { dst, gateway, table = mainTable } = route;
  if (prefixLength(dst) > 0) writeAttribute(writer, RTA.DST, ipToBytes(prefixBase(dst)));
  writeU32(writer, RTA.TABLE, table);
  if (route.nextHopId !== undefined) writeU32(writer, RTA.NH_ID, route.nextHopId);
  else {
    if (gateway !== undefined) writeGateway(writer, prefixFamily(dst), gateway);
    if (route.dev !== undefined) writeU32(writer, RTA.OIF, route.dev);
    if (route.multipath !== undefined && route.multipath.length > 0)
      writeAttribute(writer, RTA.MULTIPATH, encodeHops(route.multipath, prefixFamily(dst)));
  }
  if (route.metric !== undefined && route.metric !== 0) writeU32(writer, RTA.PRIORITY, route.metric);
  if (route.preferredSource !== undefined)
    writeAttribute(writer, RTA.PREFSRC, ipToBytes(route.preferredSource));
  if (route.mtuBytes !== undefined && verb !== 'delete') {
    const mtuBytes = route.mtuBytes;
    writeNested(writer, RTA.METRICS, () => writeU32(writer, RTAX_MTU, mtuBytes));
  }
  return {
    type: verb === 'delete' ? RTM.DELROUTE : RTM.NEWROUTE,
    flags: verbFlags[verb],
    body: writer.toBytes(),
    what: () => routeCommand(verb, route),
  };
}

/** `ip route show [table T] [dev D] [proto P]`; the kernel filters (ip_valid_fib_dump_req). */
export function routeDump(filter: RouteFilter = {}): NetlinkRequest {
  const protocol = filter.protocol === undefined ? 0 : protocolNumber(filter.protocol);
  const family = filter.family === undefined ? AF.UNSPEC : familyNumber[filter.family];
  const writer = new ByteWriter(64)
    .u8(family)
    .zeros(4)
    .u8(protocol)
    .zeros(fixedBytes - 6);
  if (filter.table !== undefined) writeU32(writer, RTA.TABLE, filter.table);
  if (filter.dev !== undefined) writeU32(writer, RTA.OIF, filter.dev);
  return dumpRequest(RTM.GETROUTE, writer.toBytes(), () => 'ip route show');
}

/** `ip route get DESTINATION`: how the kernel would send to it, cloned attributes and all. */
export function routeGet(destination: IpAddress): NetlinkRequest {
  const family = familyOf(destination);
  // The table of the answer; IPv6 tells it unasked and refuses the question (inet6_rtm_valid_getroute_req).
  const flags = family === 4 ? RTM_F_LOOKUP_TABLE : 0;
  const writer = new ByteWriter(64).u8(familyNumber[family]).u8(addressBits[family]).zeros(6).u32le(flags);
  writeAttribute(writer, RTA.DST, ipToBytes(destination));
  return getRequest(RTM.GETROUTE, writer.toBytes(), () => `ip route get ${destination}`);
}

/** Reads RTM_NEWROUTE or RTM_DELROUTE; undefined for families other than IP (MPLS, multicast). */
export function decodeRoute({ body }: NetlinkMessage): Route | undefined {
  const family = readU8(body, 0) === AF.INET ? 4 : readU8(body, 0) === AF.INET6 ? 6 : undefined;
  if (family === undefined) return undefined;
  const found: { -readonly [Key in keyof Route]?: Route[Key] } = { table: readU8(body, 4) };
  let base = unspecified[family];
  eachAttribute(body, fixedBytes, (type, value) => {
    if (type === RTA.DST) base = ipFromBytes(value);
    else if (type === RTA.OIF) found.dev = readU32le(value, 0);
    else if (type === RTA.PRIORITY) found.metric = readU32le(value, 0);
    else if (type === RTA.PREFSRC) found.preferredSource = ipFromBytes(value);
    else if (type === RTA.TABLE) found.table = readU32le(value, 0);
    else if (type === RTA.NH_ID) found.nextHopId = readU32le(value, 0);
    else if (type === RTA.MULTIPATH) found.multipath = decodeHops(value);
    else if (type === RTA.METRICS) found.mtuBytes = decodeMtu(value);
    else found.gateway = decodeGateway(type, value) ?? found.gateway;
  });
  const flags = readU32le(body, 8);
  return {
    ...found,
    dst: prefixOfRoute(base, readU8(body, 1), family),
    type: typeNames.get(readU8(body, 7)) ?? readU8(body, 7),
    protocol: protocolOf(readU8(body, 5)),
    scope: scopeOf(readU8(body, 6)),
    tos: readU8(body, 3),
    onlink: (flags & RTNH_F_ONLINK) !== 0,
    cloned: (flags & RTM_F_CLONED) !== 0,
  };
}

/** A route's protocol as the kernel's number. Default: boot. */
export function protocolNumber(protocol: RouteProtocol = 'boot'): number {
  return typeof protocol === 'number' ? protocol : protocols[protocol];
}

export function protocolOf(value: number): RouteProtocol {
  return protocolNames.get(value) ?? value;
}

/** The scope iproute2 would choose (ip/iproute.c iproute_modify). */
export function effectiveScope(route: Route<Dev>): Scope {
  const { type = 'unicast' } = route;
  if (route.scope !== undefined) return route.scope;
  if (prefixFamily(route.dst) === 6) return 'global';
  if (type === 'local') return 'host';
  if (type === 'broadcast' || type === 'multicast' || type === 'anycast') return 'link';
  const direct =
    route.gateway === undefined && route.nextHopId === undefined && route.multipath === undefined;
  return direct && type === 'unicast' ? 'link' : 'global';
}

function header(route: Route, deleting: boolean): ByteWriter {
  const { table = mainTable } = route;
  // A deletion matches any scope, protocol and type unless they are told (net/ipv4/fib_trie.c fib_table_delete).
  const type = route.type ?? (deleting ? 0 : 'unicast');
  const scope =
    deleting && route.scope === undefined ? scopeNumber('nowhere') : scopeNumber(effectiveScope(route));
  return new ByteWriter(96)
    .u8(familyNumber[prefixFamily(route.dst)])
    .u8(prefixLength(route.dst))
    .u8(0)
    .u8(route.tos ?? 0)
    .u8(table < 256 ? table : 0)
    .u8(deleting && route.protocol === undefined ? 0 : protocolNumber(route.protocol))
    .u8(scope)
    .u8(typeof type === 'number' ? type : types[type])
    .u32le(route.onlink === true && route.nextHopId === undefined ? RTNH_F_ONLINK : 0);
}

/** @throws WeftError `netlink-malformed` for an address of another family, or a length that it has not */
function prefixOfRoute(base: IpAddress, length: number, family: Family): Prefix {
  if (familyOf(base) !== family || length > addressBits[family])
    throw new WeftError('netlink-malformed', `an IPv${family} route cannot lead to ${base}/${length}`);
  return `${base}/${length}` as Prefix;
}

function decodeMtu(value: Uint8Array): number | undefined {
  let mtuBytes: number | undefined;
  eachAttribute(value, 0, (type, metric) => {
    if (type === RTAX_MTU) mtuBytes = readU32le(metric, 0);
  });
  return mtuBytes;
}
