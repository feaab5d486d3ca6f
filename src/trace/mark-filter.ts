/** Where the mark of a probe is in a frame, by how many headers are around it. */
import { readU32be } from '../base/bytes.ts';
import { BpfAssembler, type BpfInstruction } from '../wire/bpf.ts';

/** Ethernet 14; IPv4 20 or IPv6 40, ICMP 8; VXLAN with its outer IP, UDP and inner Ethernet 50 or 70; UDP 28 or 48. */
export const markOffsets: readonly number[] = [
  28, // a TUN device, IPv4
  42, // Ethernet, IPv4
  48, // a TUN device, IPv6
  62, // Ethernet, IPv6
  70, // Ethernet, the udp backend over IPv4, IPv4
  92, // Ethernet, VXLAN over IPv4, IPv4
  110, // Ethernet, the udp backend over IPv6, IPv6
  132, // Ethernet, VXLAN over IPv6, IPv6
];

export function markOffset(frame: Uint8Array, mark: number): number | undefined {
  return markOffsets.find(at => at + 4 <= frame.length && readU32be(frame, at) === mark);
}

/** Takes frames with the mark at one of those places; a frame ends the search where it ends itself. */
export function markFilter(mark: number, snapBytes: number): readonly BpfInstruction[] {
  const program = new BpfAssembler();
  const take = program.label('take');
  program.emit('setX', 0);
  for (const at of markOffsets) {
    program.emit('loadWord', at);
    program.branch('jumpIfEqual', mark, { hit: take });
  }
  program.emit('return', 0);
  program.place(take);
  program.emit('return', snapBytes);
  return program.assemble();
}
