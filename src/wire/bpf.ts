/**
 * Classic BPF, the language of socket filters: struct sock_filter of linux/filter.h (Documentation/networking/filter.rst).
 * A program runs on every packet, and what it returns is how many bytes of it the socket gets; 0 is none. A load beyond
 * the packet's end returns 0 as well.
 */
import { ByteWriter } from '../base/bytes.ts';
import { WeftError } from '../base/errors.ts';

/** One instruction. Jumps count the instructions that they leave out, so they only go forward. */
export interface BpfInstruction {
  readonly code: number;
  /** Of a conditional jump: where to when it holds, and when not. */
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

/** The few that a packet filter needs: A is the accumulator, X the index. */
export const bpf = {
  /** A = 4, 2 or 1 bytes at X + k, in network order. */
  loadWord: 0x40,
  loadHalf: 0x48,
  loadByte: 0x50,
  /** X = k, and copies between the two. */
  setX: 0x01,
  copyToX: 0x07,
  copyToA: 0x87,
  /** A = A + X, A + k, A & k, A << k, A >> k */
  addX: 0x0c,
  add: 0x04,
  and: 0x54,
  shiftLeft: 0x64,
  shiftRight: 0x74,
  /** Goes to `jt` when A == k, A >= k, A & k != 0; else to `jf`. */
  jumpIfEqual: 0x15,
  jumpIfAtLeast: 0x35,
  jumpIfBits: 0x45,
  jump: 0x05,
  return: 0x06,
} as const;

export type BpfOperation = Exclude<keyof typeof bpf, BpfJump | 'jump' | 'copyToX' | 'copyToA' | 'addX'>;
export type BpfJump = 'jumpIfEqual' | 'jumpIfAtLeast' | 'jumpIfBits';

/** A place in a program, made before it is known where that is. */
export type BpfLabel = symbol;

/** Writes a program with labels for jumps; a conditional jump without a label goes on with what follows. */
export class BpfAssembler {
  readonly #lines: Line[] = [];
  readonly #places = new Map<BpfLabel, number>();

  label(name: string): BpfLabel {
    return Symbol(name);
  }

  /** The next instruction is what `label` stands for. */
  place(label: BpfLabel): void {
    this.#places.set(label, this.#lines.length);
  }

  emit(operation: BpfOperation, k: number): void {
    this.#lines.push({ code: bpf[operation], k });
  }

  /** Operations on the two registers alone. */
  move(operation: 'copyToX' | 'copyToA' | 'addX'): void {
    this.#lines.push({ code: bpf[operation], k: 0 });
  }

  branch(operation: BpfJump, k: number, { hit, miss }: { hit?: BpfLabel; miss?: BpfLabel }): void {
    this.#lines.push({ code: bpf[operation], k, hit, miss });
  }

  jump(label: BpfLabel): void {
    this.#lines.push({ code: bpf.jump, k: 0, hit: label });
  }

  /** @throws WeftError `bpf-program` for a jump backward or too far, and for more than the kernel takes */
  assemble(): readonly BpfInstruction[] {
    if (this.#lines.length > mostInstructions) throw wrong(`has ${this.#lines.length} instructions`);
    return this.#lines.map(({ code, k, hit, miss }, index) => {
      const [jt, jf] = [this.#distance(hit, index), this.#distance(miss, index)];
      if (code === bpf.jump) return { code, jt: 0, jf: 0, k: jt };
      if (jt > 0xff || jf > 0xff) throw wrong(`jumps over ${Math.max(jt, jf)} instructions`);
      return { code, jt, jf, k };
    });
  }

  #distance(label: BpfLabel | undefined, from: number): number {
    if (label === undefined) return 0;
    const to = this.#places.get(label);
    if (to === undefined || to <= from) throw wrong(`leads from ${from} to ${label.description} at ${to}`);
    return to - from - 1;
  }
}

/** struct sock_filter[], in the host's order. */
export function encodeBpf(program: readonly BpfInstruction[]): Uint8Array {
  const writer = new ByteWriter(program.length * 8);
  for (const { code, jt, jf, k } of program)
    writer
      .u16le(code)
      .u8(jt)
      .u8(jf)
      .u32le(k >>> 0);
  return writer.toBytes();
}

/** A program that takes no packet. */
export const nothing: readonly BpfInstruction[] = [{ code: bpf.return, jt: 0, jf: 0, k: 0 }];

/** BPF_MAXINSNS */
const mostInstructions = 4096;

interface Line {
  readonly code: number;
  readonly k: number;
  readonly hit?: BpfLabel | undefined;
  readonly miss?: BpfLabel | undefined;
}

function wrong(what: string): WeftError {
  return new WeftError('bpf-program', `a packet filter ${what}, which no kernel takes`);
}
