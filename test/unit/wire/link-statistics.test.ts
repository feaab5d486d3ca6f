import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeLinkStatistics } from '../../../src/wire/link-statistics.ts';
import { RTM } from '../../../src/wire/rtnetlink.ts';

const IFLA_STATS64 = 23;

/** RTM_NEWLINK of a device that is up, with one attribute of these 64-bit numbers. */
function message(type: number, numbers: readonly bigint[]) {
  const body = new DataView(new ArrayBuffer(16 + 4 + numbers.length * 8));
  body.setUint32(8, 1, true);
  body.setUint16(16, 4 + numbers.length * 8, true);
  body.setUint16(18, type, true);
  for (const [index, number] of numbers.entries()) body.setBigUint64(20 + index * 8, number, true);
  return { type: RTM.NEWLINK, flags: 0, sequence: 0, portId: 0, body: new Uint8Array(body.buffer) };
}

test('each counter is found in its place, beyond 32 bits too', () => {
  const numbers = [1n, 2n, 2n ** 40n + 3n, 4n, 5n, 6n, 7n, 8n, 9n, 10n];
  assert.deepEqual(decodeLinkStatistics(message(IFLA_STATS64, numbers)), {
    up: true,
    received: { packets: 1, bytes: 2 ** 40 + 3, errors: 5, dropped: 7 },
    sent: { packets: 2, bytes: 4, errors: 6, dropped: 8 },
  });
});

test('without the counters, or with too few, there are none', () => {
  assert.equal(decodeLinkStatistics(message(7, [1n, 2n])), undefined);
  assert.equal(decodeLinkStatistics(message(IFLA_STATS64, [1n, 2n])), undefined);
});
