/** The Internet checksum's sum in JavaScript: where WebAssembly does not compile, and the oracle of checksum.wat. */

/** Of which 32,768 words go to each of two sums: no more fit 31 bits. */
const blockBytes = 0x20000;

/**
 * The ones' complement sum (RFC 1071) of the big-endian words at `offset`, an odd last byte padded with zero, folded to
 * 16 bits and not complemented.
 * @param initial words counted in beforehand, any 32 bits
 * @throws RangeError outside the view
 */
export function sumInJavaScript(view: DataView, offset: number, length: number, initial: number): number {
  const end = offset + length;
  let total = initial >>> 0;
  for (let at = offset; at < end; at += blockBytes)
    total += sumBlock(view, at, Math.min(at + blockBytes, end));
  total = (total & 0xffff) + Math.floor(total / 0x10000);
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return total;
}

/** Upper and lower words apart, so that no step leaves the 31 bits that V8 keeps unboxed. */
function sumBlock(view: DataView, offset: number, end: number): number {
  let upper = 0;
  let lower = 0;
  let at = offset;
  for (const last = end - 4; at <= last; at += 4) {
    const words = view.getInt32(at);
    upper += words >>> 16;
    lower += words & 0xffff;
  }
  if (end - at >= 2) {
    upper += view.getUint16(at);
    at += 2;
  }
  return upper + lower + (at < end ? view.getUint8(at) << 8 : 0);
}
