/** Runs a packet filter as the kernel does: a slow, obvious interpreter of classic BPF (net/core/filter.c). */
import type { BpfInstruction } from '../../src/wire/bpf.ts';

/** @returns bytes of the packet that the filter takes @throws Error for an instruction that it does not know */
export function runBpf(program: readonly BpfInstruction[], packet: Uint8Array): number {
  let [a, x] = [0, 0];
  for (let at = 0; ; at++) {
    const instruction = program[at];
    if (instruction === undefined) throw new Error(`the program ends without a return, at ${at}`);
    const { code, jt, jf, k } = instruction;
    const load = (bytes: number): number | undefined => {
      const from = x + k;
      if (from + bytes > packet.length) return undefined;
      return packet.subarray(from, from + bytes).reduce((value, byte) => value * 256 + byte, 0);
    };
    const jumpIf = (holds: boolean): void => {
      at += holds ? jt : jf;
    };
    switch (code) {
      case 0x40:
      case 0x48:
      case 0x50: {
        const value = load({ 64: 4, 72: 2, 80: 1 }[code]);
        if (value === undefined) return 0;
        a = value;
        break;
      }
      case 0x01:
        x = k;
        break;
      case 0x07:
        x = a;
        break;
      case 0x87:
        a = x;
        break;
      case 0x0c:
        a = (a + x) >>> 0;
        break;
      case 0x04:
        a = (a + k) >>> 0;
        break;
      case 0x54:
        a = (a & k) >>> 0;
        break;
      case 0x64:
        a = (a << k) >>> 0;
        break;
      case 0x74:
        a >>>= k;
        break;
      case 0x15:
        jumpIf(a === k);
        break;
      case 0x35:
        jumpIf(a >= k);
        break;
      case 0x45:
        jumpIf((a & k) !== 0);
        break;
      case 0x05:
        at += k;
        break;
      case 0x06:
        return k;
      default:
        throw new Error(`instruction 0x${code.toString(16)} at ${at}`);
    }
  }
}
