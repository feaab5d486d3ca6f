/**
 * Reads classic pcap files (draft-ietf-opsawg-pcap), as tcpdump -w writes them: one header of 24 bytes, then packets, each
 * behind a header of 16. The first word tells the byte order and whether times have micro- or nanoseconds.
 */
import {
  type CaptureInterface,
  type CaptureRecord,
  captureFileMalformed,
  mostPacketBytes,
} from './pcap-record.ts';

const magics = { micro: 0xa1b2c3d4, nano: 0xa1b23c4d } as const;
const [fileHeaderBytes, packetHeaderBytes] = [24, 16];

/** True for the first four bytes of such a file. */
export function isPcap(bytes: DataView): boolean {
  return magicOf(bytes) !== undefined;
}

export class PcapReader {
  #file:
    | { readonly littleEndian: boolean; readonly tickNs: bigint; readonly via: CaptureInterface }
    | undefined;

  /** How long the header or packet is that `bytes` begin with; see {@link PcapngReader.blockBytes}. */
  blockBytes(bytes: DataView, at: number): number | undefined {
    if (this.#file === undefined) return fileHeaderBytes;
    if (bytes.byteLength < packetHeaderBytes) return undefined;
    const captured = bytes.getUint32(8, this.#file.littleEndian);
    if (captured > mostPacketBytes) throw captureFileMalformed(at, `no packet has ${captured} bytes`);
    return packetHeaderBytes + captured;
  }

  read(bytes: DataView, at: number): CaptureRecord | undefined {
    if (this.#file === undefined) {
      this.#file = readHeader(bytes, at);
      return undefined;
    }
    const { littleEndian, tickNs, via } = this.#file;
    const [seconds, ticks] = [bytes.getUint32(0, littleEndian), bytes.getUint32(4, littleEndian)];
    const packet = {
      via,
      timeNs: BigInt(seconds) * 1_000_000_000n + BigInt(ticks) * tickNs,
      bytes: new Uint8Array(
        bytes.buffer,
        bytes.byteOffset + packetHeaderBytes,
        bytes.byteLength - packetHeaderBytes,
      ),
      lengthBytes: bytes.getUint32(12, littleEndian),
    };
    return { type: 'packet', packet };
  }
}

function readHeader(bytes: DataView, at: number) {
  const magic = magicOf(bytes);
  if (magic === undefined) throw captureFileMalformed(at, 'neither pcap nor pcapng');
  const { littleEndian, tickNs } = magic;
  // The upper bits tell of a frame check sequence.
  const linkType = bytes.getUint32(20, littleEndian) & 0xffff;
  const via: CaptureInterface = { linkType, snapBytes: bytes.getUint32(16, littleEndian) };
  return { littleEndian, tickNs, via };
}

function magicOf(bytes: DataView): { readonly littleEndian: boolean; readonly tickNs: bigint } | undefined {
  for (const littleEndian of [true, false]) {
    const magic = bytes.getUint32(0, littleEndian);
    if (magic === magics.micro) return { littleEndian, tickNs: 1000n };
    if (magic === magics.nano) return { littleEndian, tickNs: 1n };
  }
  return undefined;
}
