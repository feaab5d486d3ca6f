/** Writes packets to a pcapng file or pipe as they come. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { WeftError } from '../base/errors.ts';
import type { CapturedPacket, CaptureInterface, CaptureStatistics } from '../wire/pcap-record.ts';
import { encodeInterface, encodePacket, encodeSection, encodeStatistics } from '../wire/pcapng-write.ts';

/** Where the bytes go. */
export interface ByteSink {
  write(bytes: Uint8Array): void;
  close(): void;
}

/** Chosen: what is gathered before it is written, in order to write rarely. */
const gatherBytes = 256 * 1024;

export class CaptureWriter {
  readonly #sink: ByteSink;
  readonly #numbers = new Map<CaptureInterface, number>();
  #gathered: Uint8Array[] = [];
  #gatheredBytes = 0;

  /** @param origin who writes, and on which system */
  constructor(sink: ByteSink, origin: { readonly program: string; readonly system: string }) {
    this.#sink = sink;
    this.#add(encodeSection(origin));
    this.flush();
  }

  /** @throws WeftError `file-unwritable`, here and below */
  packet(packet: CapturedPacket): void {
    this.#add(encodePacket(packet, this.#numberOf(packet.via)));
  }

  /** @param timeNs when the counts were taken */
  statistics(statistics: CaptureStatistics, timeNs: bigint): void {
    this.#add(encodeStatistics(statistics, this.#numberOf(statistics.via), timeNs));
  }

  /** Writes what was gathered, so that a reader of the file sees it. */
  flush(): void {
    if (this.#gatheredBytes === 0) return;
    const bytes = Buffer.concat(this.#gathered);
    this.#gathered = [];
    this.#gatheredBytes = 0;
    this.#sink.write(bytes);
  }

  close(): void {
    try {
      this.flush();
    } finally {
      this.#sink.close();
    }
  }

  #numberOf(via: CaptureInterface): number {
    const known = this.#numbers.get(via);
    if (known !== undefined) return known;
    const number = this.#numbers.size;
    this.#numbers.set(via, number);
    this.#add(encodeInterface(via));
    return number;
  }

  #add(block: Uint8Array): void {
    this.#gathered.push(block);
    this.#gatheredBytes += block.length;
    if (this.#gatheredBytes >= gatherBytes) this.flush();
  }
}

/**
 * A file, made anew. What was captured is other people's: nobody else may read it.
 * @throws WeftError `file-unwritable`
 */
export function openCaptureFile(file: string): ByteSink {
  const fd = unwritable(file, () => openSync(file, 'w', 0o600));
  return {
    write: bytes =>
      unwritable(file, () => {
        for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
      }),
    close: () => closeSync(fd),
  };
}

function unwritable<T>(file: string, act: () => T): T {
  try {
    return act();
  } catch (cause) {
    throw new WeftError('file-unwritable', `writing ${file} failed`, {
      cause,
      remedy: 'name a file that can be written, on a disk with room, with -w',
    });
  }
}
