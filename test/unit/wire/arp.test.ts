import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeArp } from '../../../src/wire/arp.ts';
import { hex } from './hex.ts';

const request = hex('0001 0800 06 04 0001', '0a0000000001 0a020100', '000000000000 0a020200', '0000');

test('ARP tells who asks, for whom', () => {
  const expected = {
    operation: 'request',
    senderMac: '0a:00:00:00:00:01',
    sender: '10.2.1.0',
    targetMac: '00:00:00:00:00:00',
    target: '10.2.2.0',
  };
  assert.deepEqual(decodeArp(request), expected);
  assert.equal(decodeArp(request.with(7, 2)).operation, 'reply');
  assert.equal(decodeArp(request.with(7, 9)).operation, 9);
});

test('ARP of other protocols, and less than ARP, is refused', () => {
  for (const [bytes, message] of [
    [request.subarray(0, 27), /an ARP packet takes 28 bytes, got 27/],
    [request.with(1, 6), /expected ARP for IPv4 over Ethernet/],
    [request.with(4, 8), /expected ARP for IPv4 over Ethernet/],
  ] as const) {
    assert.throws(() => decodeArp(bytes), { code: 'packet-malformed', message });
  }
});
