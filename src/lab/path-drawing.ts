import type { PacketPath, PathEnd } from './packet-path.ts';

/** Inside of a host's box, and the space between the two: 78 columns in all. */
const hostColumns = 29;
const wireColumns = 12;

/**
 * The way from container to container, down one host and up the other; `(1)` to `(3)` are the kernel's entries in
 * the order in which they are asked:
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
export function drawPath({ from, to, vni, port }: PacketPath): string {
  const rows = [
    ...containers(from, to),
    both('    │ veth', '    │ veth'),
    both(device(from.bridge, from.bridgeAddress), device(to.bridge, to.bridgeAddress)),
    both('    │ (1) route', '    ▲ its own subnet'),
    both('    ▼', '    │'),
    both(device(from.vtep, from.vtepAddress), device(to.vtep, to.vtepAddress)),
    both(`    │       ${from.vtepMac}`, `    │       ${to.vtepMac}`),
    both('    │ (2) neighbour', '    ▲ takes the outer'),
    both('    ▼ (3) FDB entry', '    │ headers off', `UDP ${port}`),
    wire(device(from.underlay, from.underlayAddress), device(to.underlay, to.underlayAddress)),
  ];
  const head = `┌ ${from.host} ${line(hostColumns - from.host.length)}┐`;
  const far = `┌ ${to.host} ${line(hostColumns - to.host.length)}┐`;
  const foot = `└${line(hostColumns + 2)}┘`;
  return [`${head}${' '.repeat(wireColumns)}${far}`, ...rows, `${foot}${centred(`VNI ${vni}`)}${foot}`].join(
    '\n',
  );
}

function containers(from: PathEnd, to: PathEnd): string[] {
  const [left, right] = [containerBox(from, '┬'), containerBox(to, '▲')];
  return left.map((text, index) => both(text, right[index] ?? ''));
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

function both(left: string, right: string, between = ''): string {
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
