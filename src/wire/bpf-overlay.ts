/**
 * The packet filter for overlay traffic on the underlay, by UDP destination port:
 *
 *     [VLAN [VLAN]] IPv4|IPv6 -> UDP -> VXLAN, or an IP packet (udp backend)
 *                             -> a later fragment of UDP: its port is in the first, so all of them are taken
 *                             -> ICMP error -> the IPv4|IPv6 and UDP headers that caused it
 *
 * X stays as far ahead as the headers that were left behind are long, so that the offsets below are those of the plain
 * case. IPv6 extension headers other than a fragment header are not looked behind: no kernel puts them around UDP.
 */
import { readU32be } from '../base/bytes.ts';
import { type Family, familyOf, type IpAddress, ipToBytes } from '../base/ip.ts';
import { BpfAssembler, type BpfInstruction, type BpfLabel } from './bpf.ts';
import { ethernetHeaderBytes, etherTypes } from './ethernet.ts';
import { ipProtocols } from './ipv4.ts';

export interface OverlayFilter {
  /** `none`: the link's packets begin with IP, as those of a WireGuard or TUN device. */
  readonly linkHeader: 'ethernet' | 'none';
  /** What to take; at least one. */
  readonly carriers: readonly Carrier[];
  /** Underlay addresses, of which one must be an end; none: whoever it is. */
  readonly hosts: readonly IpAddress[];
  /** Bytes of a packet to take at most. */
  readonly snapBytes: number;
}

/** One overlay, by what its packets have in common on the underlay. */
export interface Carrier {
  /** UDP destination port. */
  readonly port: number;
  /** VXLAN network identifiers; none: all, and what is not VXLAN. */
  readonly vnis: readonly number[];
}

/** Byte offsets within the IPv4 header (RFC 791), and what is in the half word of the fragment. */
const ipv4 = { fragment: 6, protocol: 9, source: 12, destination: 16 } as const;
const fragmentOffsetBits = 0x1fff;
/** The IPv6 header and, behind it, the fragment header (RFC 8200). */
const ipv6 = { nextHeader: 6, source: 8, destination: 24, bytes: 40, fragmentHeader: 44 } as const;
const fragment = { nextHeader: 0, offset: 2, offsetBits: 0xfff8, bytes: 8 } as const;
const udp = { destinationPort: 2, vni: 8 + 4 } as const;
const icmpBytes = 8;
/** Unreachable, time exceeded, parameter problem (RFC 792). */
const icmpErrors = [3, 11, 12] as const;
/** All below are errors (RFC 4443 section 2.1). */
const firstIcmp6Information = 128;

/** @throws WeftError `bpf-program` when there are too many hosts or networks for one program */
export function overlayFilter(filter: OverlayFilter): readonly BpfInstruction[] {
  const program = new BpfAssembler();
  const at = filter.linkHeader === 'ethernet' ? ethernetHeaderBytes : 0;
  const [four, six] = [program.label('IPv4'), program.label('IPv6')];
  if (filter.linkHeader === 'ethernet') branchByEtherType(program, four, six);
  else branchByVersion(program, four, six);
  program.place(four);
  section({ program, filter, at }, takeIpv4);
  program.place(six);
  section({ program, filter, at }, takeIpv6);
  return program.assemble();
}

interface Context {
  readonly program: BpfAssembler;
  readonly filter: OverlayFilter;
  /** Where the IP header is, beyond X. */
  readonly at: number;
}

interface Section extends Context {
  readonly take: BpfLabel;
  readonly leave: BpfLabel;
}

/** With ends of its own, because jumps are short. */
function section(context: Context, fill: (section: Section) => void): void {
  const { program, filter } = context;
  const [take, leave] = [program.label('take'), program.label('leave')];
  fill({ ...context, take, leave });
  program.place(take);
  program.emit('return', filter.snapBytes);
  program.place(leave);
  program.emit('return', 0);
}

/** Sets X to the length of the VLAN tags, of which the kernel has mostly taken the outer one off. */
function branchByEtherType(program: BpfAssembler, four: BpfLabel, six: BpfLabel): void {
  const [toSix, leave] = [program.label('to IPv6'), program.label('leave')];
  for (const tagBytes of [0, 4, 8]) {
    const tagged = program.label('tagged');
    program.emit('setX', tagBytes);
    program.emit('loadHalf', ethernetHeaderBytes - 2);
    program.branch('jumpIfEqual', etherTypes.ipv4, { hit: four });
    program.branch('jumpIfEqual', etherTypes.ipv6, { hit: toSix });
    if (tagBytes === 8) break;
    program.branch('jumpIfEqual', etherTypes.vlan, { hit: tagged });
    program.branch('jumpIfEqual', etherTypes.serviceVlan, { miss: leave });
    program.place(tagged);
  }
  program.place(leave);
  program.emit('return', 0);
  program.place(toSix);
  program.jump(six);
}

function branchByVersion(program: BpfAssembler, four: BpfLabel, six: BpfLabel): void {
  const toSix = program.label('to IPv6');
  program.emit('setX', 0);
  program.emit('loadByte', 0);
  program.emit('shiftRight', 4);
  program.branch('jumpIfEqual', 4, { hit: four });
  program.branch('jumpIfEqual', 6, { hit: toSix });
  program.emit('return', 0);
  program.place(toSix);
  program.jump(six);
}

function takeIpv4(section: Section): void {
  const { program, at, take, leave } = section;
  const [isUdp, isError] = [program.label('UDP'), program.label('ICMP error')];
  program.emit('loadByte', at + ipv4.protocol);
  program.branch('jumpIfEqual', ipProtocols.udp, { hit: isUdp });
  program.branch('jumpIfEqual', ipProtocols.icmp, { miss: leave });
  program.emit('loadHalf', at + ipv4.fragment);
  program.branch('jumpIfBits', fragmentOffsetBits, { hit: leave });
  passIpv4Header(section);
  program.emit('loadByte', at);
  for (const type of icmpErrors) program.branch('jumpIfEqual', type, { hit: isError });
  program.jump(leave);
  program.place(isError);
  pass(section, icmpBytes);
  program.emit('loadByte', at + ipv4.protocol);
  program.branch('jumpIfEqual', ipProtocols.udp, { miss: leave });
  requireHost(section, 4);
  program.emit('loadHalf', at + ipv4.fragment);
  program.branch('jumpIfBits', fragmentOffsetBits, { hit: leave });
  passIpv4Header(section);
  requirePort(section);
  program.place(isUdp);
  requireHost(section, 4);
  program.emit('loadHalf', at + ipv4.fragment);
  program.branch('jumpIfBits', fragmentOffsetBits, { hit: take });
  passIpv4Header(section);
  requireCarrier(section);
}

function takeIpv6(section: Section): void {
  const { program, at, take, leave } = section;
  const [isUdp, isFragment] = [program.label('UDP'), program.label('fragment')];
  const behind = at + ipv6.bytes;
  program.emit('loadByte', at + ipv6.nextHeader);
  program.branch('jumpIfEqual', ipProtocols.udp, { hit: isUdp });
  program.branch('jumpIfEqual', ipv6.fragmentHeader, { hit: isFragment });
  program.branch('jumpIfEqual', ipProtocols.icmp6, { miss: leave });
  program.emit('loadByte', behind);
  program.branch('jumpIfAtLeast', firstIcmp6Information, { hit: leave });
  pass(section, ipv6.bytes + icmpBytes);
  program.emit('loadByte', at + ipv6.nextHeader);
  program.branch('jumpIfEqual', ipProtocols.udp, { miss: leave });
  requireHost(section, 6);
  pass(section, ipv6.bytes);
  requirePort(section);
  program.place(isFragment);
  program.emit('loadByte', behind + fragment.nextHeader);
  program.branch('jumpIfEqual', ipProtocols.udp, { miss: leave });
  requireHost(section, 6);
  program.emit('loadHalf', behind + fragment.offset);
  program.branch('jumpIfBits', fragment.offsetBits, { hit: take });
  pass(section, ipv6.bytes + fragment.bytes);
  requireCarrier(section);
  program.place(isUdp);
  requireHost(section, 6);
  pass(section, ipv6.bytes);
  requireCarrier(section);
}

/** X = X + the length that the IPv4 header tells. */
function passIpv4Header({ program, at }: Section): void {
  program.emit('loadByte', at);
  program.emit('and', 0xf);
  program.emit('shiftLeft', 2);
  program.move('addX');
  program.move('copyToX');
}

function pass({ program }: Section, bytes: number): void {
  program.move('copyToA');
  program.emit('add', bytes);
  program.move('copyToX');
}

/** Goes on when an end of the packet is one of the hosts. */
function requireHost({ program, filter, at, leave }: Section, family: Family): void {
  if (filter.hosts.length === 0) return;
  const found = program.label('host');
  const { source, destination } = family === 4 ? ipv4 : ipv6;
  const hosts = filter.hosts.filter(host => familyOf(host) === family);
  for (const offset of [source, destination])
    for (const host of hosts) ifAddress(program, at + offset, host, found);
  program.jump(leave);
  program.place(found);
}

function ifAddress(program: BpfAssembler, at: number, address: IpAddress, hit: BpfLabel): void {
  const other = program.label('other');
  const bytes = ipToBytes(address);
  for (let word = 0; word < bytes.length; word += 4) {
    program.emit('loadWord', at + word);
    const last = word + 4 === bytes.length;
    program.branch('jumpIfEqual', readU32be(bytes, word), { miss: other, ...(last ? { hit } : {}) });
  }
  program.place(other);
}

/** Ends here: what an ICMP error quotes need not reach to the VNI. */
function requirePort({ program, filter, at, take, leave }: Section): void {
  program.emit('loadHalf', at + udp.destinationPort);
  for (const { port } of filter.carriers) program.branch('jumpIfEqual', port, { hit: take });
  program.jump(leave);
}

/** Ends here. */
function requireCarrier({ program, filter, at, take, leave }: Section): void {
  program.emit('loadHalf', at + udp.destinationPort);
  for (const { port, vnis } of filter.carriers) {
    const other = program.label('other port');
    program.branch('jumpIfEqual', port, { miss: other });
    if (vnis.length === 0) program.jump(take);
    else {
      program.emit('loadWord', at + udp.vni);
      program.emit('shiftRight', 8);
      for (const vni of vnis) program.branch('jumpIfEqual', vni, { hit: take });
      program.jump(leave);
    }
    program.place(other);
  }
  program.jump(leave);
}
