import type { PacketPath, PathEnd } from './packet-path.ts';

/** Inside of a host's box, and the space between the two: 78 columns in all. */
const hostColumns = 30;
const wireColumns = 10;

/** A row of the drawing: what stands in the one host, in the other, and between them. */
type Row = readonly [left: string, right: string, between?: string];

/**
 * The way from container to container, down one host and up the other, here for VXLAN; `(1)` to `(3)` are the kernel's
 * entries in the order in which they are asked:
 *
 *     ┌ host1 ────────┐              ┌ host2 ────────┐
 *     │ ┌ container ┐ │              │ ┌ container ┐ │
 *     │ │ eth0      │ │              │ │ eth0      │ │
 *     │ └───┬───────┘ │              │ └───▲───────┘ │
 *     │   bridge      │              │   bridge      │
 *     │     ▼         │              │     │         │
 *     │   VTEP        │              │   VTEP        │
 *     │     ▼         │   UDP 8472   │     │         │
 *     │   eth0 ═══════╪══════════════╪══▶eth0        │
 *     └───────────────┘              └───────────────┘
 */
export function drawPath(path: PacketPath): string {
  const { from, to } = path;
  const rows: Row[] = [
    ...containers(from, to),
    ['    │ veth', '    │ veth'],
    [device(from.bridge, from.bridgeAddress), device(to.bridge, to.bridgeAddress)],
    ['    │ (1) route', '    ▲ its own subnet'],
    ...carriageRows(path),
  ];
  const head = `┌ ${from.host} ${line(hostColumns - from.host.length)}┐`;
  const far = `┌ ${to.host} ${line(hostColumns - to.host.length)}┐`;
  const foot = `└${line(hostColumns + 2)}┘`;
  return [
    `${head}${' '.repeat(wireColumns)}${far}`,
    ...rows.map(both),
    wire(device(from.underlay, from.underlayAddress), device(to.underlay, to.underlayAddress)),
    `${foot}${centred(footText(path))}${foot}`,
  ].join('\n');
}

/** From the route to the underlay. */
function carriageRows({ from, to, carriage }: PacketPath): Row[] {
  switch (carriage.type) {
    case 'direct':
      return [['    ▼ to the other host', '    │', 'as it is']];
    case 'vxlan':
      return [
        ['    ▼', '    │'],
        tunnelRow(from, to),
        [`    │       ${from.tunnel?.mac}`, `    │       ${to.tunnel?.mac}`],
        ['    │ (2) neighbour', '    ▲ takes the outer'],
        ['    ▼ (3) FDB entry', '    │ headers off', `UDP ${carriage.port}`],
      ];
    case 'udp':
      return [
        ['    ▼', '    │'],
        tunnelRow(from, to),
        ['    ▼', '    ▲'],
        ['╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌ user space ╌', '╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌ user space ╌'],
        ['  weft run  (2) its table', '  weft run  takes it out'],
        ['╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌ kernel ╌', '╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌ kernel ╌'],
        ['    ▼', '    ▲', `UDP ${carriage.port}`],
      ];
  }
}

function tunnelRow(from: PathEnd, to: PathEnd): Row {
  const text = ({ tunnel }: PathEnd): string => device(tunnel?.device ?? '', tunnel?.address ?? '');
  return [text(from), text(to)];
}

function footText({ carriage }: PacketPath): string {
  return carriage.type === 'vxlan' ? `VNI ${carriage.vni}` : '';
}

function containers(from: PathEnd, to: PathEnd): Row[] {
  const [left, right] = [containerBox(from, '┬'), containerBox(to, '▲')];
  return left.map((text, index) => [text, right[index] ?? '']);
}

function containerBox(end: PathEnd, exit: string): string[] {
  const title = ` ${end.container} `;
  return [
    `┌${title}${line(hostColumns - title.length - 2)}┐`,
    `│${device('eth0', end.containerAddress)
      .slice(1)
      .padEnd(hostColumns - 2)}│`,
    `└───${exit}${line(hostColumns - 6)}┘`,
  ];
}

function device(name: string, address: string): string {
  return `  ${name.padEnd(9)} ${address}`;
}

function both([left, right, between = '']: Row): string {
  return `${side(left)}${centred(between)}${side(right)}`;
}

/** Where the packet leaves one box and enters the other. */
function wire(left: string, right: string): string {
  const tail = '═'.repeat(hostColumns - left.length);
  return `│ ${left} ${tail}╪${'═'.repeat(wireColumns)}╪▶${right.slice(1).padEnd(hostColumns + 1)}│`;
}

function side(text: string): string {
  return `│ ${text.padEnd(hostColumns)} │`;
}

function centred(text: string): string {
  return `${' '.repeat(Math.floor((wireColumns - text.length) / 2))}${text}`.padEnd(wireColumns);
}

function line(columns: number): string {
  return '─'.repeat(columns);
}
