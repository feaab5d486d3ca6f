/** What packets of a capture file begin with, by its link type; see pcap-record.ts. */
import { ByteWriter, readU8, readU16be } from '../base/bytes.ts';
import { etherTypes } from './ethernet.ts';
import { type CapturedPacket, linkTypes } from './pcap-record.ts';

export interface EthernetFrame {
  readonly bytes: Uint8Array;
  /** The link has no Ethernet header: addresses are zero, and only what follows is true. */
  readonly invented: boolean;
}

/** The packet as an Ethernet frame; undefined for link types that are not understood, and for less than their header. */
export function ethernetFrame({ via, bytes }: CapturedPacket): EthernetFrame | undefined {
  switch (via.linkType) {
    case linkTypes.ethernet:
      return { bytes, invented: false };
    case linkTypes.raw:
    case linkTypes.ipv4:
    case linkTypes.ipv6:
      return ipFrame(bytes);
    // Linux "cooked" captures, as of `tcpdump -i any`: the EtherType ends the header, or begins it.
    case linkTypes.linuxCooked:
      return bytes.length < 16 ? undefined : invent(readU16be(bytes, 14), bytes.subarray(16));
    case linkTypes.linuxCooked2:
      return bytes.length < 20 ? undefined : invent(readU16be(bytes, 0), bytes.subarray(20));
    default:
      return undefined;
  }
}

/** An IP packet as the payload of an Ethernet frame; undefined when it is none. */
export function ipFrame(bytes: Uint8Array): EthernetFrame | undefined {
  const version = bytes.length === 0 ? 0 : readU8(bytes, 0) >>> 4;
  if (version === 4) return invent(etherTypes.ipv4, bytes);
  return version === 6 ? invent(etherTypes.ipv6, bytes) : undefined;
}

function invent(etherType: number, payload: Uint8Array): EthernetFrame {
  const bytes = new ByteWriter(14 + payload.length).zeros(12).u16be(etherType).bytes(payload).toBytes();
  return { bytes, invented: true };
}
