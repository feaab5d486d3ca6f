import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createCounters } from '../../../src/tunnel/counters.ts';
import { WorkerThread } from '../../../src/tunnel/worker-thread.ts';
import { eventually } from '../../support/eventually.ts';

/** A worker that answers every change, and breaks at the one numbered 13; `attach` makes it deaf. */
const module = new URL(
  `data:text/javascript,${encodeURIComponent(`
import { parentPort } from 'node:worker_threads';
parentPort.on('message', message => {
  if (message.type === 'stop') parentPort.close();
  else if (message.type === 'attach') for (;;);
  else if (message.id === 13) throw new Error('thirteen');
  else parentPort.postMessage({ type: 'changed', id: message.id });
});
`)}`,
);

const nothing = { ipv4: undefined, ipv6: undefined };
const counters = createCounters();

function openThread(heard: string[]): WorkerThread {
  return new WorkerThread({
    module,
    setup: () => ({
      sockets: nothing,
      device: undefined,
      port: 0,
      mtuBytes: 0,
      sources: nothing,
      without: [],
      counters,
    }),
    onMessage: message => void heard.push('id' in message ? `changed ${message.id}` : message.type),
    onRestart: () => void heard.push('restart'),
    release: () => void heard.push('release'),
    onBreak: cause => void heard.push(`break: ${(cause as Error).message}`),
  });
}

test('a worker that breaks is followed by another', async () => {
  const heard: string[] = [];
  const thread = openThread(heard);
  const post = (id: number): void => thread.post({ type: 'change', id, change: { set: [], unset: [] } });
  for (const round of [0, 1]) {
    heard.length = 0;
    post(round);
    await eventually('an answer', () => heard.includes(`changed ${round}`));
    post(13);
    await eventually('the next worker', () => heard.includes('restart'));
    assert.deepEqual(heard, [`changed ${round}`, 'break: thirteen', 'restart']);
  }
  post(5);
  await eventually('an answer', () => heard.includes('changed 5'));
  await thread.close();
  await thread.close();
});

test('a worker that is closed while it waits to be started again is not', async () => {
  const heard: string[] = [];
  const thread = openThread(heard);
  thread.post({ type: 'change', id: 13, change: { set: [], unset: [] } });
  await eventually('the break', () => heard.length > 0);
  await thread.close();
  // The process of this test ends only when nothing is left.
  assert.deepEqual(heard, ['break: thirteen']);
});

test('a worker that does not listen is ended all the same', async () => {
  const heard: string[] = [];
  const thread = openThread(heard);
  thread.post({ type: 'attach', device: { fd: 0, vnetHeader: false, udpOffloads: false } });
  await thread.close();
  assert.deepEqual(heard, ['release']);
});
