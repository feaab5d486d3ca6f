/** What the demo says, as text; colours come from outside. */
import { fdbText, neighbourText, routeText } from '../wire/iproute2.ts';
import type { LabStatus } from './lab-status.ts';
import { renderLab } from './lab-table.ts';
import { drawLayers, overheadBytes } from './layers-drawing.ts';
import type { PacketPath, PathEnd } from './packet-path.ts';
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
  const seen = pings.find(([, , { ttl }]) => ttl !== undefined)?.[2].ttl;
  const note = seen === undefined ? [] : [paint.quiet(ttlText(seen))];
  return section(paint, 'Ping from container to container, both ways', [...lines, ...note].join('\n'));
}

/** Containers send with 64. */
function ttlText(ttl: number): string {
  const routers = ttl < 62 ? "the hosts' kernels and daemons" : 'the two hosts';
  return `(a packet starts with ttl 64, and each that routes it takes one off: ${routers})`;
}

/** `5 sent, 5 received, 0 % lost, 0.062/0.081/0.120 ms, ttl 62` */
export function pingText(paint: Paint, { sent, roundTripsMs, ttl, failure }: PingReport): string {
  const received = roundTripsMs.length;
  const lost = Math.ceil(((sent - received) / sent) * 100);
  const counts = `${sent} sent, ${received} received, ${(lost === 0 ? paint.good : paint.bad)(`${lost} % lost`)}`;
  if (received === 0) return failure === undefined ? counts : `${counts}, ${failure}`;
  const average = roundTripsMs.reduce((sum, one) => sum + one, 0) / received;
  const times = [Math.min(...roundTripsMs), average, Math.max(...roundTripsMs)].map(ms => ms.toFixed(3));
  return `${counts}, ${times.join('/')} ms${ttl === undefined ? '' : `, ttl ${ttl}`}`;
}

/** What is asked on the way, each with what it means. */
export function entriesText(paint: Paint, { path, entries }: ReadPath): string {
  const { from, to } = path;
  const asked = askedOf(path, entries);
  const lines = asked.flatMap(({ name, text, meaning }, index) => [
    `${`(${index + 1}) ${name}`.padEnd(14)} ${text}`,
    `${' '.repeat(15)}${paint.quiet(meaning)}`,
  ]);
  const what = {
    vxlan: `three entries in ${from.host}'s kernel`,
    direct: `one route in ${from.host}'s kernel`,
    udp: `${from.host}'s daemon`,
  }[path.carriage.type];
  return section(paint, `What carries a packet from ${from.host} to ${to.host}: ${what}`, lines.join('\n'));
}

interface Asked {
  readonly name: string;
  readonly text: string;
  readonly meaning: string;
}

function askedOf({ from, to, carriage }: PacketPath, { route, vtep }: CarryingEntries): Asked[] {
  const first = { name: 'route', text: routeText(route) };
  if (carriage.type === 'udp') {
    return [
      { ...first, meaning: `the whole network is behind ${route.dev}, which the daemon reads` },
      {
        name: 'its table',
        text: `${to.subnet} at ${to.underlayAddress}, UDP ${carriage.port}`,
        meaning: `by the leases that it follows; ${to.host}'s daemon hands the packet to its own kernel`,
      },
    ];
  }
  if (vtep === undefined) {
    return [
      { ...first, meaning: `${to.host}'s containers are behind ${to.host} itself, which is on this link` },
    ];
  }
  const { neighbour, fdb } = vtep;
  return [
    { ...first, meaning: `${to.host}'s containers are behind ${route.gateway}, which ${route.dev} leads to` },
    {
      name: 'neighbour',
      text: neighbourText(neighbour),
      meaning: `that is the VTEP with this MAC: known, so nobody has to ask (no ${from.subnet.includes(':') ? 'ND' : 'ARP'})`,
    },
    {
      name: 'FDB entry',
      text: fdbText(fdb),
      meaning: `frames to this MAC go by UDP to ${to.host}, ${fdb.dst} on the underlay`,
    },
  ];
}

export function drawingText(paint: Paint, { path }: ReadPath): string {
  return section(paint, 'The way of the packet', drawPath(path));
}

export function layersText(paint: Paint, { path }: ReadPath): string {
  const added = overheadBytes(path);
  const spare = path.underlayMtuBytes - added - path.overlayMtuBytes;
  const room = added === 0 && spare > 0 ? `, though the MTU leaves ${spare} for a tunnel past a router` : '';
  const title = added === 0 ? `nothing is added${room}` : `${added} bytes more`;
  const note =
    added > 0 && spare > 0 ? [paint.quiet(`(containers have the MTU of IPv6, with ${spare} more)`)] : [];
  return section(paint, `On the wire between them: ${title}`, [drawLayers(path), ...note].join('\n'));
}

/** @param flags that make the same lab: ` --backend udp` */
export function farewellText(paint: Paint, flags: string): string {
  return [
    `\n${paint.heading('Everything is taken away again.')}`,
    paint.quiet(`To look round by yourself: weft lab up${flags}`),
  ].join('\n');
}

function section(paint: Paint, title: string, body: string): string {
  return `\n${paint.heading(title)}\n${body}`;
}

function same(text: string): string {
  return text;
}
