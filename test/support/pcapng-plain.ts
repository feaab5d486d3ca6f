/** An independent, plain reader of little-endian pcapng, to check what is written: every block, every option. */
import assert from 'node:assert/strict';

export interface PlainBlock {
  readonly type: number;
  readonly body: Buffer;
}

/** @throws AssertionError where the two lengths of a block differ, or something is left at the end */
export function readBlocks(file: Buffer): PlainBlock[] {
  const blocks: PlainBlock[] = [];
  let at = 0;
  while (at < file.length) {
    const length = file.readUInt32LE(at + 4);
    assert.equal(length % 4, 0, `block at ${at}`);
    assert.equal(file.readUInt32LE(at + length - 4), length, `block at ${at}`);
    blocks.push({ type: file.readUInt32LE(at), body: file.subarray(at + 8, at + length - 4) });
    at += length;
  }
  assert.equal(at, file.length);
  return blocks;
}

/** Code and value of each option from byte `at` of a body on. */
export function readOptions({ body }: PlainBlock, at: number): Array<readonly [code: number, value: Buffer]> {
  const options: Array<readonly [number, Buffer]> = [];
  for (let from = at; from < body.length; ) {
    const [code, length] = [body.readUInt16LE(from), body.readUInt16LE(from + 2)];
    if (code === 0) return options;
    options.push([code, body.subarray(from + 4, from + 4 + length)]);
    from += 4 + Math.ceil(length / 4) * 4;
  }
  return options;
}

export interface PlainPacket {
  readonly interfaceNumber: number;
  readonly timeNs: bigint;
  readonly lengthBytes: number;
  readonly bytes: Buffer;
  /** Option 2; 0 when it is absent. */
  readonly flags: number;
}

/** The enhanced packet blocks. */
export function readPackets(file: Buffer): PlainPacket[] {
  return readBlocks(file)
    .filter(({ type }) => type === 6)
    .map(block => {
      const { body } = block;
      const captured = body.readUInt32LE(12);
      const options = new Map(readOptions(block, 20 + Math.ceil(captured / 4) * 4));
      return {
        interfaceNumber: body.readUInt32LE(0),
        timeNs: (BigInt(body.readUInt32LE(4)) << 32n) | BigInt(body.readUInt32LE(8)),
        lengthBytes: body.readUInt32LE(16),
        bytes: body.subarray(20, 20 + captured),
        flags: options.get(2)?.readUInt32LE(0) ?? 0,
      };
    });
}
