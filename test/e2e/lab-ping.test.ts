import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIp } from '../../src/base/ip.ts';
import { ping } from '../../src/lab/ping.ts';
import { testScope } from '../support/leaks.ts';
import { createNetns, joinByCable } from '../support/netns.ts';

const options = { count: 3, intervalMs: 1, timeoutMs: 300 };

test('a ping counts what is answered, and tells the TTL of the answers', async t => {
  const scope = testScope(t);
  const [a, b] = [await createNetns(scope, 'a'), await createNetns(scope, 'b')];
  await joinByCable({ netns: a, address: '192.0.2.1/24' }, { netns: b, address: '192.0.2.2/24' });
  const answered = await ping({
    ...options,
    timeoutMs: 10_000,
    netns: a.path,
    destination: parseIp('192.0.2.2'),
  });
  assert.equal(answered.roundTripsMs.length, 3);
  assert.ok(answered.roundTripsMs.every(ms => ms > 0));
  assert.deepEqual(
    { sent: answered.sent, ttl: answered.ttl, failure: answered.failure },
    { sent: 3, ttl: 64, failure: undefined },
  );

  await b.run('sysctl -q -w net.ipv4.icmp_echo_ignore_all=1');
  const silent = await ping({ ...options, netns: a.path, destination: parseIp('192.0.2.2') });
  assert.deepEqual(silent, { sent: 3, roundTripsMs: [], ttl: undefined, failure: undefined });

  await b.run('sysctl -q -w net.ipv4.icmp_echo_ignore_all=0');
  const both = { ...options, timeoutMs: 10_000, netns: a.path, destination: parseIp('192.0.2.2') };
  const reports = await Promise.all([ping(both), ping(both)]);
  assert.deepEqual(
    reports.map(report => report.roundTripsMs.length),
    [3, 3],
    'two at once do not take each other’s answers',
  );
});

test('a ping without a route says so', async t => {
  const scope = testScope(t);
  const a = await createNetns(scope, 'a');
  for (const destination of [parseIp('198.51.100.1'), parseIp('2001:db8:1::1')]) {
    const { roundTripsMs, failure = '' } = await ping({ ...options, netns: a.path, destination });
    assert.deepEqual(roundTripsMs, []);
    assert.match(failure, /^sending to .* failed: ENETUNREACH/);
  }
});

test('a ping goes by IPv6 as well, where the kernel tells no TTL', async t => {
  const scope = testScope(t);
  const [a, b] = [await createNetns(scope, 'a'), await createNetns(scope, 'b')];
  await joinByCable({ netns: a, address: '2001:db8::1/64' }, { netns: b, address: '2001:db8::2/64' });
  const report = await ping({
    ...options,
    timeoutMs: 10_000,
    netns: a.path,
    destination: parseIp('2001:db8::2'),
  });
  assert.deepEqual(
    { answered: report.roundTripsMs.length, ttl: report.ttl, failure: report.failure },
    { answered: 3, ttl: undefined, failure: undefined },
  );
});

test('a ping ends with its signal', async t => {
  const scope = testScope(t);
  const { path } = await createNetns(scope, 'a');
  const stop = new AbortController();
  const pinging = ping({
    ...options,
    count: 1_000_000,
    netns: path,
    destination: parseIp('127.0.0.1'),
    signal: stop.signal,
  });
  const reason = new Error('enough');
  setImmediate(() => stop.abort(reason));
  await assert.rejects(pinging, error => error === reason);
});
