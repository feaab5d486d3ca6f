import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeVxlanHeader, encodeVxlanHeader, type VxlanHeader } from '../../../src/wire/vxlan.ts';
import { payload, u16 } from './arbitrary.ts';
import { hex } from './hex.ts';

test('the header is flags, group policy and a 24-bit network identifier', () => {
  const cases: ReadonlyArray<readonly [string, Omit<VxlanHeader, 'layer'>]> = [
    ['08000000 00000100', { vni: 1, groupPolicy: undefined }],
    ['08000000 ffffff00', { vni: 0xffffff, groupPolicy: undefined }],
    ['88000017 00000100', { vni: 1, groupPolicy: { id: 23, dontLearn: false, applied: false } }],
    ['8848ffff 00000000', { vni: 0, groupPolicy: { id: 65535, dontLearn: true, applied: true } }],
  ];
  for (const [bytes, header] of cases) {
    assert.deepEqual(decodeVxlanHeader(hex(bytes, 'ab')), {
      header: { layer: 'vxlan', ...header },
      payload: hex('ab'),
    });
    assert.deepEqual(encodeVxlanHeader(header, hex('ab')), hex(bytes, 'ab'));
  }
});

test('reserved bits are ignored on receipt, as RFC 7348 section 5 demands', () => {
  assert.deepEqual(decodeVxlanHeader(hex('7fb7ffff 000001ff')).header, {
    layer: 'vxlan',
    vni: 1,
    groupPolicy: undefined,
  });
});

test('a header without the I bit, or cut short, is malformed', () => {
  assert.throws(() => decodeVxlanHeader(hex('00000000 00000100')), {
    code: 'packet-malformed',
    message: /0x00 .*no VNI/,
  });
  assert.throws(() => decodeVxlanHeader(hex('08000000 000001')), { code: 'packet-malformed' });
});

test('what is encoded is decoded', () => {
  const header = fc.record({
    vni: fc.integer({ min: 0, max: 0xffffff }),
    groupPolicy: fc.option(
      fc.record({ id: u16, dontLearn: fc.boolean(), applied: fc.boolean() }, { noNullPrototype: true }),
      {
        nil: undefined,
      },
    ),
  });
  fc.assert(
    fc.property(header, payload, (fields, rest) => {
      assert.deepEqual(decodeVxlanHeader(encodeVxlanHeader(fields, rest)), {
        header: { layer: 'vxlan', ...fields },
        payload: rest,
      });
    }),
  );
});
