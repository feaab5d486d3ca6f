import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WeftError } from '../../../src/base/errors.ts';
import { parseIp } from '../../../src/base/ip.ts';
import { silentLog } from '../../../src/base/log.ts';
import { parsePrefix } from '../../../src/base/prefix.ts';
import { LeaseStatus } from '../../../src/daemon/lease-status.ts';
import type { KeepReason } from '../../../src/registry/lease-keeper.ts';
import type { OwnLease } from '../../../src/registry/own-lease.ts';
import { createTestClock } from '../registry/clocks.ts';

const error = new WeftError('etcd-nospace', 'etcd is full');

function create(ttlSeconds: number | undefined) {
  const clock = createTestClock();
  const own = (): OwnLease => ({
    lease: {
      subnet: { ipv4: parsePrefix('10.2.14.0/24'), ipv6: undefined },
      attrs: { publicIp: parseIp('192.0.2.1'), publicIpv6: undefined, backendType: 'alloc' } as never,
      permanent: ttlSeconds === undefined,
    },
    key: 'subnets/10.2.14.0-24',
    revision: 1n,
    expiresAtMonotonicMs: ttlSeconds && clock.monotonicMs() + ttlSeconds * 1000,
    expiresAtWallMs: ttlSeconds && clock.wallMs() + ttlSeconds * 1000,
    how: 'new',
  });
  const status = new LeaseStatus(own(), { log: silentLog, clock });
  return {
    clock,
    status,
    renew: (why: KeepReason) => status.take({ type: 'renewed', own: own(), why }),
    fail: (why: KeepReason) => status.take({ type: 'failed', why, error, retryInMs: 1000 }),
  };
}

test('a lease runs out, unless it is renewed', async () => {
  const { clock, status, renew } = create(100);
  assert.deepEqual([status.problem, status.permanent, status.remainingMs], ['', false, 100_000]);
  await clock.advance(99_999);
  assert.deepEqual([status.problem, status.remainingMs], ['', 1]);
  await clock.advance(1);
  assert.deepEqual([status.problem, status.remainingMs], ['the subnet lease has expired', 0]);
  renew('due');
  assert.deepEqual([status.problem, status.remainingMs], ['', 100_000]);
});

test('a reservation never does', async () => {
  const { clock, status } = create(undefined);
  await clock.advance(10 * 86_400_000);
  assert.deepEqual(
    [status.problem, status.permanent, status.remainingMs],
    ['', true, Number.POSITIVE_INFINITY],
  );
});

test('a renewal that fails is no problem while the lease lives; a key that cannot be written again is', () => {
  const { status, renew, fail } = create(100);
  for (const why of ['due', 'published'] as const) {
    fail(why);
    assert.equal(status.problem, '', why);
  }
  for (const why of ['deleted', 'overwritten'] as const) {
    fail(why);
    assert.equal(status.problem, `the subnet lease was ${why}, and could not be written again: etcd is full`);
    renew(why);
    assert.equal(status.problem, '');
  }
  assert.equal(status.failures, 4);
  assert.deepEqual(
    [...status.renewals],
    [
      ['deleted', 1],
      ['overwritten', 1],
    ],
  );
});

test('a lost subnet stays lost until it is ours again', () => {
  const { status, renew, fail } = create(100);
  status.take({ type: 'lost', error: new WeftError('lease-lost', 'another holds it'), retryInMs: 1000 });
  assert.equal(status.problem, 'another holds it');
  fail('due');
  assert.equal(status.problem, 'another holds it');
  renew('overwritten');
  assert.equal(status.problem, '');
});
