/** What all packet codecs share: a decoded header, how a checksum fared, and the one error. */
import { WeftError } from '../base/errors.ts';

/** A header taken off the front of bytes; `payload` is a view of the rest, without padding behind it. */
export interface Decoded<Header> {
  readonly header: Header;
  readonly payload: Uint8Array;
}

/**
 * What a checksum says of what was received. `none`: the sender made none (UDP over IPv4). `unknown`: it covers
 * more than the bytes at hand. A capture on the sending host may show `wrong` where the network card does the sum.
 */
export type ChecksumState = 'right' | 'wrong' | 'none' | 'unknown';

/** The error of every packet codec; `what` completes "malformed packet: ...". */
export function packetMalformed(what: string): WeftError {
  return new WeftError('packet-malformed', `malformed packet: ${what}`);
}

/** @throws WeftError `packet-malformed` when there are fewer bytes than a header needs */
export function requireBytes(bytes: Uint8Array, count: number, what: string): void {
  if (bytes.length >= count) return;
  throw packetMalformed(`${what} takes ${count} bytes, got ${bytes.length}`);
}
