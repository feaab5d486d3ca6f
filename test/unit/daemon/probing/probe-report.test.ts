import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProbeReport } from '../../../../src/daemon/probing/probe-report.ts';
import type { PeerTurn } from '../../../../src/daemon/probing/probed-peer.ts';
import { createTestClock } from '../../registry/clocks.ts';
import { rememberingLog } from '../extension-house.ts';
import { createPeer } from './probing-world.ts';

function create() {
  const [log, clock, closing] = [rememberingLog(), createTestClock(), new AbortController()];
  const report = new ProbeReport({ log, clock, signal: closing.signal });
  return {
    log,
    clock,
    closing,
    report,
    said: () => log.told.map(({ level, message }) => `${level} ${message}`),
  };
}

test('each turn of a peer is said by name, with what to do about it', async () => {
  const { log, clock, report, said } = create();
  const peers = [1, 2, 3, 4].map(number => createPeer(number));
  const short = { ...createPeer(3), search: { ...createPeer(3).search, largestBytes: 1422 } };
  const turns = [
    [peers[0], 'silent'],
    [peers[1], 'back'],
    [short, 'short'],
    [peers[3], 'whole'],
  ] as const;
  for (const [peer, turn] of turns) report.note(peer ?? assert.fail(), turn);
  assert.deepEqual(said(), []);
  await clock.advance(3000);
  assert.deepEqual(said(), [
    'warn peer 10.0.1.0/24 does not answer any more',
    'info peer 10.0.2.0/24 answers again',
    'warn packets to 10.0.3.0/24 larger than 1422 bytes vanish: 1450 should pass',
    'info packets to 10.0.4.0/24 of 1450 bytes pass again',
  ]);
  assert.deepEqual(log.told[0]?.fields, {
    asked: '10.0.1.0',
    remedy: 'see why with: weft doctor -peer 10.0.1.0/24',
  });
});

test('more than five at once are one line each way', async () => {
  for (const [turn, line] of [
    ['silent', 'warn 6 peers do not answer any more'],
    ['back', 'info 6 peers answer again'],
    ['short', 'warn large packets to 6 peers vanish'],
    ['whole', 'info large packets to 6 peers pass again'],
  ] as const) {
    const { clock, report, said } = create();
    for (let number = 1; number <= 6; number++) {
      report.note(createPeer(number), turn);
      await clock.advance(400);
    }
    await clock.advance(3000);
    assert.deepEqual(said(), [line]);
  }
});

test('five are named, also when others follow later', async () => {
  const { clock, report, said } = create();
  for (let number = 1; number <= 5; number++) report.note(createPeer(number), 'silent');
  await clock.advance(3000);
  for (let number = 6; number <= 10; number++) report.note(createPeer(number), 'silent');
  await clock.advance(3000);
  assert.equal(said().length, 10);
});

test('what is over before it is said is not said, nor is a peer that has left', async () => {
  const { clock, report, said } = create();
  const [one, other, third] = [createPeer(1), createPeer(2), createPeer(3)];
  const notes: ReadonlyArray<readonly [typeof one, PeerTurn]> = [
    [one, 'silent'],
    [other, 'silent'],
    [one, 'back'],
    [third, 'back'],
  ];
  for (const [peer, turn] of notes) report.note(peer, turn);
  other.gone = true;
  await clock.advance(3000);
  assert.deepEqual(said(), ['info peer 10.0.3.0/24 answers again']);
});

test('nothing is said after the end', async () => {
  const { clock, closing, report, said } = create();
  report.note(createPeer(1), 'silent');
  closing.abort();
  await clock.advance(3000);
  assert.deepEqual(said(), []);
});
