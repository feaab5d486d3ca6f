import assert from 'node:assert/strict';
import { test } from 'node:test';
import { awaitInterface } from '../../../src/daemon/interface-wait.ts';
import type { UnderlayView } from '../../../src/host/external-interface.ts';
import { address, choiceOf, viewOf } from '../host/underlay-views.ts';
import { createTestClock } from '../registry/clocks.ts';

/** Chooses while a test's time passes; each look at the underlay is told when it comes. */
async function choose(
  viewAt: (nowMs: number) => UnderlayView,
): Promise<{ readonly ipv6: string | undefined; readonly atMs: number }> {
  const clock = createTestClock();
  const { signal } = new AbortController();
  const choosing = awaitInterface(choiceOf({ iface: ['eth0'] }), [4, 6], {
    clock,
    signal,
    read: async () => viewAt(clock.monotonicMs()),
  });
  let done = false;
  const finish = (): void => {
    done = true;
  };
  choosing.then(finish, finish);
  for (let tick = 0; tick < 1000 && !done; tick++) await clock.advance(20);
  const { chosen } = await choosing;
  return { ipv6: chosen.publicIpv6, atMs: clock.monotonicMs() };
}

const ipv4 = address('192.0.2.1');

test('an address that is tentative is waited for', async () => {
  const { ipv6 } = await choose(nowMs => viewOf(ipv4, address('2001:db8::1', { tentative: nowMs < 1700 })));
  assert.equal(ipv6, '2001:db8::1');
});

test('where there is none, or it is link-local, nobody waits', async () => {
  for (const view of [viewOf(ipv4), viewOf(ipv4, address('fe80::1', { tentative: true }))]) {
    const { ipv6, atMs } = await choose(() => view);
    assert.equal(ipv6, undefined);
    assert.ok(atMs < 100, `after ${atMs} ms`);
  }
});

test('one that stays tentative is done without', async () => {
  const { ipv6, atMs } = await choose(() => viewOf(ipv4, address('2001:db8::1', { tentative: true })));
  assert.equal(ipv6, undefined);
  assert.ok(atMs >= 5000 && atMs < 6000, `after ${atMs} ms`);
});

test('a host whose only address is tentative waits too, and an end of patience is the usual error', async () => {
  const { ipv6 } = await choose(nowMs => viewOf(address('2001:db8::1', { tentative: nowMs < 1700 })));
  assert.equal(ipv6, '2001:db8::1');
  await assert.rejects(
    choose(() => viewOf(address('2001:db8::1', { tentative: true }))),
    /no usable IPv4 address/,
  );
});
