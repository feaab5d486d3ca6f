/**
 * A probe's ICMP message: the cookie of this daemon, by which its own are known among others' replies, the probe's number,
 * and zeros up to the size.
 *
 *     IP header   ICMP header: identifier, sequence   cookie 8   number 4   0 ...
 */
import { readU32be } from '../../base/bytes.ts';
import type { Family } from '../../base/ip.ts';
import { decodeIcmp, encodeIcmp } from '../../wire/icmp.ts';

/** Eight bytes that nobody else has. */
export type Cookie = Uint8Array;

export interface ProbeReply {
  readonly number: number;
  /** Of the inner IP packet, its headers included. */
  readonly bytes: number;
}

/** Chosen: small, and with room for the cookie behind IPv6's header of 40 bytes and ICMP's of 8. */
export const smallBytes = 64;

const headerBytes: Readonly<Record<Family, number>> = { 4: 28, 6: 48 };
const cookieBytes = 8;

/** @param bytes of the whole inner packet, {@link smallBytes} or more */
export function encodeProbe(family: Family, cookie: Cookie, { number, bytes }: ProbeReply): Uint8Array {
  const payload = new Uint8Array(bytes - headerBytes[family]);
  payload.set(cookie);
  new DataView(payload.buffer).setUint32(cookieBytes, number);
  const identifier = (cookie[0] ?? 0) * 256 + (cookie[1] ?? 0);
  return encodeIcmp({ kind: 'echo-request', identifier, sequence: number & 0xffff }, family, payload);
}

/** Undefined for what is no answer to a probe of this daemon, or came damaged. */
export function decodeProbeReply(
  family: Family,
  cookie: Cookie,
  message: Uint8Array,
): ProbeReply | undefined {
  const bytes = message.length + headerBytes[family] - icmpBytes;
  if (bytes < smallBytes) return undefined;
  const { header, payload } = decodeIcmp(message, family);
  if (header.message.kind !== 'echo-reply' || header.checksum === 'wrong') return undefined;
  if (cookie.some((byte, index) => payload[index] !== byte)) return undefined;
  return { number: readU32be(payload, cookieBytes), bytes };
}

const icmpBytes = 8;
