/** Real samples, damaged: the input of the fuzz tests. */
import fc from 'fast-check';

/** Where in the sample, as a part of its length, so that it keeps its meaning while the sample shrinks. */
const place = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
/** Numbers at which lengths, counts and signs go wrong. */
const edgy = fc.oneof(
  fc.constantFrom(0, 1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 0x7f, 0x80, 0xfe, 0xff, 0x7fff, 0x8000, 0xffff),
  fc.constantFrom(0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff),
  fc.nat(0xffff),
);
const width = fc.constantFrom(1, 2, 4);

type Edit = (bytes: Uint8Array) => Uint8Array;

const edit: fc.Arbitrary<Edit> = fc.oneof(
  fc.tuple(place, fc.nat(7)).map(
    ([at, bit]): Edit =>
      bytes => {
        const index = Math.floor(at * bytes.length);
        return bytes.with(index, (bytes[index] ?? 0) ^ (1 << bit));
      },
  ),
  fc.tuple(place, edgy, width, fc.boolean()).map(
    ([at, value, size, bigEndian]): Edit =>
      bytes => {
        const start = Math.floor(at * bytes.length);
        const copy = bytes.slice();
        for (let i = 0; i < size && start + i < copy.length; i++)
          copy[start + i] = value >>> (8 * (bigEndian ? size - 1 - i : i));
        return copy;
      },
  ),
  // Cut off, cut out, put in, said again.
  place.map(
    (at): Edit =>
      bytes =>
        bytes.subarray(0, Math.floor(at * bytes.length)),
  ),
  fc.tuple(place, fc.nat(16)).map(
    ([at, length]): Edit =>
      bytes =>
        splice(bytes, at, length, []),
  ),
  fc.tuple(place, fc.uint8Array({ maxLength: 16 })).map(
    ([at, more]): Edit =>
      bytes =>
        splice(bytes, at, 0, more),
  ),
  fc.tuple(place, fc.nat(32), fc.integer({ min: 1, max: 50 })).map(
    ([at, length, times]): Edit =>
      bytes => {
        const start = Math.floor(at * bytes.length);
        const again = bytes.subarray(start, start + length);
        const more = new Uint8Array(again.length * times);
        for (let i = 0; i < times; i++) more.set(again, i * again.length);
        return splice(bytes, at, 0, more);
      },
  ),
);

function splice(bytes: Uint8Array, at: number, length: number, more: ArrayLike<number>): Uint8Array {
  const start = Math.floor(at * bytes.length);
  const result = new Uint8Array(bytes.length - Math.min(length, bytes.length - start) + more.length);
  result.set(bytes.subarray(0, start));
  result.set(more, start);
  result.set(bytes.subarray(Math.min(bytes.length, start + length)), start + more.length);
  return result;
}

/** A sample as it is, changed in up to eight places, or bytes that are no sample at all. */
export function damagedBytes(samples: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> {
  const damaged = fc
    .tuple(fc.constantFrom(...samples), fc.array(edit, { maxLength: 8 }))
    .map(([sample, edits]) =>
      edits.reduce((bytes, apply) => (bytes.length === 0 ? bytes : apply(bytes)), sample),
    );
  return fc.oneof(
    { weight: 19, arbitrary: damaged },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }) },
  );
}

/** What means something to one of the parsers, or has confused parsers elsewhere. */
const tokens = [
  ...['"', "'", '{', '}', '[', ']', ',', ':', '\\', '/', '-', '&', '=', '#', '\n', '\r\n', '\0', ' ', '\t'],
  ...[
    'null',
    'true',
    '-0',
    '1e999',
    '1e-7',
    '0x10',
    '99999999999999999999',
    '4294967296',
    '-1',
    '1.5',
    '007',
  ],
  ...[
    '__proto__',
    'constructor',
    'toString',
    '\\u0000',
    '\\ud800',
    '\ud800',
    '\u2028',
    '\ufeff',
    'ſ',
    'K',
    'İ',
  ],
  ...[
    '0.0.0.0',
    '255.255.255.255',
    '10.2.3.4/33',
    '::',
    '::ffff:1.2.3.4',
    'fe80::1%eth0',
    '1:2:3:4:5:6:7:8:9',
  ],
  ...[
    '[[[[[[[[',
    '{"a":{"a":',
    '$(reboot)',
    '`',
    'export ',
    'FLANNEL_SUBNET=',
    '"Network":',
    '"VNI":',
    '"PublicIP":',
  ],
];

/** Texts damaged as text (tokens put in) and as bytes (so that they may be no UTF-8 any more). */
export function damagedText(samples: readonly string[]): fc.Arbitrary<string> {
  const bytes = damagedBytes(samples.map(sample => new TextEncoder().encode(sample)));
  const token = fc.tuple(place, fc.nat(6), fc.constantFrom(...tokens));
  return fc.tuple(bytes, fc.array(token, { maxLength: 4 })).map(([damaged, inserted]) =>
    inserted.reduce((text, [at, length, word]) => {
      const start = Math.floor(at * text.length);
      return text.slice(0, start) + word + text.slice(start + length);
    }, new TextDecoder().decode(damaged)),
  );
}
