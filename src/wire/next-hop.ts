/** Next-hop objects: struct nhmsg (kernel include/uapi/linux/nexthop.h, since 5.3); `ip nexthop`. */
import { ByteWriter, readU8, readU32le } from '../base/bytes.ts';
import { type Family, familyOf, type IpAddress, ipFromBytes, ipToBytes } from '../base/ip.ts';
import { eachAttribute, writeAttribute, writeFlag, writeU32 } from './attributes.ts';
import { nextHopCommand } from './iproute2.ts';
import type { NetlinkMessage, NetlinkRequest } from './netlink.ts';
import { protocolNumber, protocolOf, type RouteProtocol } from './route.ts';
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

export interface NextHop<D extends Dev = IfIndex> {
  /** 1 to 2^32 - 1; shared with every other program on the host. */
  readonly id: number;
  readonly gateway?: IpAddress | undefined;
  readonly dev?: D | undefined;
  readonly onlink?: boolean | undefined;
  readonly blackhole?: boolean | undefined;
  /** Of the routes that may use a hop without gateway. Default: 4. */
  readonly family?: Family | undefined;
  /** Other next hops to share the traffic, in place of all the above. */
  readonly group?: readonly NextHopShare[] | undefined;
  /** Default: boot. */
  readonly protocol?: RouteProtocol | undefined;
}

export interface NextHopShare {
  readonly id: number;
  /** 1 to 256. */
  readonly weight: number;
}

export interface NextHopFilter {
  readonly dev?: IfIndex | undefined;
}

const NHA = { ID: 1, GROUP: 2, BLACKHOLE: 4, OIF: 5, GATEWAY: 6 } as const;
const RTNH_F_ONLINK = 4;
const fixedBytes = 8;

export function nextHopRequest(verb: Verb, hop: NextHop): NetlinkRequest {
  return {
    type: verb === 'delete' ? RTM.DELNEXTHOP : RTM.NEWNEXTHOP,
    flags: verbFlags[verb],
    body: verb === 'delete' ? reference(hop.id) : description(hop),
    what: () => nextHopCommand(verb, hop),
  };
}

export function nextHopGet(id: number): NetlinkRequest {
  return getRequest(RTM.GETNEXTHOP, reference(id), () => `ip nexthop get id ${id}`);
}

export function nextHopDump(filter: NextHopFilter = {}): NetlinkRequest {
  const writer = new ByteWriter(32).zeros(fixedBytes);
  if (filter.dev !== undefined) writeU32(writer, NHA.OIF, filter.dev);
  return dumpRequest(RTM.GETNEXTHOP, writer.toBytes(), () => 'ip nexthop show');
}

/** Reads RTM_NEWNEXTHOP or RTM_DELNEXTHOP. */
export function decodeNextHop({ body }: NetlinkMessage): NextHop {
  const found: { -readonly [Key in keyof NextHop]?: NextHop[Key] } = {};
  let id = 0;
  eachAttribute(body, fixedBytes, (type, value) => {
    if (type === NHA.ID) id = readU32le(value, 0);
    else if (type === NHA.OIF) found.dev = readU32le(value, 0);
    else if (type === NHA.GATEWAY) found.gateway = ipFromBytes(value);
    else if (type === NHA.BLACKHOLE) found.blackhole = true;
    else if (type === NHA.GROUP) found.group = decodeGroup(value);
  });
  if (found.gateway === undefined && found.group === undefined) {
    found.family = readU8(body, 0) === AF.INET6 ? 6 : 4;
  }
  return {
    ...found,
    id,
    onlink: (readU32le(body, 4) & RTNH_F_ONLINK) !== 0,
    protocol: protocolOf(readU8(body, 2)),
  };
}

function description(hop: NextHop): Uint8Array {
  const { family: told = 4 } = hop;
  const family =
    hop.group !== undefined
      ? AF.UNSPEC
      : familyNumber[hop.gateway === undefined ? told : familyOf(hop.gateway)];
  const flags = hop.onlink === true ? RTNH_F_ONLINK : 0;
  const writer = new ByteWriter(48).u8(family).u8(0).u8(protocolNumber(hop.protocol)).u8(0).u32le(flags);
  writeU32(writer, NHA.ID, hop.id);
  if (hop.group !== undefined) writeAttribute(writer, NHA.GROUP, encodeGroup(hop.group));
  if (hop.blackhole === true) writeFlag(writer, NHA.BLACKHOLE);
  if (hop.dev !== undefined) writeU32(writer, NHA.OIF, hop.dev);
  if (hop.gateway !== undefined) writeAttribute(writer, NHA.GATEWAY, ipToBytes(hop.gateway));
  return writer.toBytes();
}

function reference(id: number): Uint8Array {
  const writer = new ByteWriter(16).zeros(fixedBytes);
  writeU32(writer, NHA.ID, id);
  return writer.toBytes();
}

/** struct nexthop_grp: id (4), weight - 1 (1), reserved (3). */
function encodeGroup(group: readonly NextHopShare[]): Uint8Array {
  const writer = new ByteWriter();
  for (const { id, weight } of group)
    writer
      .u32le(id)
      .u8(weight - 1)
      .zeros(3);
  return writer.toBytes();
}

function decodeGroup(value: Uint8Array): NextHopShare[] {
  const group: NextHopShare[] = [];
  for (let at = 0; at + groupEntryBytes <= value.length; at += groupEntryBytes) {
    group.push({ id: readU32le(value, at), weight: readU8(value, at + 4) + 1 });
  }
  return group;
}

const groupEntryBytes = 8;
