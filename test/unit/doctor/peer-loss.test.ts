import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Sighting } from '../../../src/control/peer-questions.ts';
import { type LossPlace, lossPlace } from '../../../src/doctor/peer-loss.ts';

/** `eth0 request answer`: what was seen on a device. */
function sighting(text: string): Sighting {
  const [device = '', ...seen] = text.split(' ');
  return {
    device,
    requestMs: seen.includes('request') ? 0 : undefined,
    answerMs: seen.includes('answer') ? 1 : undefined,
    problem: seen.includes('unwatched') ? 'capturing packets needs the capability CAP_NET_RAW' : undefined,
  };
}

const both = 'request answer';
const cases: ReadonlyArray<
  readonly [place: LossPlace, here: readonly string[], there: readonly string[] | undefined]
> = [
  ['not-sent', ['flannel.1 request', 'eth0'], undefined],
  ['not-sent', ['flannel.1', 'eth0'], ['eth0', 'flannel.1']],
  ['unseen-there', ['flannel.1 request', 'eth0 request'], undefined],
  ['unseen-there', ['flannel.1 request', 'eth0 request'], ['eth0 unwatched', 'flannel.1 unwatched']],
  ['unseen-there', ['flannel.1 request'], undefined],
  ['way-out', ['flannel.1 request', 'eth0 request'], ['eth0', 'flannel.1']],
  ['kept-there', ['flannel.1 request', 'eth0 request'], ['eth0 request', 'flannel.1']],
  ['not-answered', ['flannel.1 request', 'eth0 request'], ['eth0 request', 'flannel.1 request']],
  ['not-answered', ['eth0 request'], ['eth0 request']],
  ['answer-kept', ['flannel.1 request', 'eth0 request'], ['eth0 request', `flannel.1 ${both}`]],
  ['way-back', ['flannel.1 request', 'eth0 request'], [`eth0 ${both}`, `flannel.1 ${both}`]],
  ['kept-here', ['flannel.1 request', `eth0 ${both}`], [`eth0 ${both}`, `flannel.1 ${both}`]],
  ['kept-here', ['flannel.1 request', `eth0 ${both}`], undefined],
  ['answered', [`flannel.1 ${both}`, `eth0 ${both}`], undefined],
  ['unknown', ['flannel.1 unwatched', 'eth0 unwatched'], undefined],
  ['unknown', [], undefined],
];

for (const [place, here, there] of cases) {
  const where = there === undefined ? 'nobody looking there' : `there ${there.join(', ')}`;
  test(`a packet seen here on ${here.join(', ') || 'nothing'}, and with ${where}, is lost at: ${place}`, () => {
    assert.equal(lossPlace({ here: here.map(sighting), there: there?.map(sighting) }), place);
  });
}
