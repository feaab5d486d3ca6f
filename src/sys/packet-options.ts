/** Options of an AF_PACKET socket that are structures (packet(7), socket(7)). */
import koffi from 'koffi';
import { WeftError } from '../base/errors.ts';
import { type BpfInstruction, encodeBpf } from '../wire/bpf.ts';
import { lastErrno, pointerOf } from './libc.ts';

const libc = koffi.load(null);
const setsockopt = libc.func('int setsockopt(int fd, int level, int name, void *value, uint32 length)');
const getsockopt = libc.func(
  'int getsockopt(int fd, int level, int name, _Out_ void *value, _Inout_ uint32 *length)',
);

const [SOL_SOCKET, SO_ATTACH_FILTER] = [1, 26];
const [SOL_PACKET, PACKET_STATISTICS] = [263, 6];

/** Runs `program` on every frame from now on; it takes the place of the one before. @throws WeftError `syscall-failed` */
export function attachFilter(fd: number, program: readonly BpfInstruction[]): void {
  const code = encodeBpf(program);
  // Where V8 does not move it: the structure below holds its address.
  const memory = new Uint8Array(new ArrayBuffer(Math.max(4096, code.length)));
  memory.set(code);
  // struct sock_fprog { u16 length; struct sock_filter *filter; }
  const fprog = new DataView(new ArrayBuffer(16));
  fprog.setUint16(0, program.length, true);
  fprog.setBigUint64(8, BigInt(pointerOf(memory)), true);
  const result = setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, new Uint8Array(fprog.buffer), 16);
  if (result !== 0) throw failure(`attaching a filter of ${program.length} instructions to ${fd}`);
}

/** Frames since the last call: all that the filter let through, and those of them for which there was no room. */
export interface PacketCounts {
  readonly received: number;
  readonly dropped: number;
}

/** @throws WeftError `syscall-failed` */
export function takePacketCounts(fd: number): PacketCounts {
  // struct tpacket_stats { u32 packets; u32 drops; }
  const stats = new Uint8Array(8);
  if (getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, stats, [stats.length]) !== 0)
    throw failure(`reading the packet counts of ${fd}`);
  const view = new DataView(stats.buffer);
  return { received: view.getUint32(0, true), dropped: view.getUint32(4, true) };
}

function failure(what: string): WeftError {
  const { name, words } = lastErrno();
  return new WeftError('syscall-failed', `${what} failed: ${name} (${words})`);
}
