/**
 * Netlink framing (RFC 3549 section 2.2; kernel include/uapi/linux/netlink.h): a datagram holds messages, each
 *
 *   0        4      6       8          12        16
 *   | length | type | flags | sequence | port id | payload, padded to 4 bytes ...
 *
 * in the host's byte order.
 */
import { type ByteWriter, readI32le, readU16le, readU32le, slice } from '../base/bytes.ts';
import { WeftError } from '../base/errors.ts';
import { eachAttribute, readString } from './attributes.ts';

/** What to ask the kernel; the socket adds the sequence number. */
export interface NetlinkRequest {
  readonly type: number;
  readonly flags: number;
  readonly body: Uint8Array;
  /** The equal iproute2 command, for errors and logs. */
  readonly what: () => string;
}

export interface NetlinkMessage {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  /** In a notice: the netlink port of the socket that caused it, as a rule its process's id; 0 for the kernel. */
  readonly portId: number;
  readonly body: Uint8Array;
}

/** The kernel's verdict on one request: NLMSG_ERROR, which with errno 0 is the acknowledgement. */
export interface NetlinkVerdict {
  /** Positive errno, 0 for success. */
  readonly errno: number;
  /** The kernel's own words (NLMSGERR_ATTR_MSG, "extended ack"), '' when it said nothing. */
  readonly text: string;
}

export const headerBytes = 16;

/** Message types below RTM_BASE. */
export const NLMSG = { NOOP: 1, ERROR: 2, DONE: 3, OVERRUN: 4 } as const;

/** Header flags; the second group is for GET, the third for NEW, the fourth for verdicts. */
export const NLM_F = {
  REQUEST: 0x1,
  MULTI: 0x2,
  ACK: 0x4,
  DUMP_INTR: 0x10,
  DUMP: 0x300,
  REPLACE: 0x100,
  EXCL: 0x200,
  CREATE: 0x400,
  APPEND: 0x800,
  CAPPED: 0x100,
  ACK_TLVS: 0x200,
} as const;

const NLMSGERR_ATTR_MSG = 1;

/** Appends one framed message to `writer`. */
export function encodeMessage(
  writer: ByteWriter,
  request: NetlinkRequest,
  sequence: number,
  flags = request.flags,
): void {
  writer
    .u32le(headerBytes + request.body.length)
    .u16le(request.type)
    .u16le(flags)
    .u32le(sequence)
    .u32le(0)
    .bytes(request.body)
    .zeros(-request.body.length & 3);
}

/**
 * Takes a received datagram apart. The bodies are views into `datagram`.
 * @throws WeftError `netlink-malformed` when a length does not fit
 */
export function* decodeMessages(datagram: Uint8Array): Generator<NetlinkMessage, void, undefined> {
  for (let at = 0; at + headerBytes <= datagram.length; ) {
    const length = readU32le(datagram, at);
    if (length < headerBytes || at + length > datagram.length) {
      throw new WeftError(
        'netlink-malformed',
        `netlink message at byte ${at} claims ${length} bytes, the datagram has ${datagram.length}`,
      );
    }
    yield {
      type: readU16le(datagram, at + 4),
      flags: readU16le(datagram, at + 6),
      sequence: readU32le(datagram, at + 8),
      portId: readU32le(datagram, at + 12),
      body: datagram.subarray(at + headerBytes, at + length),
    };
    at += (length + 3) & ~3;
  }
}

/**
 * Reads the body of NLMSG_ERROR, or of the NLMSG_DONE that ends a failed dump.
 * Layout: errno (negative), the offending header unless capped, then attributes when ACK_TLVS is set.
 */
export function decodeVerdict(message: NetlinkMessage): NetlinkVerdict {
  const errno = message.body.length >= 4 ? 0 - readI32le(message.body, 0) : 0;
  let text = '';
  if ((message.flags & NLM_F.ACK_TLVS) !== 0) {
    eachAttribute(message.body, verdictAttributesAt(message), (type, value) => {
      if (type === NLMSGERR_ATTR_MSG) text = readString(value);
    });
  }
  return { errno, text };
}

function verdictAttributesAt(message: NetlinkMessage): number {
  if (message.type === NLMSG.DONE) return 4;
  const echoed = (message.flags & NLM_F.CAPPED) !== 0 ? headerBytes : readU32le(message.body, 4);
  slice(message.body, 4, echoed);
  return 4 + ((echoed + 3) & ~3);
}
