import fc from 'fast-check';
import { addressBits, type Family, type IpAddress, ipFromBytes } from '../../../src/base/ip.ts';
import { type Prefix, prefixOf } from '../../../src/base/prefix.ts';

/** Bytes of an address in which zeros and 0xff are common, so that runs of zero groups and edges turn up. */
function addressBytes(length: number): fc.Arbitrary<Uint8Array> {
  const byte = fc.oneof(
    { arbitrary: fc.constant(0), weight: 3 },
    fc.constant(255),
    fc.integer({ min: 0, max: 255 }),
  );
  return fc.array(byte, { minLength: length, maxLength: length }).map(bytes => Uint8Array.from(bytes));
}

export function anyIp(family: Family): fc.Arbitrary<IpAddress> {
  return addressBytes(addressBits[family] / 8).map(ipFromBytes);
}

export const ip: fc.Arbitrary<IpAddress> = fc.oneof(anyIp(4), anyIp(6));

export function anyPrefix(
  family: Family,
  lengths: { min?: number; max?: number } = {},
): fc.Arbitrary<Prefix> {
  const { min = 0, max = addressBits[family] } = lengths;
  return fc
    .tuple(anyIp(family), fc.integer({ min, max }))
    .map(([address, length]) => prefixOf(address, length));
}

export const prefix: fc.Arbitrary<Prefix> = fc.oneof(anyPrefix(4), anyPrefix(6));
