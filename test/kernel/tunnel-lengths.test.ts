/** Datagrams of all lengths, from kernel to kernel; test/unit/tunnel/lengths.test.ts does the same without kernels. */
import assert from 'node:assert/strict';
import process from 'node:process';
import { test } from 'node:test';
import { testScope } from '../support/leaks.ts';
import { openTunnelPair } from './tunnel-pair.ts';
import { assertDatagrams, checksumErrors } from './tunnel-traffic.ts';

const isAll = process.env['WEFT_TUNNEL_LENGTHS'] === 'all';
const mostBytes = 65_507;
const step = isAll ? 1 : 97;
/** At a time: the list is an argument, which has a limit. */
const together = 4000;

for (const family of [4, 6] as const) {
  test(`IPv${family}: datagrams of all lengths arrive as they were sent; here ${isAll ? 'each' : 'some'}, all with WEFT_TUNNEL_LENGTHS=all`, async t => {
    const { a, b } = await openTunnelPair(testScope(t));
    const address = family === 4 ? b.inner4 : b.inner6;
    const lengths = Array.from({ length: Math.ceil((mostBytes + 1) / step) }, (_, index) => index * step);
    for (let from = 0; from < lengths.length; from += together) {
      await assertDatagrams(a.netns, b.netns, address, lengths.slice(from, from + together));
    }
    for (const { netns } of [a, b]) assert.equal(await checksumErrors(netns), 0);
  });
}
