import { WeftError } from '../base/errors.ts';

/**
 * gRPC's framing of messages (github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md, Length-Prefixed-Message):
 * a byte that tells compression, four bytes of length in network order, the message.
 */
const headerBytes = 5;

export function frameMessage(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(headerBytes + message.length);
  frame.writeUInt8(0, 0);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, headerBytes);
  return frame;
}

/** Cuts a stream of bytes into messages. */
export class MessageFramer {
  readonly #maxBytes: number;
  readonly #chunks: Buffer[] = [];
  #buffered = 0;

  /** @param maxBytes longer messages are refused before they are buffered */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** True between two messages, so that the stream may end here. */
  get atBoundary(): boolean {
    return this.#buffered === 0;
  }

  /**
   * The messages that `chunk` completes.
   * @throws WeftError `etcd-protocol` for a compressed message (nobody offered that) or one that is too long
   */
  *push(chunk: Buffer): Generator<Uint8Array, void, void> {
    this.#chunks.push(chunk);
    this.#buffered += chunk.length;
    for (let length = this.#nextLength(); length !== undefined; length = this.#nextLength()) {
      if (this.#buffered < headerBytes + length) return;
      const { buffer, byteOffset } = this.#take(headerBytes + length);
      yield new Uint8Array(buffer, byteOffset + headerBytes, length);
    }
  }

  #nextLength(): number | undefined {
    if (this.#buffered < headerBytes) return undefined;
    if ((this.#chunks[0]?.length ?? 0) < headerBytes) this.#chunks.unshift(this.#join());
    const [header] = this.#chunks;
    if (header === undefined) return undefined;
    if (header[0] !== 0)
      throw new WeftError('etcd-protocol', `etcd sent a gRPC message with flag ${header[0]}`);
    const length = header.readUInt32BE(1);
    if (length <= this.#maxBytes) return length;
    const message = `etcd sent a message of ${length} bytes; the most that is accepted is ${this.#maxBytes}`;
    throw new WeftError('etcd-protocol', message, { remedy: 'look for huge values under this prefix' });
  }

  #take(length: number): Buffer {
    const all = this.#chunks.length === 1 && this.#chunks[0] !== undefined ? this.#chunks[0] : this.#join();
    this.#chunks.length = 0;
    if (all.length > length) this.#chunks.push(all.subarray(length));
    this.#buffered -= length;
    return all.subarray(0, length);
  }

  #join(): Buffer {
    return Buffer.concat(this.#chunks.splice(0));
  }
}
