/** Packets in an arena, for the tests. */
import { type Arena, createArena } from '../../../src/tunnel/arena.ts';

/** One of each kind: what one of them does, the other shall do too. */
export const arenas: readonly Arena[] = [createArena(0x40000), createArena(0x40000, { wasm: false })];

/** Puts bytes at `offset`, among bytes of ones: whoever reads beyond them reads something wrong. */
export function place(arena: Arena, offset: number, bytes: Uint8Array): void {
  arena.bytes.fill(0xff, Math.max(0, offset - 64), offset + bytes.length + 64);
  arena.bytes.set(bytes, offset);
}
