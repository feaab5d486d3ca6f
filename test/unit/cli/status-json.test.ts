import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WeftError } from '../../../src/base/errors.ts';
import { statusJson, unreadJson } from '../../../src/cli/status-json.ts';
import type { ToldStatus } from '../../../src/cli/told-status.ts';
import { now, peer, probe, told } from './status-house.ts';

const silent = probe(50, {
  verdict: 'silent',
  latencyMs: undefined,
  lossRatio: 1,
  lastAnswerMs: now - 60_000,
});
const full = told({ peers: [peer(16), peer(50, 'missing', 'route')], probes: [probe(16), silent] });
const statuses: Readonly<Record<string, readonly ToldStatus[]>> = {
  'no network': [],
  'a network without peers': [told({})],
  'a network with peers': [full],
  'several networks': [full, told({ more: { network: 'blue' } }), full],
};

for (const [what, all] of Object.entries(statuses))
  test(`${what}: part by part it is what JSON.stringify makes of it, on one line and on many`, () => {
    const compact = [...statusJson(all, 0)].join('');
    assert.equal(compact, JSON.stringify(JSON.parse(compact)));
    assert.equal([...statusJson(all, 2)].join(''), JSON.stringify(JSON.parse(compact), undefined, 2));
  });

test('what is found of a peer is told with it, and what is not known is null', () => {
  const { version, healthy, networks } = JSON.parse([...statusJson([full], 2)].join(''));
  assert.deepEqual([version, healthy], [1, false]);
  const [{ lease, counts, peers, daemon, host }] = networks;
  assert.equal(lease.expiresAt, new Date(now + 23 * 3_600_000).toISOString());
  assert.deepEqual([counts.peers, counts.missing, counts.silent], [2, 1, 1]);
  assert.equal(daemon.live.startedAt, new Date(now - 3 * 3_600_000).toISOString());
  assert.deepEqual([daemon.live.reason, daemon.live.waiting, daemon.mute], [null, null, null]);
  assert.deepEqual(host.devices[0].sent, { packets: 12, bytes: 34_000_000_000, dropped: 5, errors: 0 });
  assert.deepEqual(peers[1].ipv4.probe, {
    ...{ address: '10.2.50.0', verdict: 'silent', latencyMs: null, lossRatio: 1 },
    ...{ largestBytes: 1450, wantedBytes: 1450, lastAnswerAt: new Date(now - 60_000).toISOString() },
  });
  assert.equal(peers[0].ipv6, null);
});

test('what could not be read is a document too', () => {
  const error = new WeftError('netns-missing', 'it is gone', { remedy: 'make it' });
  assert.deepEqual(JSON.parse(unreadJson(error)), {
    ...{ version: 1, healthy: false },
    error: { code: 'netns-missing', message: 'it is gone', remedy: 'make it' },
  });
  assert.equal(JSON.parse(unreadJson(new Error('odd'))).error.message, 'odd');
});
