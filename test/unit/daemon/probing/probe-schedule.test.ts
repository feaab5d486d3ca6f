import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { smallBytes } from '../../../../src/daemon/probing/probe-message.ts';
import { mostPerSecond, patienceMs } from '../../../../src/daemon/probing/probe-schedule.ts';
import { factsOf, wantOtherwise } from '../../../../src/daemon/probing/probed-peer.ts';
import { type Behaviour, createPeer, createWorld, type SentProbe } from './probing-world.ts';

const answersIn =
  (latencyMs: number): Behaviour =>
  () =>
    latencyMs;
const silence: Behaviour = () => undefined;
const upTo =
  (limit: number): Behaviour =>
  ({ bytes }) =>
    bytes <= limit ? 3 : undefined;
const isSmall = ({ bytes }: SentProbe): boolean => bytes === smallBytes;

test('a peer that answers is asked once in an interval, and with the whole size at first and once a minute', () => {
  const { schedule, sent, latencies, turns, pass } = createWorld(answersIn(3));
  const peer = createPeer();
  schedule.add(peer);
  pass(601_000);
  const small = sent.filter(isSmall);
  assert.ok(small.length >= 109 && small.length <= 135, `${small.length} small ones in ten minutes`);
  for (const [index, { atMs }] of small.entries()) {
    const before = small[index - 1];
    if (before !== undefined && index > 1) assert.ok(Math.abs(atMs - before.atMs - 5000) <= 551, `${index}`);
  }
  const whole = sent.filter(probe => !isSmall(probe));
  assert.ok(whole.length >= 9 && whole.length <= 12, `${whole.length} whole ones`);
  assert.ok(whole.every(({ bytes }) => bytes === 1450));
  assert.deepEqual([schedule.sent, schedule.lost, latencies.length], [small.length, 0, small.length]);
  assert.deepEqual(turns, []);
  const facts = factsOf(peer);
  assert.ok((facts.lastAnswerMs ?? 0) > 1_700_001_000_000);
  assert.deepEqual(
    { ...facts, lastAnswerMs: undefined },
    {
      ...{ peer: '10.0.14.0-24', family: 4, address: '10.0.14.0', verdict: 'answers', latencyMs: 3 },
      ...{ lossRatio: 0, largestBytes: 1450, wantedBytes: 1450, lastAnswerMs: undefined },
    },
  );
});

test('a peer that stops answering is silent within an interval and two seconds, and said so once; it is back with its first answer', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 20_000 }), afterMs => {
      const { schedule, turns, pass, now, become } = createWorld(answersIn(1));
      const peer = createPeer();
      schedule.add(peer);
      pass(10_000 + afterMs);
      const cutMs = now.ms;
      become(silence);
      pass(60_000);
      assert.deepEqual(
        turns.map(({ turn }) => turn),
        ['silent'],
      );
      // A search may have been under way, whose packet is waited for first.
      assert.ok((turns[0]?.atMs ?? 0) - cutMs <= 5500 + 3 * (patienceMs + 100), `${turns[0]?.atMs} ${cutMs}`);
      assert.equal(factsOf(peer).verdict, 'silent');
      become(answersIn(1));
      pass(5600);
      assert.deepEqual(
        turns.map(({ turn }) => turn),
        ['silent', 'back'],
      );
      assert.equal(factsOf(peer).verdict, 'lossy');
      pass(60_000);
      assert.equal(factsOf(peer).verdict, 'answers');
    }),
    { numRuns: 50 },
  );
});

test('a peer that never answers is silent without a word, and what was lost before its first answer is forgiven', () => {
  const { schedule, turns, pass, become, sent } = createWorld(silence);
  const peer = createPeer();
  schedule.add(peer);
  pass(30_000);
  assert.deepEqual([factsOf(peer).verdict, factsOf(peer).lastAnswerMs], ['silent', undefined]);
  assert.ok(sent.every(isSmall));
  become(answersIn(1));
  pass(6000);
  assert.deepEqual([factsOf(peer).verdict, factsOf(peer).lossRatio], ['answers', 0]);
  assert.deepEqual(turns, []);
});

test('a first loss is looked into at once, and one alone is no silence', () => {
  let lose = false;
  const { schedule, turns, pass, sent } = createWorld(probe => {
    const lost = lose && isSmall(probe);
    lose &&= !isSmall(probe);
    return lost ? undefined : 1;
  });
  const peer = createPeer();
  schedule.add(peer);
  pass(12_000);
  lose = true;
  const before = sent.length;
  pass(8000);
  const [lost, again] = sent.slice(before).filter(isSmall);
  assert.ok((again?.atMs ?? 0) - (lost?.atMs ?? 0) <= patienceMs + 100);
  assert.deepEqual([factsOf(peer).verdict, turns.length, schedule.lost], ['lossy', 0, 1]);
});

test('the largest packet that passes is found to the byte within half a minute, said once, and seen when it grows', () => {
  const { schedule, turns, pass, become } = createWorld(upTo(1422));
  const peer = createPeer();
  schedule.add(peer);
  pass(30_000);
  assert.deepEqual([factsOf(peer).largestBytes, factsOf(peer).verdict], [1422, 'answers']);
  pass(300_000);
  assert.deepEqual(
    turns.map(({ turn }) => turn),
    ['short'],
  );
  become(upTo(1450));
  pass(70_000);
  assert.equal(factsOf(peer).largestBytes, 1450);
  assert.deepEqual(
    turns.map(({ turn }) => turn),
    ['short', 'whole'],
  );
});

test('what this host’s own device refuses is not waited for', () => {
  const { schedule, pass } = createWorld(({ bytes }) => (bytes > 1400 ? 'too-large' : 1));
  const peer = createPeer();
  schedule.add(peer);
  pass(2500);
  assert.equal(factsOf(peer).largestBytes, 1400);
  assert.equal(schedule.lost, 0);
});

test('a large packet that is lost together with small ones says nothing about its size', () => {
  const { schedule, turns, pass, become } = createWorld(answersIn(1));
  const peer = createPeer();
  schedule.add(peer);
  pass(10_000);
  become(silence);
  pass(200_000);
  become(answersIn(1));
  pass(20_000);
  assert.equal(factsOf(peer).largestBytes, 1450);
  assert.deepEqual(
    turns.map(({ turn }) => turn),
    ['silent', 'back'],
  );
});

test('a peer of which another size is wanted keeps its verdict, and is searched anew', () => {
  const { schedule, pass } = createWorld(answersIn(900));
  const peer = createPeer();
  schedule.add(peer);
  for (const wantedBytes of [1400, 8950, 1450]) {
    pass(3210);
    wantOtherwise(peer, { ...peer.target, wantedBytes });
    assert.equal(factsOf(peer).largestBytes, undefined);
    pass(20_000);
    const { verdict, largestBytes } = factsOf(peer);
    assert.deepEqual([verdict, largestBytes], ['answers', wantedBytes]);
  }
});

test('an answer after its time, of another size, or of nobody’s is none', () => {
  const { schedule, sent, pass } = createWorld(silence);
  const peer = createPeer();
  schedule.add(peer);
  while (sent.length === 0) pass(50);
  const [probe] = sent;
  assert.ok(probe !== undefined);
  schedule.answer({ ...probe, bytes: 65 });
  schedule.answer({ ...probe, number: probe.number + 1 });
  assert.equal(factsOf(peer).lastAnswerMs, undefined);
  pass(patienceMs);
  schedule.answer(probe);
  assert.equal(factsOf(peer).lastAnswerMs, undefined);
});

test('a peer that is gone is neither asked nor counted any more', () => {
  const { schedule, sent, pass } = createWorld(silence);
  const peer = createPeer();
  schedule.add(peer);
  while (sent.length === 0) pass(50);
  peer.gone = true;
  pass(60_000);
  assert.deepEqual([sent.length, schedule.lost, schedule.nextMs], [1, 0, Number.POSITIVE_INFINITY]);
});

test('however many peers, no more is sent than the limit, all have their turn, and none comes in a burst', () => {
  for (const [count, behaviour] of [
    [100, answersIn(1)],
    [3000, answersIn(1)],
    [3000, silence],
    [3000, upTo(1000)],
  ] as const) {
    const { schedule, sent, pass, now } = createWorld(behaviour);
    const peers = Array.from({ length: count }, (_, index) => createPeer(index));
    const startMs = now.ms;
    for (const peer of peers) schedule.add(peer);
    pass(40_000);
    const perSecond = Map.groupBy(sent, ({ atMs }) => Math.floor((atMs - startMs) / 1000));
    const perTick = Map.groupBy(sent, ({ atMs }) => atMs);
    for (const [second, probes] of perSecond) {
      assert.ok(probes.length <= mostPerSecond + 31, `${probes.length} in second ${second} of ${count}`);
      if (count === 100 && second > 15)
        assert.ok(probes.length <= 50, `${probes.length} in second ${second}`);
    }
    assert.ok([...perTick.values()].every(probes => probes.length <= 31));
    const asked = Map.groupBy(sent.filter(isSmall), ({ peer }) => peer);
    assert.equal(asked.size, count);
    const turns = [...asked.values()].map(probes => probes.length);
    assert.ok(Math.min(...turns) >= 2, `${Math.min(...turns)} turns`);
  }
});

test('in any weather what is told fits together', () => {
  const weather = fc.record({
    loss: fc.double({ min: 0, max: 1, noNaN: true }),
    limit: fc.integer({ min: 60, max: 1500 }),
    latencyMs: fc.double({ min: 0, max: 2000, noNaN: true }),
  });
  fc.assert(
    fc.property(fc.array(weather, { minLength: 1, maxLength: 4 }), fc.integer(), (days, seed) => {
      const random = randomOf(seed);
      const { schedule, turns, pass, become, sent } = createWorld(silence, { intervalMs: 1000, random });
      const peers = [createPeer(1), createPeer(2)];
      for (const peer of peers) schedule.add(peer);
      for (const { loss, limit, latencyMs } of days) {
        become(({ bytes }) => (random() < loss || bytes > limit ? undefined : latencyMs));
        pass(30_000);
        for (const peer of peers) {
          const { verdict, lossRatio, largestBytes, latencyMs: last = 0, lastAnswerMs } = factsOf(peer);
          assert.notEqual(verdict, 'unprobed');
          assert.equal(verdict === 'answers', lossRatio === 0);
          assert.ok(largestBytes === undefined || (largestBytes >= smallBytes && largestBytes <= 1450));
          assert.ok(last <= patienceMs + 50);
          assert.ok(lastAnswerMs !== undefined || verdict !== 'answers');
        }
      }
      assert.ok(schedule.lost <= schedule.sent);
      assert.equal(schedule.sent, sent.filter(isSmall).length);
      for (const peer of peers) {
        const its = turns.filter(one => one.peer === peer && /silent|back/.test(one.turn));
        assert.ok(its.every(({ turn }, index) => turn === (index % 2 === 0 ? 'silent' : 'back')));
      }
    }),
    { numRuns: 60 },
  );
});

/** Numerical Recipes' generator: the same numbers for the same seed. */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
