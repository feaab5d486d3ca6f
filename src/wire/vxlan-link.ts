/** VXLAN devices (kernel drivers/net/vxlan, RFC 7348); `ip link add NAME type vxlan ...`. */
import { type ByteWriter, readU8, readU16be, readU32be, readU32le } from '../base/bytes.ts';
import { familyOf, type IpAddress, ipFromBytes, ipToBytes } from '../base/ip.ts';
import { eachAttribute, writeAttribute, writeFlag, writeU8, writeU16be, writeU32 } from './attributes.ts';
import type { Dev, IfIndex } from './rtnetlink.ts';

/** All attributes of a VXLAN device. Left out: the kernel's default. Read back: everything is there. */
export interface Vxlan<D extends Dev = IfIndex> {
  readonly kind: 'vxlan';
  /** VXLAN network identifier, 0 to 2^24 - 1. */
  readonly vni: number;
  /** Underlay device that MTU and multicast follow. */
  readonly dev?: D | undefined;
  /** Underlay source address. */
  readonly local?: IpAddress | undefined;
  /** Default destination: a multicast group or one remote host. */
  readonly group?: IpAddress | undefined;
  /** UDP destination port; the kernel's default is 8472, not IANA's 4789. */
  readonly port?: number | undefined;
  /** Range of UDP source ports; 0 and 0: the host's ephemeral ports. */
  readonly sourcePorts?: { readonly low: number; readonly high: number } | undefined;
  /** Outer TTL; 0: `auto` (1 for multicast, else the route's). */
  readonly ttl?: number | undefined;
  readonly ttlInherit?: boolean | undefined;
  /** Outer TOS; 1: inherit. */
  readonly tos?: number | undefined;
  /** Outer IPv6 flow label. */
  readonly flowLabel?: number | undefined;
  /** Outer "don't fragment": 0 unset, 1 set, 2 inherit. */
  readonly df?: number | undefined;
  /** Learn FDB entries from received frames. Default: as `ip link`, on unless `external`. */
  readonly learning?: boolean | undefined;
  /** Lifetime of learned entries. */
  readonly ageingSeconds?: number | undefined;
  /** Most FDB entries; 0: no limit. */
  readonly limit?: number | undefined;
  readonly proxy?: boolean | undefined;
  readonly rsc?: boolean | undefined;
  readonly l2miss?: boolean | undefined;
  readonly l3miss?: boolean | undefined;
  /** Outer UDP checksum over IPv4. */
  readonly udpChecksum?: boolean | undefined;
  readonly udp6ZeroChecksumTx?: boolean | undefined;
  readonly udp6ZeroChecksumRx?: boolean | undefined;
  readonly remoteChecksumTx?: boolean | undefined;
  readonly remoteChecksumRx?: boolean | undefined;
  /** Metadata mode (`external`): VNI and peer come with each packet. */
  readonly external?: boolean | undefined;
  readonly vniFilter?: boolean | undefined;
  /** Group based policy extension (draft-smith-vxlan-group-policy). */
  readonly gbp?: boolean | undefined;
  /** Generic protocol extension (draft-ietf-nvo3-vxlan-gpe). */
  readonly gpe?: boolean | undefined;
}

type VxlanKey = Exclude<keyof Vxlan, 'kind'>;

/** Attribute numbers of what is a plain number or switch, by the form the kernel wants (vxlan_policy). */
const bytes8: ReadonlyArray<readonly [VxlanKey, number]> = [
  ['ttl', 5],
  ['tos', 6],
  ['df', 29],
];
const numbers32: ReadonlyArray<readonly [VxlanKey, number]> = [
  ['vni', 1],
  ['dev', 3],
  ['ageingSeconds', 8],
  ['limit', 9],
];
const switches: ReadonlyArray<readonly [VxlanKey, number]> = [
  ['learning', 7],
  ['proxy', 11],
  ['rsc', 12],
  ['l2miss', 13],
  ['l3miss', 14],
  ['udpChecksum', 18],
  ['udp6ZeroChecksumTx', 19],
  ['udp6ZeroChecksumRx', 20],
  ['remoteChecksumTx', 21],
  ['remoteChecksumRx', 22],
  ['external', 25],
  ['vniFilter', 30],
];
const flags: ReadonlyArray<readonly [VxlanKey, number]> = [
  ['gbp', 23],
  ['gpe', 27],
  ['ttlInherit', 28],
];
const IFLA_VXLAN = {
  GROUP: 2,
  LOCAL: 4,
  PORT_RANGE: 10,
  PORT: 15,
  GROUP6: 16,
  LOCAL6: 17,
  LABEL: 26,
} as const;

const readers = new Map<number, readonly [VxlanKey, (value: Uint8Array) => number | boolean]>([
  ...bytes8.map(([key, type]) => [type, [key, (value: Uint8Array) => readU8(value, 0)]] as const),
  ...numbers32.map(([key, type]) => [type, [key, (value: Uint8Array) => readU32le(value, 0)]] as const),
  ...switches.map(([key, type]) => [type, [key, (value: Uint8Array) => readU8(value, 0) !== 0]] as const),
  // Flags are empty when set by us, a byte when told by newer kernels.
  ...flags.map(([key, type]) => [type, [key, (value: Uint8Array) => value[0] !== 0]] as const),
]);

export function writeVxlan(writer: ByteWriter, told: Vxlan): void {
  const vxlan = told.external === true ? { learning: false, ...told } : told;
  for (const [key, type] of numbers32)
    if (vxlan[key] !== undefined) writeU32(writer, type, Number(vxlan[key]));
  if (vxlan.local !== undefined) writeIp(writer, IFLA_VXLAN.LOCAL, IFLA_VXLAN.LOCAL6, vxlan.local);
  if (vxlan.group !== undefined) writeIp(writer, IFLA_VXLAN.GROUP, IFLA_VXLAN.GROUP6, vxlan.group);
  for (const [key, type] of bytes8) if (vxlan[key] !== undefined) writeU8(writer, type, Number(vxlan[key]));
  for (const [key, type] of switches)
    if (vxlan[key] !== undefined) writeU8(writer, type, vxlan[key] === true ? 1 : 0);
  for (const [key, type] of flags) if (vxlan[key] === true) writeFlag(writer, type);
  if (vxlan.port !== undefined) writeU16be(writer, IFLA_VXLAN.PORT, vxlan.port);
  if (vxlan.sourcePorts !== undefined)
    writeAttribute(writer, IFLA_VXLAN.PORT_RANGE, portRange(vxlan.sourcePorts));
  if (vxlan.flowLabel !== undefined) writeAttribute(writer, IFLA_VXLAN.LABEL, u32be(vxlan.flowLabel));
}

export function decodeVxlan(data: Uint8Array): Vxlan {
  const found: Record<string, unknown> = { kind: 'vxlan', vni: 0 };
  for (const [key] of flags) found[key] = false;
  eachAttribute(data, 0, (type, value) => {
    const reader = readers.get(type);
    if (reader !== undefined) found[reader[0]] = reader[1](value);
    else if (type === IFLA_VXLAN.LOCAL || type === IFLA_VXLAN.LOCAL6) found['local'] = ipFromBytes(value);
    else if (type === IFLA_VXLAN.GROUP || type === IFLA_VXLAN.GROUP6) found['group'] = ipFromBytes(value);
    else if (type === IFLA_VXLAN.PORT) found['port'] = readU16be(value, 0);
    else if (type === IFLA_VXLAN.LABEL) found['flowLabel'] = readU32be(value, 0);
    else if (type === IFLA_VXLAN.PORT_RANGE) {
      found['sourcePorts'] = { low: readU16be(value, 0), high: readU16be(value, 2) };
    }
  });
  if (found['dev'] === 0) found['dev'] = undefined;
  return found as unknown as Vxlan;
}

function writeIp(writer: ByteWriter, type4: number, type6: number, address: IpAddress): void {
  writeAttribute(writer, familyOf(address) === 4 ? type4 : type6, ipToBytes(address));
}

function portRange({ low, high }: { low: number; high: number }): Uint8Array {
  return Uint8Array.of(low >>> 8, low, high >>> 8, high);
}

function u32be(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}
