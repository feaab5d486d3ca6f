/** What became of a probe, device by device, in the order of the way out. */
import type { LinkName } from '../state/kernel-object.ts';
import type { DrawingPaint } from './drawing.ts';
import type { Trace } from './hop.ts';
import type { LiveReport, Sighting } from './live-probe.ts';
import { type KernelView, linkOf } from './view.ts';

/** The devices of this host that the packet, or what is put around it, should pass, in that order. */
export function devicesOnWay(view: KernelView, { hops }: Trace): LinkName[] {
  const met = hops
    .filter(({ host, direction }) => host === 'here' && direction === 'out')
    .flatMap(({ device }) => device ?? []);
  // Where the walk ended early, it may be seen whether that is true.
  const below = met.flatMap(name => linkOf(view, name)?.below ?? []);
  return [...new Set([...met, ...below])];
}

export function drawLive(report: LiveReport, { destination }: Trace, paint: DrawingPaint): string {
  const { sightings, failure, answered } = report;
  const head = paint.heading(`one echo request from this host to ${destination}`);
  if (failure !== undefined) return `${head}\n  ${paint.bad(`✖ it could not be sent: ${failure}`)}`;
  const widest = Math.max(0, ...sightings.map(({ device }) => device.length));
  const rows = sightings.map(
    one => `  ${markOf(one, paint)} ${one.device.padEnd(widest)}  ${sightingText(one)}`,
  );
  return [head, ...rows, `  ${conclusion(sightings, answered, paint)}`].join('\n');
}

function markOf({ requestMs }: Sighting, paint: DrawingPaint): string {
  return requestMs === undefined ? paint.bad('✖') : paint.good('●');
}

function sightingText({ requestMs, answerMs, problem }: Sighting): string {
  const request = requestMs === undefined ? 'not seen' : `seen after ${requestMs.toFixed(3)} ms`;
  const answer = answerMs === undefined ? '' : `, its answer after ${answerMs.toFixed(3)} ms`;
  return `${request}${answer}${problem === undefined ? '' : `; ${problem}`}`;
}

function conclusion(sightings: readonly Sighting[], answered: boolean, paint: DrawingPaint): string {
  if (answered) return paint.good('answered');
  const last = sightings.findLast(({ requestMs }) => requestMs !== undefined);
  const next = sightings[last === undefined ? 0 : sightings.indexOf(last) + 1];
  if (last === undefined)
    return paint.bad(`not seen at ${next?.device ?? 'any device'}: it did not get so far`);
  if (next !== undefined)
    return paint.bad(`last seen at ${last.device}, not seen at ${next.device}: it was lost between the two`);
  return paint.bad(
    `it left this host by ${last.device}, and no answer came: lost on the underlay, or at the other host`,
  );
}
