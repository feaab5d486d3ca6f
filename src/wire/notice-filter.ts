import { BpfAssembler, type BpfInstruction } from './bpf.ts';
import { RTM } from './rtnetlink.ts';

/** Where they are in a netlink header; see netlink.ts. */
const offsets = { type: 4, port: 12 } as const;

/**
 * What a host has one of for each peer, and its devices, of which the kernel tells each step of their making. It tells FDB
 * entries without saying by whom they were made, and devices too before Linux 6.2.
 */
const addedTypes = [RTM.NEWROUTE, RTM.NEWNEIGH, RTM.NEWNEXTHOP, RTM.NEWLINK];

const wholeNotice = 0xffff_ffff;

/**
 * A packet filter for a monitor's socket: leaves out the routes, neighbours, next hops and links that the netlink port `port`
 * itself has added or changed, which it knows; what it removed is told. Filters load numbers in network order, and
 * netlink has them in the host's, little-endian.
 */
export function noticesButOwn(port: number): readonly BpfInstruction[] {
  const program = new BpfAssembler();
  const [byUs, taken, dropped] = [program.label('by us'), program.label('taken'), program.label('dropped')];
  program.emit('loadWord', offsets.port);
  program.branch('jumpIfEqual', swap32(port), { hit: byUs, miss: taken });
  program.place(byUs);
  program.emit('loadHalf', offsets.type);
  for (const type of addedTypes) program.branch('jumpIfEqual', swap16(type), { hit: dropped });
  program.place(taken);
  program.emit('return', wholeNotice);
  program.place(dropped);
  program.emit('return', 0);
  return program.assemble();
}

function swap16(value: number): number {
  return ((value & 0xff) << 8) | (value >>> 8);
}

function swap32(value: number): number {
  return ((swap16(value & 0xffff) << 16) | swap16(value >>> 16)) >>> 0;
}
