import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  lossRatioOf,
  noProbes,
  verdictOf,
  withAnswer,
  withLoss,
} from '../../../../src/daemon/probing/probe-history.ts';

/** `+` is an answer, `-` a loss, the oldest first. */
function historyOf(results: string): number {
  return [...results].reduce((h, result) => (result === '+' ? withAnswer(h) : withLoss(h)), noProbes);
}

const verdicts: Readonly<Record<string, [verdict: string, lossRatio: number | undefined]>> = {
  '': ['unprobed', undefined],
  '+': ['answers', 0],
  '-': ['lossy', 1],
  '--': ['silent', 1],
  '+-': ['lossy', 0.5],
  '+--': ['silent', 2 / 3],
  '--+': ['lossy', 2 / 3],
  '-+-': ['lossy', 2 / 3],
  '-++++++++++': ['answers', 0],
  '--+++++++++': ['lossy', 0.1],
  '+++++++++++-': ['lossy', 0.1],
  '-----------': ['silent', 1],
};

for (const [results, expected] of Object.entries(verdicts)) {
  test(`${results || 'no probe at all'} is ${expected[0]}`, () => {
    const history = historyOf(results);
    assert.deepEqual([verdictOf(history), lossRatioOf(history)], expected);
  });
}

test('any history is what a list of the last ten results says', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom('+', '-'), { minLength: 1, maxLength: 40 }), results => {
      const last = results.slice(-10);
      const lost = last.filter(result => result === '-').length;
      const isSilent = last.length > 1 && last.slice(-2).join('') === '--';
      const history = historyOf(results.join(''));
      assert.equal(lossRatioOf(history), lost / last.length);
      assert.equal(verdictOf(history), isSilent ? 'silent' : lost > 0 ? 'lossy' : 'answers');
    }),
  );
});
