import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WeftError } from '../../../src/base/errors.ts';
import type { Check } from '../../../src/doctor/check.ts';
import { fail, ok, skip, warn } from '../../../src/doctor/finding.ts';
import { runChecks, verdictOf } from '../../../src/doctor/run-checks.ts';
import type { Scene } from '../../../src/doctor/scene.ts';

const controller = new AbortController();
/** All that the runner itself takes from it. */
const scene = { signal: controller.signal } as Scene;

function check(name: string, look: Check['look']): Check {
  return { name, title: name, look };
}

test('a check that throws hides no other, and what it says depends on whose fault that is', async () => {
  const away = new WeftError('registry-away', 'etcd does not answer', { remedy: 'start it' });
  const examined = await runChecks(
    [
      check('away', () => Promise.reject(away)),
      check('denied', () => Promise.reject(Object.assign(new Error('no access'), { code: 'EACCES' }))),
      check('mistaken', async () => ok((undefined as unknown as string).length.toString())),
      check('several', async () => [ok('one'), ok('two')]),
    ],
    scene,
  );
  assert.deepEqual(
    examined.map(({ check: { name }, findings }) => [name, findings.map(({ verdict }) => verdict)]),
    [
      ['away', ['skip']],
      ['denied', ['skip']],
      ['mistaken', ['warn']],
      ['several', ['ok', 'ok']],
    ],
  );
  const [unseen, , mistake] = examined.map(({ findings: [finding] }) => finding);
  assert.deepEqual(unseen, skip('could not be looked at: etcd does not answer', 'start it'));
  assert.match(mistake?.text ?? '', /^could not be looked at, by a mistake of Weft's own: .*undefined/);
  assert.match(mistake?.evidence[0] ?? '', /^at .*run-checks\.test\.ts/);
  assert.ok(mistake?.remedy);
});

test('a check that never ends is given up, and the others are there all the same', async () => {
  const [endless, quick] = await runChecks(
    [check('endless', () => new Promise(() => {})), check('quick', async () => ok('done'))],
    scene,
    20,
  );
  assert.deepEqual(endless?.findings, [skip('could not be looked at: there was no answer within 0.02 s')]);
  assert.deepEqual(quick?.findings, [ok('done')]);
});

test('whoever interrupts gets the reason', async () => {
  const stop = new AbortController();
  const reason = new WeftError('interrupted', 'stopped by SIGINT');
  const running = runChecks(
    [
      check('waits', async ({ signal }) => {
        stop.abort(reason);
        signal.throwIfAborted();
        return ok('');
      }),
    ],
    { signal: stop.signal } as Scene,
  );
  await assert.rejects(running, reason);
});

test('the verdict of several is the worst, and skip only where there is nothing else', () => {
  const trouble = { evidence: [], remedy: { commands: [], text: '' } };
  const [good, none, risky, bad] = [ok(''), skip(''), warn('', trouble), fail('', trouble)];
  for (const [findings, verdict] of [
    [[], 'skip'],
    [[none], 'skip'],
    [[none, good], 'ok'],
    [[good, risky, none], 'warn'],
    [[risky, bad, good], 'fail'],
  ] as const)
    assert.equal(verdictOf(findings), verdict);
});
