import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIp } from '../../../../src/base/ip.ts';
import type { ProbeFacts } from '../../../../src/control/probe-facts.ts';
import { catalogue } from '../../../../src/daemon/metrics/catalogue.ts';
import { putProbes } from '../../../../src/daemon/metrics/collect-probes.ts';
import { Histogram } from '../../../../src/metrics/histogram.ts';
import { createSheet } from '../../../../src/metrics/sheet.ts';

function facts(number: number, more: Partial<ProbeFacts> = {}): ProbeFacts {
  return {
    peer: `10.2.${number}.0-24`,
    family: 4,
    address: parseIp('10.2.14.0'),
    verdict: 'answers',
    latencyMs: 2,
    lossRatio: 0,
    largestBytes: 1450,
    wantedBytes: 1450,
    lastAnswerMs: 1,
    ...more,
  };
}

function put(...all: readonly ProbeFacts[]) {
  const sheet = createSheet(catalogue);
  putProbes(sheet, { facts: all, counts: { sent: 9, lost: 1 }, latency: new Histogram([1]) });
  const values = (name: keyof typeof catalogue) =>
    sheet.samplesOf(name).map(({ labels, value }) => [Object.values(labels).join(' '), value]);
  return values;
}

test('verdicts are counted, and a peer that has never answered is none that fell silent', () => {
  const values = put(
    facts(1, { latencyMs: 30 }),
    facts(2, { verdict: 'lossy', lossRatio: 0.1, largestBytes: 1422 }),
    facts(3, { verdict: 'silent', lossRatio: 0.4 }),
    facts(4, {
      verdict: 'silent',
      latencyMs: undefined,
      lossRatio: 1,
      largestBytes: undefined,
      lastAnswerMs: undefined,
    }),
    facts(5, {
      verdict: 'lossy',
      latencyMs: undefined,
      lossRatio: 1,
      largestBytes: undefined,
      lastAnswerMs: undefined,
    }),
    facts(6, {
      verdict: 'unprobed',
      latencyMs: undefined,
      lossRatio: undefined,
      largestBytes: undefined,
      lastAnswerMs: undefined,
    }),
  );
  assert.deepEqual(values('weft_peers_probed'), [
    ['answers', 1],
    ['lossy', 1],
    ['silent', 1],
    ['unanswered', 2],
    ['unprobed', 1],
  ]);
  assert.deepEqual(values('weft_peer_worst_latency_seconds'), [['', 0.03]]);
  assert.deepEqual(values('weft_peer_worst_loss_ratio'), [['', 0.4]]);
  assert.deepEqual(values('weft_peers_short'), [['', 1]]);
  assert.deepEqual(values('weft_peer_loss_ratio').at(1), ['10.2.2.0-24 4', 0.1]);
  assert.equal(values('weft_peer_latency_seconds').length, 3);
  assert.deepEqual(
    values('weft_peer_largest_packet_bytes').map(([, bytes]) => bytes),
    [1450, 1422, 1450],
  );
});

test('without peers there is nothing that is worst', () => {
  const values = put();
  assert.deepEqual(values('weft_peer_worst_latency_seconds'), []);
  assert.deepEqual(
    values('weft_peers_probed').map(([, count]) => count),
    [0, 0, 0, 0, 0],
  );
});

test('up to a hundred peers have series of their own, of both families, and more have none', () => {
  const hundred = Array.from({ length: 100 }, (_, index) => facts(index));
  const both = [...hundred, ...hundred.map(one => ({ ...one, family: 6 as const }))];
  assert.equal(put(...both)('weft_peer_latency_seconds').length, 200);
  const more = put(...hundred, facts(100));
  assert.equal(more('weft_peer_latency_seconds').length, 0);
  assert.deepEqual(more('weft_peers_probed')[0], ['answers', 101]);
});
