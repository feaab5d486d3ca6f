import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseMac } from '../../../src/base/mac.ts';
import { decodeEthernet, encodeEthernet } from '../../../src/wire/ethernet.ts';
import { decodeVlan, encodeVlan } from '../../../src/wire/vlan.ts';
import { mac, payload, u16 } from './arbitrary.ts';
import { hex, toHex } from './hex.ts';

test('an Ethernet header is destination, source and type', () => {
  const frame = hex('020000000002', '0a1b2c3d4e5f', '0806', 'cafe');
  const { header, payload } = decodeEthernet(frame);
  assert.deepEqual(header, {
    layer: 'ethernet',
    destination: parseMac('02:00:00:00:00:02'),
    source: parseMac('0a:1b:2c:3d:4e:5f'),
    etherType: 0x0806,
  });
  assert.equal(toHex(payload), 'cafe');
  assert.deepEqual(encodeEthernet(header, payload), frame);
});

test('a VLAN tag is priority, drop eligibility and number, then the type of what follows', () => {
  const cases = [
    ['a064 0800', { vlan: 100, priority: 5, dropEligible: false, etherType: 0x0800 }],
    ['1ffe 86dd', { vlan: 4094, priority: 0, dropEligible: true, etherType: 0x86dd }],
    ['f000 8100', { vlan: 0, priority: 7, dropEligible: true, etherType: 0x8100 }],
  ] as const;
  for (const [bytes, tag] of cases) {
    const { header, payload } = decodeVlan(hex(bytes, '01'));
    assert.deepEqual(header, { layer: 'vlan', ...tag });
    assert.deepEqual(payload, hex('01'));
    assert.deepEqual(encodeVlan(tag, hex('01')), hex(bytes, '01'));
  }
});

test('what is encoded is decoded, and the other way round', () => {
  const ethernet = fc.record({ destination: mac, source: mac, etherType: u16 });
  const vlan = fc.record({
    vlan: fc.integer({ min: 0, max: 4095 }),
    priority: fc.integer({ min: 0, max: 7 }),
    dropEligible: fc.boolean(),
    etherType: u16,
  });
  fc.assert(
    fc.property(ethernet, vlan, payload, (header, tag, rest) => {
      const frame = encodeEthernet(header, rest);
      assert.deepEqual(decodeEthernet(frame), { header: { layer: 'ethernet', ...header }, payload: rest });
      const tagged = encodeVlan(tag, rest);
      assert.deepEqual(decodeVlan(tagged), { header: { layer: 'vlan', ...tag }, payload: rest });
    }),
  );
});

test('fewer bytes than a header are malformed', () => {
  for (let length = 0; length < 14; length++) {
    assert.throws(() => decodeEthernet(new Uint8Array(length)), { code: 'packet-malformed' });
  }
  for (let length = 0; length < 4; length++) {
    assert.throws(() => decodeVlan(new Uint8Array(length)), { code: 'packet-malformed' });
  }
});
