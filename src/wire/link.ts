/** Network devices: struct ifinfomsg (kernel include/uapi/linux/if_link.h); `ip link`. */
import { ByteWriter, readI32le, readU8, readU32le } from '../base/bytes.ts';
import { type Mac, macFromBytes, macToBytes } from '../base/mac.ts';
import {
  eachAttribute,
  readString,
  writeAttribute,
  writeNested,
  writeString,
  writeU32,
} from './attributes.ts';
import { linkCommand } from './iproute2-link.ts';
import { decodeLinkKind, type LinkKind, writeLinkKind } from './link-kind.ts';
import { type NetlinkMessage, type NetlinkRequest, NLM_F } from './netlink.ts';
import { type Dev, dumpRequest, getRequest, type IfIndex, RTM, verbFlags } from './rtnetlink.ts';

/** What a new or changed link shall be; what is left out stays as it is, or takes the kernel's default. */
export interface LinkSpec<D extends Dev = IfIndex> {
  readonly name: string;
  readonly kind?: LinkKind<D> | undefined;
  readonly mac?: Mac | undefined;
  readonly mtuBytes?: number | undefined;
  readonly txQueueLength?: number | undefined;
  readonly up?: boolean | undefined;
  /** Bridge (or other master) to be a port of; 0 takes it out. */
  readonly master?: D | undefined;
  /** Open descriptor of the network namespace to put the link into. */
  readonly netnsFd?: number | undefined;
  readonly alias?: string | undefined;
}

/** A link as the kernel tells it. */
export interface Link<D extends Dev = IfIndex> {
  readonly index: IfIndex;
  readonly name: string;
  readonly kind: LinkKind<D>;
  readonly mac: Mac | undefined;
  readonly mtuBytes: number;
  readonly txQueueLength: number;
  /** Administratively up (IFF_UP). */
  readonly up: boolean;
  /** Has carrier (IFF_LOWER_UP). */
  readonly carrier: boolean;
  readonly loopback: boolean;
  readonly pointToPoint: boolean;
  readonly master: D | undefined;
  /** The link below this one, or a veth's other end: an index in the namespace `parentNetnsId` if that is set. */
  readonly parent: IfIndex | undefined;
  readonly parentNetnsId: number | undefined;
  readonly alias: string | undefined;
}

export interface LinkFilter {
  readonly master?: IfIndex | undefined;
  /** Kind by the kernel's name, such as `vxlan`. */
  readonly kind?: string | undefined;
}

const IFLA = {
  ADDRESS: 1,
  IFNAME: 3,
  MTU: 4,
  LINK: 5,
  MASTER: 10,
  TXQLEN: 13,
  LINKINFO: 18,
  IFALIAS: 20,
  NET_NS_FD: 28,
  EXT_MASK: 29,
  LINK_NETNSID: 37,
} as const;
const IFLA_INFO = { KIND: 1, DATA: 2 } as const;
const IFF = { UP: 0x1, LOOPBACK: 0x8, POINTOPOINT: 0x10, LOWER_UP: 0x10000 } as const;
const fixedBytes = 16;

/** `ip link add`. */
export function linkAdd(spec: LinkSpec): NetlinkRequest {
  const { up = false } = spec;
  const writer = header(0, up ? IFF.UP : 0, up ? IFF.UP : 0);
  writeString(writer, IFLA.IFNAME, spec.name);
  writeSettings(writer, spec);
  if (spec.kind !== undefined) writeLinkInfo(writer, spec.kind);
  return request(RTM.NEWLINK, verbFlags.add, writer, () => linkCommand('add', spec));
}

/**
 * `ip link set`: changes what `spec` names. Given the link as it is, another name in `spec` renames it; given its
 * index alone, the name is only for messages. The kind's own settings (`ip link set type ...`) are changed when
 * `spec.kind` is given and the kernel allows it.
 */
export function linkSet(link: IfIndex | Pick<Link, 'index' | 'name'>, spec: LinkSpec): NetlinkRequest {
  const { index, name } = typeof link === 'number' ? { index: link, name: spec.name } : link;
  const change = spec.up === undefined ? 0 : IFF.UP;
  const writer = header(index, spec.up === true ? IFF.UP : 0, change);
  // Older kernels refuse any name, even the same, while the link is up (EBUSY, net/core/dev.c dev_change_name).
  if (name !== spec.name) writeString(writer, IFLA.IFNAME, spec.name);
  writeSettings(writer, spec);
  if (spec.kind !== undefined) writeLinkInfo(writer, spec.kind);
  return request(RTM.NEWLINK, NLM_F.REQUEST | NLM_F.ACK, writer, () => linkCommand('change', spec, name));
}

/** `ip link delete`. */
export function linkDelete(link: { readonly index: IfIndex; readonly name: string }): NetlinkRequest {
  return request(RTM.DELLINK, verbFlags.delete, header(link.index, 0, 0), () => linkCommand('delete', link));
}

export function linkGet(link: { readonly index: IfIndex } | { readonly name: string }): NetlinkRequest {
  const writer = header('index' in link ? link.index : 0, 0, 0);
  if ('name' in link) writeString(writer, IFLA.IFNAME, link.name);
  const label = 'name' in link ? link.name : `if${link.index}`;
  return getRequest(RTM.GETLINK, writer.toBytes(), () => `ip link show ${label}`);
}

export function linkDump(filter: LinkFilter = {}): NetlinkRequest {
  const writer = header(0, 0, 0);
  writeU32(writer, IFLA.EXT_MASK, skipStatistics);
  if (filter.master !== undefined) writeU32(writer, IFLA.MASTER, filter.master);
  const { kind } = filter;
  if (kind !== undefined) {
    writeNested(writer, IFLA.LINKINFO, () => writeString(writer, IFLA_INFO.KIND, kind));
  }
  return dumpRequest(RTM.GETLINK, writer.toBytes(), () => 'ip link show');
}

/** RTEXT_FILTER_SKIP_STATS: counters would be half of each answer. */
const skipStatistics = 8;

/** Reads RTM_NEWLINK or RTM_DELLINK. */
export function decodeLink({ body }: NetlinkMessage): Link {
  const flags = readU32le(body, 8);
  const found: { -readonly [Key in keyof Link]?: Link[Key] } = {};
  let kind: LinkKind = { kind: 'none' };
  eachAttribute(body, fixedBytes, (type, value) => {
    if (type === IFLA.IFNAME) found.name = readString(value);
    else if (type === IFLA.ADDRESS && value.length === 6) found.mac = macFromBytes(value);
    else if (type === IFLA.MTU) found.mtuBytes = readU32le(value, 0);
    else if (type === IFLA.TXQLEN) found.txQueueLength = readU32le(value, 0);
    else if (type === IFLA.MASTER) found.master = readU32le(value, 0);
    else if (type === IFLA.LINK) found.parent = readU32le(value, 0);
    else if (type === IFLA.LINK_NETNSID) found.parentNetnsId = readI32le(value, 0);
    else if (type === IFLA.IFALIAS) found.alias = readString(value);
    else if (type === IFLA.LINKINFO) kind = decodeLinkInfo(value);
  });
  return {
    index: readU32le(body, 4),
    name: found.name ?? '',
    kind,
    mac: found.mac,
    mtuBytes: found.mtuBytes ?? 0,
    txQueueLength: found.txQueueLength ?? 0,
    up: (flags & IFF.UP) !== 0,
    carrier: (flags & IFF.LOWER_UP) !== 0,
    loopback: (flags & IFF.LOOPBACK) !== 0,
    pointToPoint: (flags & IFF.POINTOPOINT) !== 0,
    master: found.master,
    parent: found.parent,
    parentNetnsId: found.parentNetnsId,
    alias: found.alias,
  };
}

/** True for the bridge family's port notices, which share RTM_NEWLINK's number (AF_BRIDGE). */
export function isBridgePortMessage({ body }: NetlinkMessage): boolean {
  return readU8(body, 0) !== 0;
}

function header(index: IfIndex, flags: number, change: number): ByteWriter {
  return new ByteWriter(192).u8(0).u8(0).u16le(0).u32le(index).u32le(flags).u32le(change);
}

function writeSettings(writer: ByteWriter, spec: LinkSpec): void {
  if (spec.mac !== undefined) writeAttribute(writer, IFLA.ADDRESS, macToBytes(spec.mac));
  if (spec.mtuBytes !== undefined) writeU32(writer, IFLA.MTU, spec.mtuBytes);
  if (spec.txQueueLength !== undefined) writeU32(writer, IFLA.TXQLEN, spec.txQueueLength);
  if (spec.master !== undefined) writeU32(writer, IFLA.MASTER, spec.master);
  if (spec.netnsFd !== undefined) writeU32(writer, IFLA.NET_NS_FD, spec.netnsFd);
  if (spec.alias !== undefined) writeString(writer, IFLA.IFALIAS, spec.alias);
}

function writeLinkInfo(writer: ByteWriter, kind: LinkKind): void {
  if (kind.kind === 'none') return;
  writeNested(writer, IFLA.LINKINFO, () => {
    writeString(writer, IFLA_INFO.KIND, kind.kind === 'other' ? kind.name : kind.kind);
    writeNested(writer, IFLA_INFO.DATA, () => writeLinkKind(writer, kind, peer => writePeer(writer, peer)));
  });
}

/** VETH_INFO_PEER holds a whole ifinfomsg with attributes (drivers/net/veth.c). */
function writePeer(writer: ByteWriter, peer: LinkSpec): void {
  writer.zeros(fixedBytes);
  writeString(writer, IFLA.IFNAME, peer.name);
  writeSettings(writer, peer);
}

function decodeLinkInfo(value: Uint8Array): LinkKind {
  let name = '';
  let data: Uint8Array = new Uint8Array();
  eachAttribute(value, 0, (type, inner) => {
    if (type === IFLA_INFO.KIND) name = readString(inner);
    else if (type === IFLA_INFO.DATA) data = inner;
  });
  return decodeLinkKind(name, data);
}

function request(type: number, flags: number, writer: ByteWriter, what: () => string): NetlinkRequest {
  return { type, flags, body: writer.toBytes(), what };
}
