/** The kinds of virtual link that Weft makes or must understand, each with its own attributes. */
import { type ByteWriter, readU8, readU32le } from '../base/bytes.ts';
import { eachAttribute, writeNested, writeU8, writeU32 } from './attributes.ts';
import type { LinkSpec } from './link.ts';
import type { Dev, IfIndex } from './rtnetlink.ts';
import { decodeVxlan, type Vxlan, writeVxlan } from './vxlan-link.ts';

export type LinkKind<D extends Dev = IfIndex> =
  | Vxlan<D>
  | Veth
  | Bridge
  | Tun
  /** No link info at all: hardware, or the loopback. */
  | { readonly kind: 'none' }
  /** A kind that Weft does not take apart; `name` is the kernel's. */
  | { readonly kind: 'other'; readonly name: string };

/** `ip link add NAME type veth peer name PEER`. */
export interface Veth {
  readonly kind: 'veth';
  /**
   * The other end; only told when creating. Its kind and master are not looked at, nor `up`: the kernel opens no veth
   * before both ends are there.
   */
  readonly peer?: LinkSpec | undefined;
}

/** `ip link add NAME type bridge`. */
export interface Bridge {
  readonly kind: 'bridge';
  /** Spanning tree; default off. */
  readonly stp?: boolean | undefined;
  readonly vlanFiltering?: boolean | undefined;
}

/**
 * `ip tuntap add dev NAME mode tun`: a TUN or TAP device. rtnetlink tells of them and changes them, but they are made
 * through /dev/net/tun. What is optional is only read back: it is what the program asked for that is, or was, attached.
 */
export interface Tun {
  readonly kind: 'tun';
  readonly mode: 'tun' | 'tap';
  /** Outlives the descriptor that made it. Only such are made here. */
  readonly persistent: boolean;
  readonly multiQueue?: boolean | undefined;
  readonly vnetHeader?: boolean | undefined;
  /** A 4-byte header before each packet (absent with IFF_NO_PI). */
  readonly packetInformation?: boolean | undefined;
  readonly owner?: number | undefined;
  readonly group?: number | undefined;
}

const VETH_INFO_PEER = 1;
const IFLA_BR = { STP_STATE: 5, VLAN_FILTERING: 7 } as const;
const IFLA_TUN = { OWNER: 1, GROUP: 2, TYPE: 3, PI: 4, VNET_HDR: 5, PERSIST: 6, MULTI_QUEUE: 7 } as const;
const TUN_TYPE_TAP = 2;

/** Writes IFLA_INFO_DATA's content; `writePeer` writes a veth's other end. */
export function writeLinkKind(writer: ByteWriter, kind: LinkKind, writePeer: (peer: LinkSpec) => void): void {
  if (kind.kind === 'vxlan') writeVxlan(writer, kind);
  else if (kind.kind === 'veth' && kind.peer !== undefined) {
    const { peer } = kind;
    writeNested(writer, VETH_INFO_PEER, () => writePeer(peer));
  } else if (kind.kind === 'bridge') {
    // STP_STATE is a u32 by policy (net/bridge/br_netlink.c br_policy); VLAN_FILTERING a u8.
    if (kind.stp !== undefined) writeU32(writer, IFLA_BR.STP_STATE, kind.stp ? 1 : 0);
    if (kind.vlanFiltering !== undefined) writeU8(writer, IFLA_BR.VLAN_FILTERING, kind.vlanFiltering ? 1 : 0);
  }
}

export function decodeLinkKind(name: string, data: Uint8Array): LinkKind {
  if (name === 'vxlan') return decodeVxlan(data);
  if (name === 'veth') return { kind: 'veth' };
  if (name === 'bridge') return decodeBridge(data);
  if (name === 'tun') return decodeTun(data);
  return name === '' ? { kind: 'none' } : { kind: 'other', name };
}

function decodeBridge(data: Uint8Array): Bridge {
  let stp = false;
  let vlanFiltering = false;
  eachAttribute(data, 0, (type, value) => {
    if (type === IFLA_BR.STP_STATE) stp = readU32le(value, 0) !== 0;
    else if (type === IFLA_BR.VLAN_FILTERING) vlanFiltering = readU8(value, 0) !== 0;
  });
  return { kind: 'bridge', stp, vlanFiltering };
}

function decodeTun(data: Uint8Array): Tun {
  const numbers = new Map<number, number>();
  eachAttribute(data, 0, (type, value) => {
    numbers.set(type, value.length >= 4 ? readU32le(value, 0) : readU8(value, 0));
  });
  const on = (type: number): boolean => numbers.get(type) === 1;
  return {
    kind: 'tun',
    mode: numbers.get(IFLA_TUN.TYPE) === TUN_TYPE_TAP ? 'tap' : 'tun',
    persistent: on(IFLA_TUN.PERSIST),
    multiQueue: on(IFLA_TUN.MULTI_QUEUE),
    vnetHeader: on(IFLA_TUN.VNET_HDR),
    packetInformation: on(IFLA_TUN.PI),
    owner: numbers.get(IFLA_TUN.OWNER),
    group: numbers.get(IFLA_TUN.GROUP),
  };
}
