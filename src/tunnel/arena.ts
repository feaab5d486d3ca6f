/**
 * The memory in which packets lie. System calls read into it and write out of it, and the checksum's WebAssembly runs
 * on it in place: no packet is ever copied to be summed.
 */
import { WeftError } from '../base/errors.ts';
import { sumInJavaScript } from './checksum-js.ts';
import { checksumWasm } from './checksum-wasm.ts';

export interface Arena {
  /** All of it. Never moves and never grows, so its address may be kept. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly view: DataView<ArrayBuffer>;
  readonly summedBy: 'wasm' | 'javascript';
  /**
   * The ones' complement sum (RFC 1071) of the big-endian words at `offset`, an odd last byte padded with zero, folded
   * to 16 bits and not complemented: 0xffff over a header that holds its own right checksum.
   * @param initial words counted in beforehand, any 32 bits; 0 unless given
   * @throws RangeError (by WebAssembly: RuntimeError) outside the arena
   */
  sum(offset: number, length: number, initial?: number): number;
}

export interface ArenaOptions {
  /** False: sum in JavaScript, as is done by itself where WebAssembly's SIMD is missing. */
  readonly wasm?: boolean | undefined;
}

type Sum = (offset: number, length: number, initial: number) => number;

const pageBytes = 0x10000;

/** As much of the global as is used here: TypeScript's own types bring a browser with them. */
declare const WebAssembly: {
  readonly Memory: new (pages: { initial: number; maximum: number }) => Memory;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (
    module: object,
    imports: { arena: { memory: Memory } },
  ) => { readonly exports: Readonly<Record<string, unknown>> };
};

interface Memory {
  readonly buffer: ArrayBuffer;
}

/** @throws WeftError `arena-size` when the size is no positive integer or there is no memory for it */
export function createArena(sizeBytes: number, { wasm = true }: ArenaOptions = {}): Arena {
  const memory = allocate(sizeBytes);
  const bytes = new Uint8Array(memory.buffer, 0, sizeBytes);
  const view = new DataView(memory.buffer, 0, sizeBytes);
  const sum = wasm ? wasmSum(memory) : undefined;
  if (sum === undefined) {
    const inJavaScript = (offset: number, length: number, initial = 0): number =>
      sumInJavaScript(view, offset, length, initial);
    return { bytes, view, summedBy: 'javascript', sum: inJavaScript };
  }
  return {
    bytes,
    view,
    summedBy: 'wasm',
    sum: (offset, length, initial = 0) => sum(offset, length, initial),
  };
}

function allocate(sizeBytes: number): Memory {
  const pages = Math.ceil(sizeBytes / pageBytes);
  try {
    if (!Number.isInteger(sizeBytes) || sizeBytes < 1) throw new RangeError('no positive integer');
    return new WebAssembly.Memory({ initial: pages, maximum: pages });
  } catch (cause) {
    throw new WeftError('arena-size', `cannot make an arena of ${sizeBytes} bytes`, { cause });
  }
}

/** Undefined where the processor or the runtime has no SIMD: before SSE 4.1, or under `--jitless`. */
function wasmSum(memory: Memory): Sum | undefined {
  try {
    const module = new WebAssembly.Module(Buffer.from(checksumWasm, 'base64'));
    const { exports } = new WebAssembly.Instance(module, { arena: { memory } });
    return exports['sum'] as Sum;
  } catch {
    return undefined;
  }
}
