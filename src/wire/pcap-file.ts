/** A capture file of either format, read as it arrives: no more of it is kept than one block. */
import { isPcap, PcapReader } from './pcap.ts';
import { type CaptureRecord, captureFileMalformed } from './pcap-record.ts';
import { blockTypes } from './pcapng.ts';
import { PcapngReader } from './pcapng-read.ts';

export class CaptureFileReader {
  #format: PcapReader | PcapngReader | undefined;
  #pending = new Uint8Array();
  /** Where `#pending` begins in the file. */
  #at = 0;

  /** Bytes at the end that make no whole block: a file that was cut short, or is still being written. */
  get leftBytes(): number {
    return this.#pending.length;
  }

  /**
   * Takes the next bytes of the file, in pieces of any size, and gives what they complete; packets' bytes are views
   * that stay valid.
   * @throws WeftError `capture-file-malformed`
   */
  *push(bytes: Uint8Array): Generator<CaptureRecord> {
    this.#pending = concatenate(this.#pending, bytes);
    let used = 0;
    try {
      for (;;) {
        const rest = viewOf(this.#pending, used);
        if (rest.byteLength < 4) return;
        const at = this.#at + used;
        this.#format ??= formatOf(rest, at);
        const length = this.#format.blockBytes(rest, at);
        if (length === undefined || length > rest.byteLength) return;
        used += length;
        const record = this.#format.read(new DataView(rest.buffer, rest.byteOffset, length), at);
        if (record !== undefined) yield record;
      }
    } finally {
      this.#pending = this.#pending.subarray(used);
      this.#at += used;
    }
  }
}

function formatOf(bytes: DataView, at: number): PcapReader | PcapngReader {
  if (bytes.getUint32(0) === blockTypes.section) return new PcapngReader();
  if (isPcap(bytes)) return new PcapReader();
  throw captureFileMalformed(at, 'expected pcapng or pcap, got neither');
}

/** A copy, so that views of it stay when the caller uses its memory again. */
function concatenate(one: Uint8Array, other: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(one.length + other.length);
  both.set(one);
  both.set(other, one.length);
  return both;
}

function viewOf(bytes: Uint8Array, from: number): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset + from, bytes.length - from);
}
