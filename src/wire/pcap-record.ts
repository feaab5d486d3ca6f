/** What capture files hold, in whichever of the two formats (pcap.ts, pcapng-*.ts). */
import { WeftError } from '../base/errors.ts';
import type { IpAddress } from '../base/ip.ts';

/** A link on which packets were captured. */
export interface CaptureInterface {
  /** What packets begin with: {@link linkTypes}, or another of the tcpdump.org list. */
  readonly linkType: number;
  /** Bytes kept of a packet at most; 0: no limit. */
  readonly snapBytes: number;
  readonly name?: string | undefined;
  /** What was captured, in tcpdump's words. */
  readonly filter?: string | undefined;
  /** Its own. */
  readonly addresses?: readonly IpAddress[] | undefined;
}

export interface CapturedPacket {
  readonly via: CaptureInterface;
  /** Nanoseconds since 1970; undefined where the file has none. */
  readonly timeNs: bigint | undefined;
  /** From the link's header on. */
  readonly bytes: Uint8Array;
  /** On the link; `bytes` has fewer when cut. */
  readonly lengthBytes: number;
  /** Undefined for what was only passing by, and where nobody knows. */
  readonly direction?: 'in' | 'out' | undefined;
}

/** How a capture on one interface fared. */
export interface CaptureStatistics {
  readonly via: CaptureInterface;
  /** Packets that the filter let through, lost ones included. */
  readonly received: number | undefined;
  /** Packets that the kernel had no room for. */
  readonly dropped: number | undefined;
}

export type CaptureRecord =
  | { readonly type: 'packet'; readonly packet: CapturedPacket }
  | { readonly type: 'statistics'; readonly statistics: CaptureStatistics };

/** LINKTYPE_* of https://www.tcpdump.org/linktypes.html, as far as they are understood here. */
export const linkTypes = {
  ethernet: 1,
  raw: 101,
  linuxCooked: 113,
  ipv4: 228,
  ipv6: 229,
  linuxCooked2: 276,
} as const;

/** Longer ones are no packets, and must not fill the memory. */
export const mostPacketBytes = 16 * 1024 * 1024;

/** @param at bytes from the beginning of the file */
export function captureFileMalformed(at: number, what: string): WeftError {
  return new WeftError('capture-file-malformed', `malformed capture file, at byte ${at}: ${what}`);
}
