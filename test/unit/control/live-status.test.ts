import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIp } from '../../../src/base/ip.ts';
import { type LiveStatus, type LiveTrouble, parseLiveStatus } from '../../../src/control/live-status.ts';

const trouble: LiveTrouble = {
  ...{ atMs: 2, sinceMs: 1, count: 2, message: 'etcd is silent', remedy: undefined },
  level: 'warn',
};

const full: LiveStatus = {
  ...{
    version: '0.1.0',
    pid: 4711,
    startedMs: 1_764_000_000_000,
    ready: true,
    reason: '',
    waiting: undefined,
  },
  network: {
    registry: { connected: false, staleSinceMs: 5, reconnects: 3 },
    lease: { held: true, problem: '', expiresMs: 86_400_000 },
    repairs: {
      counts: { route: 2 },
      last: [{ atMs: 3, command: 'ip route replace ...', reason: undefined, by: 'pid 7 (nm)' }],
    },
    troubles: [trouble],
    probes: [
      {
        ...{ peer: '10.2.14.0-24', family: 4, address: parseIp('10.2.14.0'), verdict: 'lossy' },
        ...{ latencyMs: 0.3, lossRatio: 0.5, largestBytes: 1450, wantedBytes: 1450, lastAnswerMs: 9 },
      },
      {
        ...{ peer: '10.2.15.0-24', family: 6, address: undefined, verdict: 'unprobed' },
        ...{ latencyMs: undefined, lossRatio: undefined, largestBytes: undefined, wantedBytes: undefined },
        lastAnswerMs: undefined,
      },
    ],
  },
};

const joining: LiveStatus = {
  ...full,
  ready: false,
  reason: 'no lease yet',
  waiting: trouble,
  network: undefined,
};

for (const [what, status] of [
  ['a daemon in its network', full],
  ['one that waits', joining],
] as const)
  test(`what ${what} says is read as it was said`, () => {
    assert.deepEqual(parseLiveStatus(JSON.parse(JSON.stringify(status))), status);
  });

test('what a later version says besides does no harm', () => {
  const said = { ...full, mood: 'good', network: { ...full.network, weather: [1, { fine: true }] } };
  assert.deepEqual(parseLiveStatus(JSON.parse(JSON.stringify(said))), full);
});

const odd: Readonly<Record<string, unknown>> = {
  nothing: null,
  'a list': [],
  'another program': { hello: 'world' },
  'a version that is a number': { ...full, version: 1 },
  'a network without a lease': { ...full, network: { ...full.network, lease: undefined } },
  'probes that are an object': { ...full, network: { ...full.network, probes: {} } },
  'a verdict that nobody knows': {
    ...full,
    network: { ...full.network, probes: [{ ...full.network?.probes[0], verdict: 'fine' }] },
  },
  'an address that is none': {
    ...full,
    network: { ...full.network, probes: [{ ...full.network?.probes[0], address: '\u001b[2J' }] },
  },
};
for (const [what, said] of Object.entries(odd))
  test(`${what} is refused by name`, () => {
    assert.throws(() => parseLiveStatus(said), {
      code: 'door-refused',
      message: /^the daemon's answer has for /,
    });
  });
