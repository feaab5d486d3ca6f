/**
 * A strict reader of what is written to a TUN device, made from the RFCs and virtio's specification alone: it shares
 * nothing with what it judges.
 *
 *     [virtio_net_hdr, 10 bytes or more] IPv4|IPv6 [TCP|UDP|ICMP] payload
 *
 * {@link judge} finds what is wrong; {@link segmentsOf} cuts a super-packet into the packets that the kernel makes of it.
 */

/** VIRTIO_NET_HDR_F_NEEDS_CSUM, VIRTIO_NET_HDR_GSO_*: linux/virtio_net.h. */
const needsChecksum = 1;
const gsoNames: Readonly<Record<number, string>> = { 0: 'none', 1: 'tcp4', 4: 'tcp6', 5: 'udp' };
const gsoEcn = 0x80;

export interface Judgement {
  /** What no kernel should have to see; empty for a sound write. */
  readonly faults: readonly string[];
  /**
   * Of TCP, UDP and ICMP: `offloaded` is the kernel's to make; `unknown` cannot be seen from here (a fragment, another
   * protocol). A wrong one is no fault of whoever passes the packet on, so it is told apart.
   */
  readonly checksum: 'right' | 'wrong' | 'none' | 'unknown' | 'offloaded';
}

/** @param vnetBytes length of the virtio header in front; 0 for a device without */
export function judge(written: Uint8Array, vnetBytes: number): Judgement {
  const vnet = readVnet(written, vnetBytes);
  const packet = readPacket(written.subarray(vnetBytes));
  if (packet.faults.length > 0 || written.length < vnetBytes) {
    return { faults: written.length < vnetBytes ? ['no virtio header'] : packet.faults, checksum: 'unknown' };
  }
  return { faults: vnetFaults(vnet, packet), checksum: checksumOf(packet, vnet.needsChecksum) };
}

interface Vnet {
  readonly present: boolean;
  readonly flags: number;
  readonly needsChecksum: boolean;
  /** Undefined for a type that does not exist. */
  readonly gso: string | undefined;
  readonly headerBytes: number;
  readonly gsoBytes: number;
  readonly checksumStart: number;
  readonly checksumOffset: number;
}

/** In the machine's order, little-endian: neither TUNSETVNETBE nor VIRTIO_F_VERSION_1 is asked for. */
function readVnet(written: Uint8Array, vnetBytes: number): Vnet {
  const field = (at: number): number =>
    vnetBytes === 0 ? 0 : (written[at] ?? 0) | ((written[at + 1] ?? 0) << 8);
  const [flags, type] = [field(0) & 0xff, field(0) >> 8];
  return {
    present: vnetBytes > 0,
    flags,
    needsChecksum: (flags & needsChecksum) !== 0,
    gso: gsoNames[type & ~gsoEcn],
    headerBytes: field(2),
    gsoBytes: field(4),
    checksumStart: field(6),
    checksumOffset: field(8),
  };
}

interface Packet {
  readonly faults: readonly string[];
  readonly bytes: Uint8Array;
  readonly version: 4 | 6;
  readonly isFragment: boolean;
  /** Of what begins at `transportAt`. */
  readonly protocol: number;
  readonly transportAt: number;
}

function readPacket(bytes: Uint8Array): Packet {
  const version = (bytes[0] ?? 0) >> 4;
  return version === 6 ? readIpv6(bytes) : readIpv4(bytes, version);
}

/** RFC 791 section 3.1. */
function readIpv4(bytes: Uint8Array, version: number): Packet {
  const headerBytes = ((bytes[0] ?? 0) & 15) * 4;
  const fragment = u16(bytes, 6) & 0x3fff;
  const base = {
    bytes,
    version: 4,
    isFragment: fragment !== 0,
    protocol: bytes[9] ?? 0,
    transportAt: headerBytes,
  } as const;
  if (version !== 4) return { ...base, faults: [`version ${version}`] };
  if (bytes.length < 20) return { ...base, faults: [`IPv4 header of ${bytes.length} bytes`] };
  if (headerBytes < 20 || headerBytes > bytes.length)
    return { ...base, faults: [`header length ${headerBytes}`] };
  const faults = [
    ...(u16(bytes, 2) === bytes.length ? [] : [`total length ${u16(bytes, 2)} of ${bytes.length} bytes`]),
    ...(onesSum(bytes.subarray(0, headerBytes)) === 0xffff ? [] : ['IPv4 header checksum']),
    ...((bytes[8] ?? 0) > 0 ? [] : ['TTL 0']),
    ...((fragment & 0x1fff) * 8 + bytes.length - headerBytes <= 0xffff
      ? []
      : ['fragment beyond 65535 bytes']),
  ];
  return { ...base, faults };
}

/** RFC 8200 sections 3 and 4, as far as to the first header that is not an extension known here. */
function readIpv6(bytes: Uint8Array): Packet {
  if (bytes.length < 40) {
    const faults = [`IPv6 header of ${bytes.length} bytes`];
    return { faults, bytes, version: 6, isFragment: false, protocol: 59, transportAt: bytes.length };
  }
  let [protocol, at, isFragment] = [bytes[6] ?? 0, 40, false];
  while ([0, 43, 60, 44].includes(protocol) && at + 8 <= bytes.length) {
    const length = protocol === 44 ? 8 : ((bytes[at + 1] ?? 0) + 1) * 8;
    isFragment ||= protocol === 44 && (u16(bytes, at + 2) & 0xfff9) !== 0;
    protocol = bytes[at] ?? 0;
    at += length;
  }
  const faults = [
    ...(u16(bytes, 4) === bytes.length - 40
      ? []
      : [`payload length ${u16(bytes, 4)} of ${bytes.length - 40} bytes`]),
    ...((bytes[7] ?? 0) > 0 ? [] : ['hop limit 0']),
  ];
  return { faults, bytes, version: 6, isFragment, protocol, transportAt: Math.min(at, bytes.length) };
}

const [icmp, tcp, udp, icmp6] = [1, 6, 17, 58];
const checksumOffsets: Readonly<Record<number, number>> = { [tcp]: 16, [udp]: 6 };

/** Virtio 1.2 section 5.1.6.2, which is what drivers/net/tun.c believes. */
function vnetFaults(vnet: Vnet, packet: Packet): string[] {
  const { gso, gsoBytes, checksumStart, checksumOffset, headerBytes } = vnet;
  if ((vnet.flags & ~needsChecksum) !== 0) return [`virtio flags ${vnet.flags}`];
  if (gso === undefined) return ['unknown type of segmentation'];
  if (!vnet.needsChecksum) {
    const rest = [gsoBytes, checksumStart, checksumOffset, headerBytes];
    return gso === 'none' && rest.every(field => field === 0) ? [] : ['offload without NEEDS_CSUM'];
  }
  const offset = checksumOffsets[packet.protocol];
  if (offset === undefined || packet.isFragment) return ['NEEDS_CSUM for what has no checksum to be made'];
  const faults: string[] = [];
  const expect = (what: string, found: number, wanted: number): void => {
    if (found !== wanted) faults.push(`${what} is ${found} rather than ${wanted}`);
  };
  expect('csum_start', checksumStart, packet.transportAt);
  expect('csum_offset', checksumOffset, offset);
  const transport = packet.bytes.subarray(packet.transportAt);
  if (transport.length < transportBytes(packet)) return ['transport header cut short'];
  expect('the checksum so far', u16(transport, offset), pseudoSum(packet, transport.length));
  if (packet.protocol === udp) expect('UDP length', u16(transport, 4), transport.length);
  if (gso === 'none') {
    expect('gso_size without segmentation', gsoBytes, 0);
    return faults;
  }
  if (gso !== gsoOf(packet)) return [...faults, `segmentation ${gso} of protocol ${packet.protocol}`];
  expect('hdr_len', headerBytes, packet.transportAt + transportBytes(packet));
  if (gsoBytes === 0 || transport.length - transportBytes(packet) <= gsoBytes)
    faults.push(`segments of ${gsoBytes} bytes`);
  return faults;
}

function gsoOf({ protocol, version }: Packet): string {
  if (protocol === tcp) return version === 4 ? 'tcp4' : 'tcp6';
  return protocol === udp ? 'udp' : 'none';
}

function transportBytes({ protocol, bytes, transportAt }: Packet): number {
  return protocol === tcp ? Math.max(20, ((bytes[transportAt + 12] ?? 0) >> 4) * 4) : 8;
}

function checksumOf(packet: Packet, isOffloaded: boolean): Judgement['checksum'] {
  if (isOffloaded) return 'offloaded';
  const { protocol, bytes, transportAt, version, isFragment } = packet;
  const isIcmp = protocol === (version === 4 ? icmp : icmp6);
  if (isFragment || !(isIcmp || protocol === tcp || protocol === udp)) return 'unknown';
  const transport = bytes.subarray(transportAt);
  if (transport.length < (protocol === tcp ? 20 : 8)) return 'unknown';
  // Padding behind the datagram is not summed.
  const summed = protocol === udp ? transport.subarray(0, u16(transport, 4)) : transport;
  if (protocol === udp && (summed.length < 8 || summed.length < u16(transport, 4))) return 'unknown';
  if (protocol === udp && u16(summed, 6) === 0) return version === 4 ? 'none' : 'wrong';
  const pseudo = isIcmp && version === 4 ? 0 : pseudoSum(packet, summed.length);
  return onesSum(summed, pseudo) === 0xffff ? 'right' : 'wrong';
}

/** The packets that a sound write stands for: what the kernel makes of it when it goes on to a device without offloads. */
export function segmentsOf(written: Uint8Array, vnetBytes: number): Uint8Array[] {
  const vnet = readVnet(written, vnetBytes);
  const packet = readPacket(written.slice(vnetBytes));
  const { bytes } = packet;
  if (!vnet.needsChecksum) return [bytes];
  const headerBytes = packet.transportAt + transportBytes(packet);
  const size = vnet.gso === 'none' ? Math.max(1, bytes.length - headerBytes) : vnet.gsoBytes;
  const count = Math.max(1, Math.ceil((bytes.length - headerBytes) / size));
  return Array.from({ length: count }, (_, index) => {
    const payload = bytes.subarray(headerBytes + index * size, headerBytes + (index + 1) * size);
    const segment = Uint8Array.from([...bytes.subarray(0, headerBytes), ...payload]);
    finish({ ...packet, bytes: segment }, index, index * size, index === count - 1);
    return segment;
  });
}

/** Lengths, IPv4 identification, TCP sequence and flags, checksums: net/ipv4/tcp_offload.c, udp_offload.c. */
function finish(segment: Packet, index: number, sentBytes: number, isLast: boolean): void {
  const { bytes, transportAt, protocol, version } = segment;
  if (version === 4) {
    put16(bytes, 2, bytes.length);
    put16(bytes, 4, u16(bytes, 4) + index);
    put16(bytes, 10, 0);
    put16(bytes, 10, ~onesSum(bytes.subarray(0, transportAt)));
  } else put16(bytes, 4, bytes.length - 40);
  const transport = bytes.subarray(transportAt);
  if (protocol === tcp) {
    const sequence = u16(transport, 4) * 0x10000 + u16(transport, 6) + sentBytes;
    put16(transport, 4, Math.floor(sequence / 0x10000));
    put16(transport, 6, sequence);
    const [congestionWindowReduced, finAndPush] = [0x80, 0x09];
    const dropped = (index > 0 ? congestionWindowReduced : 0) | (isLast ? 0 : finAndPush);
    transport[13] = (transport[13] ?? 0) & ~dropped;
  } else put16(transport, 4, transport.length);
  const at = checksumOffsets[protocol] ?? 0;
  put16(transport, at, 0);
  const sum = ~onesSum(transport, pseudoSum(segment, transport.length)) & 0xffff;
  put16(transport, at, sum === 0 && protocol === udp ? 0xffff : sum);
}

/** RFC 9293 section 3.1, RFC 768, RFC 8200 section 8.1. */
function pseudoSum({ bytes, version, protocol }: Packet, length: number): number {
  const addresses = version === 4 ? bytes.subarray(12, 20) : bytes.subarray(8, 40);
  return onesSum(addresses, protocol + length);
}

/** RFC 1071: each carry is put back at once. */
function onesSum(bytes: Uint8Array, initial = 0): number {
  let sum = (initial & 0xffff) + (initial >>> 16);
  for (let at = 0; at < bytes.length; at += 2) {
    sum += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
    sum = (sum & 0xffff) + (sum >>> 16);
  }
  return (sum & 0xffff) + (sum >>> 16);
}

function u16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}

function put16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
}
