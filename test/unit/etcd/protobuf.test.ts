import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { hasCode } from '../../../src/base/errors.ts';
import { MessageFields, MessageWriter } from '../../../src/etcd/protobuf.ts';

const fieldNumber = fc.integer({ min: 1, max: 2 ** 29 - 1 });
const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });

/** The documentation's examples, and the edges of a varint. */
const examples: ReadonlyArray<readonly [title: string, message: MessageWriter, hex: string]> = [
  ['the number 150', new MessageWriter().integer(1, 150), '089601'],
  ['the text "testing"', new MessageWriter().text(2, 'testing'), '120774657374696e67'],
  [
    'a message in a message',
    new MessageWriter().bytes(3, new MessageWriter().integer(1, 150).toBytes()),
    '1a03089601',
  ],
  ['zero, which is written when given', new MessageWriter().integer(4, 0n), '2000'],
  ['minus one, as ten bytes', new MessageWriter().integer(1, -1n), '08ffffffffffffffffff01'],
  ['a field number beyond one byte', new MessageWriter().bool(64, true), '800401'],
  ['nothing for what is undefined', new MessageWriter().text(1, undefined).bool(2, undefined), ''],
];

for (const [title, message, hex] of examples) {
  test(`the wire format of ${title}`, () => {
    assert.equal(Buffer.from(message.toBytes()).toString('hex'), hex);
  });
}

test('every 64-bit number is read as it was written, signed and unsigned', () => {
  fc.assert(
    fc.property(fieldNumber, int64, (field, value) => {
      const fields = new MessageFields(new MessageWriter().integer(field, value).toBytes());
      assert.equal(fields.int64(field), value);
      assert.equal(fields.uint64(field), BigInt.asUintN(64, value));
      assert.equal(fields.bool(field), value !== 0n);
    }),
  );
});

test('repeated fields keep their order, and others between them do not matter', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 300 })), int64, (values, other) => {
      const writer = new MessageWriter();
      for (const value of values) writer.repeated(3, [value]).integer(7, other).text(8, 'between');
      const fields = new MessageFields(writer.toBytes());
      assert.deepEqual(fields.messages(3), values);
      assert.deepEqual(fields.message(3), values.at(-1));
    }),
  );
});

test('an absent field is zero, empty or undefined', () => {
  const fields = new MessageFields(new Uint8Array());
  assert.deepEqual(
    [fields.int64(1), fields.bool(1), fields.bytes(1), fields.text(1), fields.message(1), fields.messages(1)],
    [0n, false, new Uint8Array(), '', undefined, []],
  );
});

test('of a single field given twice the last counts', () => {
  const bytes = new MessageWriter().integer(1, 5).integer(1, 6).text(2, 'a').text(2, 'b').toBytes();
  const fields = new MessageFields(bytes);
  assert.equal(fields.int64(1), 6n);
  assert.equal(fields.text(2), 'b');
});

test('fields of fixed width are skipped', () => {
  const bytes = Buffer.from(`09${'11'.repeat(8)}15${'22'.repeat(4)}1807`, 'hex');
  assert.equal(new MessageFields(bytes).int64(3), 7n);
});

const malformed: Readonly<Record<string, string>> = {
  'a varint without its end': '08ff',
  'a varint of eleven bytes': `08${'ff'.repeat(10)}01`,
  'a length beyond the end': '0a0561',
  'a length of two to the 63rd': '0affffffffffffffff7f',
  'a fixed-width field cut short': '0911',
  'a group': '0b0c',
};

for (const [title, hex] of Object.entries(malformed)) {
  test(`${title} is refused`, () => {
    assert.throws(() => new MessageFields(Buffer.from(hex, 'hex')), { code: 'etcd-protocol' });
  });
}

test('a field of another kind than asked for is refused', () => {
  const fields = new MessageFields(new MessageWriter().integer(1, 1).text(2, 'a').toBytes());
  assert.throws(() => fields.bytes(1), { code: 'etcd-protocol' });
  assert.throws(() => fields.messages(1), { code: 'etcd-protocol' });
  assert.throws(() => fields.int64(2), { code: 'etcd-protocol' });
});

test('no bytes whatever make the reader fail otherwise', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), bytes => {
      try {
        new MessageFields(bytes);
      } catch (error) {
        assert.ok(hasCode(error, 'etcd-protocol'), String(error));
      }
    }),
    { numRuns: 2000 },
  );
});
