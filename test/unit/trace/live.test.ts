import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIp } from '../../../src/base/ip.ts';
import type { Sighting } from '../../../src/control/peer-questions.ts';
import type { LiveReport } from '../../../src/trace/live-probe.ts';
import { devicesOnWay, drawLive } from '../../../src/trace/live-text.ts';
import { markFilter, markOffset, markOffsets } from '../../../src/trace/mark-filter.ts';
import { runBpf } from '../../support/bpf-machine.ts';
import { trace, view } from './views.ts';

const mark = 0xfe_dc_ba_98;

test('the mark is found behind every stack of headers, by the filter as by the reader, and nowhere else', () => {
  const filter = markFilter(mark, 256);
  for (let at = 0; at < 160; at++) {
    const frame = new Uint8Array(at + 60);
    frame.set([0xfe, 0xdc, 0xba, 0x98], at);
    const known = markOffsets.includes(at);
    // A load beyond the end refuses the frame: those behind the mark are long enough for the places before it.
    assert.equal(runBpf(filter, frame), known ? 256 : 0, `mark at ${at}`);
    assert.equal(markOffset(frame, mark), known ? at : undefined, `mark at ${at}`);
  }
  assert.equal(runBpf(filter, new Uint8Array(20)), 0);
});

const paint = { heading: String, quiet: String, good: String, bad: String };
const drawing = { width: 100, paint };

function seen(device: string, requestMs?: number, answerMs?: number, problem?: string): Sighting {
  return { device, requestMs, answerMs, problem };
}

const reports: ReadonlyArray<readonly [Sighting[], boolean, RegExp]> = [
  [
    [seen('flannel.1', 0, 0.5), seen('eth0', 0.01, 0.49)],
    true,
    /● flannel\.1 {2}seen after 0\.000 ms, its answer after 0\.500 ms\n.*\n {2}answered$/,
  ],
  [
    [seen('flannel.1', 0), seen('eth0')],
    false,
    /✖ eth0 {7}not seen\n {2}last seen at flannel\.1, not seen at eth0/,
  ],
  [[seen('flannel.1'), seen('eth0')], false, /not seen at flannel\.1: it did not get so far$/],
  [
    [seen('flannel.1', 0), seen('eth0', 0.01, undefined, 'no room')],
    false,
    /; no room\n {2}it left this host by eth0, and no answer came/,
  ],
];

test('where a probe was last seen is said in words', () => {
  const way = trace(view(), '10.2.14.3');
  for (const [sightings, answered, expected] of reports) {
    const report: LiveReport = { sightings, failure: undefined, answered };
    assert.match(drawLive(report, way, drawing), expected);
  }
  const unsent: LiveReport = { sightings: [], failure: 'ENETUNREACH', answered: false };
  assert.match(drawLive(unsent, way, drawing), /✖ it could not be sent: ENETUNREACH$/);
});

const there: ReadonlyArray<readonly [Sighting[], Sighting[], RegExp]> = [
  [
    [seen('eth0', 0)],
    [seen('eth0'), seen('flannel.1')],
    /last seen at eth0, not seen at eth0 on 192\.0\.2\.14: lost between the two$/,
  ],
  [
    [seen('eth0', 0)],
    [seen('eth0', 0), seen('flannel.1', undefined, undefined, 'it may not'), seen('cni0', 0.1)],
    /\? flannel\.1 {2}not seen; it may not\n.*\n {2}it arrived at cni0 on 192\.0\.2\.14, and no answer came from there$/,
  ],
  [
    [seen('flannel.1', 0), seen('eth0', 0)],
    [seen('eth0', 0), seen('cni0', 0.1, 0.2)],
    /its answer was last seen at cni0 on 192\.0\.2\.14, not seen at eth0 there: lost between the two$/,
  ],
  [
    [seen('flannel.1', 0), seen('eth0', 0)],
    [seen('eth0', 0, 0.3), seen('cni0', 0.1, 0.2)],
    /its answer was last seen at eth0 on 192\.0\.2\.14, not seen at eth0: lost between the two$/,
  ],
];

test('with the other host watching, the last place of both is told, on the way out or back', () => {
  const way = { ...trace(view(), '10.2.14.3'), peer: parseIp('192.0.2.14') };
  for (const [sightings, other, expected] of there) {
    const report: LiveReport = { sightings, there: other, failure: undefined, answered: false };
    assert.match(drawLive(report, way, drawing), expected);
  }
  const unwatched = { sightings: [seen('eth0', 0)], thereProblem: 'it is busy', failure: undefined };
  assert.match(
    drawLive({ ...unwatched, answered: false }, way, drawing),
    /192\.0\.2\.14 did not look for it: it is busy\n {2}it left this host by eth0, and no answer came/,
  );
});

test('devices are watched in the order of the way, and the underlay even where the walk ended before it', () => {
  assert.deepEqual(devicesOnWay(view(), trace(view(), '10.2.14.3')), ['flannel.1', 'eth0']);
  const broken = view({ neighbours: [] });
  assert.deepEqual(devicesOnWay(broken, trace(broken, '10.2.14.3')), ['flannel.1', 'eth0']);
});
