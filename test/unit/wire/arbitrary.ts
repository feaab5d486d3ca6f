/** Values for property tests. */
import fc from 'fast-check';
import { ipFromBytes } from '../../../src/base/ip.ts';
import { macFromBytes } from '../../../src/base/mac.ts';

export const u8 = fc.integer({ min: 0, max: 0xff });
export const u16 = fc.integer({ min: 0, max: 0xffff });
export const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
export const payload = fc.uint8Array({ maxLength: 100 });

export const mac = fc.uint8Array({ minLength: 6, maxLength: 6 }).map(macFromBytes);
export const ip4 = fc.uint8Array({ minLength: 4, maxLength: 4 }).map(ipFromBytes);
export const ip6 = fc.uint8Array({ minLength: 16, maxLength: 16 }).map(ipFromBytes);
/** Two addresses of one family. */
export const ends = fc.oneof(
  fc.record({ source: ip4, destination: ip4 }),
  fc.record({ source: ip6, destination: ip6 }),
);
