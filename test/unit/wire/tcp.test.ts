import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeTcp } from '../../../src/wire/tcp.ts';
import { hex, utf8 } from './hex.ts';

const segment = hex('9c40 0050 00000001 ffffffff 6012 01f4 0000 0000', '020405b4', '77656674');

test('a TCP header tells ports, numbers and flags, and where its options end', () => {
  assert.deepEqual(decodeTcp(segment), {
    header: {
      layer: 'tcp',
      sourcePort: 40_000,
      destinationPort: 80,
      sequence: 1,
      acknowledgement: 0xffff_ffff,
      flags: ['SYN', 'ACK'],
      window: 500,
    },
    payload: utf8('weft'),
  });
});

test('what is too short for a TCP header is refused', () => {
  for (const [bytes, message] of [
    [segment.subarray(0, 19), /a TCP header takes 20 bytes, got 19/],
    [segment.subarray(0, 22), /this TCP header takes 24 bytes, got 22/],
    [segment.with(12, 0x40), /at least 20 bytes, not 16/],
  ] as const) {
    assert.throws(() => decodeTcp(bytes), { code: 'packet-malformed', message });
  }
});
