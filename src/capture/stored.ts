/** Packets out of a capture file of either format. */
import { WeftError } from '../base/errors.ts';
import { CaptureFileReader } from '../wire/pcap-file.ts';
import type { CapturedPacket, CaptureInterface } from '../wire/pcap-record.ts';

export interface StoredCapture {
  /** The file's bytes, in pieces. */
  readonly source: AsyncIterable<Uint8Array>;
  /** For errors. */
  readonly name: string;
  /** Aborted: what was read by then is all there is. */
  readonly signal: AbortSignal;
  onPacket(packet: CapturedPacket): 'more' | 'enough';
}

export interface StoredResult {
  readonly packets: number;
  /** Lost when it was captured, as far as the file tells. */
  readonly dropped: number;
  /** Bytes at the end that make no whole block. */
  readonly leftBytes: number;
}

/** @throws WeftError `capture-file-malformed`, `file-unreadable` */
export async function readStored({ source, name, signal, onPacket }: StoredCapture): Promise<StoredResult> {
  const reader = new CaptureFileReader();
  let [packets, dropped] = [0, 0];
  try {
    for await (const bytes of source) {
      for (const record of reader.push(bytes)) {
        if (record.type === 'statistics') {
          dropped += record.statistics.dropped ?? 0;
          continue;
        }
        packets++;
        if (onPacket(record.packet) === 'enough') return { packets, dropped, leftBytes: 0 };
      }
    }
  } catch (cause) {
    if (signal.aborted) return { packets, dropped, leftBytes: 0 };
    if (cause instanceof WeftError && cause.code !== 'capture-file-malformed') throw cause;
    const code = cause instanceof WeftError ? cause.code : 'file-unreadable';
    throw new WeftError(code, `reading ${name} failed`, { cause });
  }
  if (packets === 0 && reader.leftBytes > 0 && reader.leftBytes < 4)
    throw new WeftError('capture-file-malformed', `${name} is too short for a capture file`);
  return { packets, dropped, leftBytes: reader.leftBytes };
}

/** UDP ports that a capture was made for, as `udp dst port 8472` in its interface's filter says. */
export function portsOf({ filter = '' }: CaptureInterface): number[] {
  return [...filter.matchAll(/\budp dst port (\d{1,5})\b/g)].map(([, port]) => Number(port));
}
