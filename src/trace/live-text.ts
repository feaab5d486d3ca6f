/** What became of a probe, device by device, in the order of the way out. */
import type { IpAddress } from '../base/ip.ts';
import type { Sighting } from '../control/peer-questions.ts';
import type { LinkName } from '../state/kernel-object.ts';
import { type DrawingOptions, type DrawingPaint, foldIndented } from './drawing.ts';
import type { Trace } from './hop.ts';
import type { LiveReport } from './live-probe.ts';
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

export function drawLive(
  report: LiveReport,
  { destination, peer }: Trace,
  { width, paint }: DrawingOptions,
): string {
  const { sightings, failure, there = [], thereProblem } = report;
  const head = paint.heading(`one echo request from this host to ${destination}`);
  if (failure !== undefined) return `${head}\n  ${paint.bad(`✖ it could not be sent: ${failure}`)}`;
  const widest = Math.max(0, ...[...sightings, ...there].map(({ device }) => device.length));
  const row = (one: Sighting): string =>
    `  ${markOf(one, paint)} ${one.device.padEnd(widest)}  ${sightingText(one)}`;
  return [
    head,
    ...sightings.map(row),
    ...(there.length > 0 ? [paint.heading(`on ${peer}, by its own clock`), ...there.map(row)] : []),
    ...(thereProblem === undefined
      ? []
      : foldIndented(`${peer} did not look for it: ${thereProblem}`, width).map(paint.quiet)),
    ...conclusion(report, peer, { width, paint }),
  ].join('\n');
}

function markOf({ requestMs, problem }: Sighting, paint: DrawingPaint): string {
  if (requestMs !== undefined) return paint.good('●');
  return problem === undefined ? paint.bad('✖') : '?';
}

function sightingText({ requestMs, answerMs, problem }: Sighting): string {
  const request = requestMs === undefined ? 'not seen' : `seen after ${requestMs.toFixed(3)} ms`;
  const answer = answerMs === undefined ? '' : `, its answer after ${answerMs.toFixed(3)} ms`;
  return `${request}${answer}${problem === undefined ? '' : `; ${problem}`}`;
}

interface Place {
  readonly device: string;
  /** Underlay address of the other host; undefined: this one. */
  readonly on: IpAddress | undefined;
  readonly sighting: Sighting;
}

function conclusion(
  { answered, sightings, there = [] }: LiveReport,
  peer: IpAddress | undefined,
  { width, paint }: DrawingOptions,
): string[] {
  if (answered) return [`  ${paint.good('answered')}`];
  // A device that could not be watched says nothing about the packet.
  const placesOf = (all: readonly Sighting[], on: IpAddress | undefined): Place[] =>
    all
      .filter(({ problem, requestMs }) => problem === undefined || requestMs !== undefined)
      .map(sighting => ({ device: sighting.device, on, sighting }));
  const places = [...placesOf(sightings, undefined), ...placesOf(there, peer)];
  return foldIndented(lossText(places, there.length > 0), width).map(paint.bad);
}

/** @param places in the order of the way out */
function lossText(places: readonly Place[], isThereSeen: boolean): string {
  const last = places.findLastIndex(({ sighting }) => sighting.requestMs !== undefined);
  const [reached, next] = [places[last], places[last + 1]];
  if (reached === undefined)
    return `not seen at ${next === undefined ? 'any device' : placeText(next)}: it did not get so far`;
  const back = places.findIndex(({ sighting }) => sighting.answerMs !== undefined);
  const [answer, before] = [places[back], places[back - 1]];
  if (answer !== undefined && before !== undefined) return `its answer was ${betweenText(answer, before)}`;
  if (next !== undefined) return betweenText(reached, next);
  return isThereSeen
    ? `it arrived at ${placeText(reached)}, and no answer came from there`
    : `it left this host by ${reached.device}, and no answer came: lost on the underlay, or at the other host`;
}

function betweenText(last: Place, next: Place): string {
  const where = last.on === next.on && next.on !== undefined ? `${next.device} there` : placeText(next);
  return `last seen at ${placeText(last)}, not seen at ${where}: lost between the two`;
}

function placeText({ device, on }: Place): string {
  return on === undefined ? device : `${device} on ${on}`;
}
