/** What the demo says, as text; colours come from outside. */
import { fdbText, neighbourText, routeText } from '../wire/iproute2.ts';
import type { LabStatus } from './lab-status.ts';
import { renderLab } from './lab-table.ts';
import { drawLayers, overheadBytes } from './layers-drawing.ts';
import type { PathEnd } from './packet-path.ts';
import { drawPath } from './path-drawing.ts';
import type { PingReport } from './ping.ts';
import type { CarryingEntries, ReadPath } from './read-path.ts';

/** How headings, explanations and good news are set off: escape sequences on a terminal, nothing elsewhere. */
export interface Paint {
  heading(text: string): string;
  quiet(text: string): string;
  good(text: string): string;
  bad(text: string): string;
}

export const noPaint: Paint = { heading: same, quiet: same, good: same, bad: same };

export function introText(paint: Paint): string {
  return [
    paint.heading('Two hosts and a switch on this machine, out of network namespaces.'),
    paint.quiet('Each host runs its own weft daemon, which leases a subnet and hears of the other.'),
  ].join('\n');
}

export function hostsText(paint: Paint, status: LabStatus, seconds: number): string {
  return section(paint, `Up in ${seconds.toFixed(1)} s`, renderLab(status));
}

/** One line for each direction. */
export function pingsText(
  paint: Paint,
  pings: ReadonlyArray<readonly [PathEnd, PathEnd, PingReport]>,
): string {
  const lines = pings.map(([from, to, report]) => {
    const ends = `${from.container} ${from.containerAddress} ──▶ ${to.container} ${to.containerAddress}`;
    return `${ends}\n  ${pingText(paint, report)}`;
  });
  const note = paint.quiet(
    '(a packet starts with ttl 64, and each of the two hosts that routes it takes one off)',
  );
  return section(paint, 'Ping from container to container, both ways', [...lines, note].join('\n'));
}

/** `5 sent, 5 received, 0 % lost, 0.062/0.081/0.120 ms, ttl 62` */
export function pingText(paint: Paint, { sent, roundTripsMs, ttl, failure }: PingReport): string {
  const received = roundTripsMs.length;
  const lost = Math.ceil(((sent - received) / sent) * 100);
  const counts = `${sent} sent, ${received} received, ${(lost === 0 ? paint.good : paint.bad)(`${lost} % lost`)}`;
  if (received === 0) return failure === undefined ? counts : `${counts}, ${failure}`;
  const average = roundTripsMs.reduce((sum, one) => sum + one, 0) / received;
  const times = [Math.min(...roundTripsMs), average, Math.max(...roundTripsMs)].map(ms => ms.toFixed(3));
  return `${counts}, ${times.join('/')} ms, ttl ${ttl}`;
}

/** The three entries, each with what it means. */
export function entriesText(paint: Paint, { path, entries }: ReadPath): string {
  const { from, to } = path;
  const names = ['(1) route', '(2) neighbour', '(3) FDB entry'];
  const meanings = [
    `${to.host}'s containers are behind ${entries.route.gateway}, which ${from.vtep} leads to`,
    'that is the VTEP with this MAC: known, so nobody has to ask (no ARP)',
    `frames to this MAC go by UDP to ${to.host}, ${entries.fdb.dst} on the underlay`,
  ];
  const lines = entriesLines(entries).flatMap((line, index) => [
    `${(names[index] ?? '').padEnd(14)} ${line}`,
    `${' '.repeat(15)}${paint.quiet(meanings[index] ?? '')}`,
  ]);
  const title = `What carries a packet from ${from.host} to ${to.host}: three entries in ${from.host}'s kernel`;
  return section(paint, title, lines.join('\n'));
}

/** As `ip route`, `ip neigh show dev flannel.1` and `bridge fdb show dev flannel.1` print them. */
export function entriesLines({ route, neighbour, fdb }: CarryingEntries): string[] {
  return [routeText(route), neighbourText(neighbour), fdbText(fdb)];
}

export function drawingText(paint: Paint, { path }: ReadPath): string {
  return section(paint, 'The way of the packet', drawPath(path));
}

export function layersText(paint: Paint, { path }: ReadPath): string {
  return section(paint, `On the wire between them: ${overheadBytes} bytes more`, drawLayers(path));
}

export function farewellText(paint: Paint): string {
  return [
    `\n${paint.heading('Everything is taken away again.')}`,
    paint.quiet('To look round by yourself: weft lab up'),
  ].join('\n');
}

function section(paint: Paint, title: string, body: string): string {
  return `\n${paint.heading(title)}\n${body}`;
}

function same(text: string): string {
  return text;
}
