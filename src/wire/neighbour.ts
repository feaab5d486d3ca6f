/**
 * Neighbour entries (ARP and NDP; `ip neigh`) and forwarding database entries (`bridge fdb`). Both are struct
 * ndmsg (kernel include/uapi/linux/neighbour.h); the family tells them apart: AF_BRIDGE is the FDB.
 */
import { ByteWriter, readU8, readU16be, readU16le, readU32le } from '../base/bytes.ts';
import { familyOf, type IpAddress, ipFromBytes, ipToBytes } from '../base/ip.ts';
import { type Mac, macFromBytes, macToBytes } from '../base/mac.ts';
import { eachAttribute, writeAttribute, writeU16, writeU16be, writeU32 } from './attributes.ts';
import { fdbCommand, neighbourCommand } from './iproute2.ts';
import type { NetlinkMessage, NetlinkRequest } from './netlink.ts';
import {
  AF,
  type Dev,
  dumpRequest,
  familyNumber,
  type IfIndex,
  RTM,
  type Verb,
  verbFlags,
} from './rtnetlink.ts';

/** `ip neigh`: the link-layer address of an on-link IP address. */
export interface Neighbour<D extends Dev = IfIndex> {
  readonly dev: D;
  readonly dst: IpAddress;
  /** Absent while the kernel is still asking, and for failed entries. */
  readonly lladdr?: Mac | undefined;
  /** Default: permanent. */
  readonly state?: NeighbourState | undefined;
}

/** NUD states by iproute2's names. */
export type NeighbourState =
  | 'none'
  | 'incomplete'
  | 'reachable'
  | 'stale'
  | 'delay'
  | 'probe'
  | 'failed'
  | 'noarp'
  | 'permanent';

/** `bridge fdb`: which port, or for VXLAN which remote host, a MAC lies behind. */
export interface FdbEntry<D extends Dev = IfIndex> {
  readonly dev: D;
  readonly lladdr: Mac;
  /** VXLAN: underlay address of the VTEP that `lladdr` lives on. */
  readonly dst?: IpAddress | undefined;
  /** VXLAN: UDP port of that VTEP where it differs from the device's. */
  readonly port?: number | undefined;
  /** VXLAN: VNI to send with where it differs from the device's. */
  readonly vni?: number | undefined;
  /** VXLAN devices keep none. */
  readonly vlan?: number | undefined;
  /** VXLAN: underlay device to send by where it differs from the device's; the device's own is told as well. */
  readonly via?: IfIndex | undefined;
  /** Bridge whose database holds the entry, for entries of `master`. */
  readonly master?: D | undefined;
  /** `self`: the device's own table (VXLAN); `master`: that of the bridge it is a port of. Default: self. */
  readonly table?: 'self' | 'master' | undefined;
  /** Default: permanent (never ages, never moves by learning). */
  readonly state?: NeighbourState | undefined;
}

export interface NeighbourFilter {
  readonly family?: 4 | 6 | undefined;
  readonly dev?: IfIndex | undefined;
}

export interface FdbFilter {
  readonly dev?: IfIndex | undefined;
}

const NDA = { DST: 1, LLADDR: 2, VLAN: 5, PORT: 6, VNI: 7, IFINDEX: 8, MASTER: 9 } as const;
const NTF = { SELF: 0x02, MASTER: 0x04 } as const;
const fixedBytes = 12;

/** NUD_* bits, in the order in which one is chosen when several are set. */
const states: ReadonlyArray<readonly [NeighbourState, number]> = [
  ['permanent', 0x80],
  ['noarp', 0x40],
  ['failed', 0x20],
  ['probe', 0x10],
  ['delay', 0x08],
  ['stale', 0x04],
  ['reachable', 0x02],
  ['incomplete', 0x01],
  ['none', 0],
];

export function neighbourRequest(verb: Verb, neighbour: Neighbour): NetlinkRequest {
  const writer = header(familyNumber[familyOf(neighbour.dst)], neighbour.dev, stateBits(neighbour.state), 0);
  writeAttribute(writer, NDA.DST, ipToBytes(neighbour.dst));
  if (neighbour.lladdr !== undefined) writeAttribute(writer, NDA.LLADDR, macToBytes(neighbour.lladdr));
  return {
    type: verb === 'delete' ? RTM.DELNEIGH : RTM.NEWNEIGH,
    flags: verbFlags[verb],
    body: writer.toBytes(),
    what: () => neighbourCommand(verb, neighbour),
  };
}

export function fdbRequest(verb: Verb, entry: FdbEntry): NetlinkRequest {
  const table = entry.table === 'master' ? NTF.MASTER : NTF.SELF;
  // A static entry (`noarp`) is one that is there as well, else VXLAN devices refuse it (vxlan_fdb_add).
  const bits = stateBits(entry.state) | (entry.state === 'noarp' ? stateBits('reachable') : 0);
  const writer = header(AF.BRIDGE, entry.dev, bits, table);
  writeAttribute(writer, NDA.LLADDR, macToBytes(entry.lladdr));
  if (entry.dst !== undefined) writeAttribute(writer, NDA.DST, ipToBytes(entry.dst));
  if (entry.port !== undefined) writeU16be(writer, NDA.PORT, entry.port);
  if (entry.vni !== undefined) writeU32(writer, NDA.VNI, entry.vni);
  if (entry.vlan !== undefined) writeU16(writer, NDA.VLAN, entry.vlan);
  if (entry.via !== undefined) writeU32(writer, NDA.IFINDEX, entry.via);
  return {
    type: verb === 'delete' ? RTM.DELNEIGH : RTM.NEWNEIGH,
    flags: verbFlags[verb],
    body: writer.toBytes(),
    what: () => fdbCommand(verb, entry),
  };
}

export function neighbourDump(filter: NeighbourFilter = {}): NetlinkRequest {
  const writer = emptyHeader(filter.family === undefined ? 0 : familyNumber[filter.family]);
  if (filter.dev !== undefined) writeU32(writer, NDA.IFINDEX, filter.dev);
  return dumpRequest(RTM.GETNEIGH, writer.toBytes(), () => 'ip neigh show');
}

export function fdbDump(filter: FdbFilter = {}): NetlinkRequest {
  const writer = emptyHeader(AF.BRIDGE);
  if (filter.dev !== undefined) writeU32(writer, NDA.IFINDEX, filter.dev);
  return dumpRequest(RTM.GETNEIGH, writer.toBytes(), () => 'bridge fdb show');
}

export function isFdbMessage({ body }: NetlinkMessage): boolean {
  return readU8(body, 0) === AF.BRIDGE;
}

/** Reads RTM_NEWNEIGH or RTM_DELNEIGH of AF_INET or AF_INET6. */
export function decodeNeighbour({ body }: NetlinkMessage): Neighbour {
  let dst = '' as IpAddress;
  let lladdr: Mac | undefined;
  eachAttribute(body, fixedBytes, (type, value) => {
    if (type === NDA.DST) dst = ipFromBytes(value);
    else if (type === NDA.LLADDR && value.length === 6) lladdr = macFromBytes(value);
  });
  return { dev: readU32le(body, 4), dst, lladdr, state: stateOf(readU16le(body, 8)) };
}

/** Reads RTM_NEWNEIGH or RTM_DELNEIGH of AF_BRIDGE; undefined for link layers without 6-byte addresses. */
export function decodeFdbEntry({ body }: NetlinkMessage): FdbEntry | undefined {
  let lladdr: Mac | undefined;
  const found: { -readonly [Key in keyof FdbEntry]?: FdbEntry[Key] } = {};
  eachAttribute(body, fixedBytes, (type, value) => {
    if (type === NDA.LLADDR && value.length === 6) lladdr = macFromBytes(value);
    else if (type === NDA.DST) found.dst = ipFromBytes(value);
    else if (type === NDA.PORT) found.port = readU16be(value, 0);
    else if (type === NDA.VNI) found.vni = readU32le(value, 0);
    else if (type === NDA.VLAN) found.vlan = readU16le(value, 0);
    else if (type === NDA.IFINDEX) found.via = readU32le(value, 0);
    else if (type === NDA.MASTER) found.master = readU32le(value, 0);
  });
  if (lladdr === undefined) return undefined;
  return {
    dev: readU32le(body, 4),
    lladdr,
    ...found,
    table: (readU8(body, 10) & NTF.SELF) !== 0 ? 'self' : 'master',
    state: stateOf(readU16le(body, 8)),
  };
}

function header(family: number, dev: IfIndex, state: number, flags: number): ByteWriter {
  return new ByteWriter(64).u8(family).zeros(3).u32le(dev).u16le(state).u8(flags).u8(0);
}

function stateBits(state: NeighbourState = 'permanent'): number {
  return states.find(([name]) => name === state)?.[1] ?? 0;
}

/** Strict checking wants a zero header; filters are attributes (net/core/neighbour.c neigh_valid_dump_req). */
function emptyHeader(family: number): ByteWriter {
  return new ByteWriter(32).u8(family).zeros(fixedBytes - 1);
}

function stateOf(bits: number): NeighbourState {
  return states.find(([, bit]) => (bits & bit) !== 0)?.[0] ?? 'none';
}
