import type { Family } from '../base/ip.ts';
import type { PacketPath } from './packet-path.ts';
import { pingPayloadBytes } from './ping.ts';

/** A layer of the frame: its name, its bytes, and what it says. */
type Layer = readonly [name: string, bytes: number, text: string];

const ipBytes: Readonly<Record<Family, number>> = { 4: 20, 6: 40 };

/** What is put around a packet on its way: for VXLAN an IP, UDP, VXLAN and the inner Ethernet header. */
export function overheadBytes(path: PacketPath): number {
  return addedLayers(path).reduce((sum, [, bytes]) => sum + bytes, 0);
}

/**
 * The frame that crosses the underlay, outermost header first, for an echo request as `ping` sends it: which bytes
 * the backend adds, and why the container's MTU is what it is.
 */
export function drawLayers(path: PacketPath): string {
  const { family, from, to, underlayMtuBytes, overlayMtuBytes } = path;
  const overhead = overheadBytes(path);
  const outer: Layer = ['Ethernet', 14, `${from.host} ──▶ ${to.host}`];
  const inner: Layer[] = [
    [`IPv${family}`, ipBytes[family], `${from.containerAddress} ──▶ ${to.containerAddress}`],
    [
      family === 4 ? 'ICMP' : 'ICMPv6',
      8 + pingPayloadBytes,
      `echo request, ${pingPayloadBytes} bytes of data`,
    ],
  ];
  const added = [
    `+ ${overhead} bytes`,
    `MTU ${underlayMtuBytes} - ${overhead} = ${underlayMtuBytes - overhead}`,
  ];
  return [
    ...bracket([outer], ['not in the MTU']),
    ...bracket(addedLayers(path), path.carriage.type === 'udp' ? added : ['', ...added]),
    ...bracket(inner, ["the container's", `packet, ≤ ${overlayMtuBytes}`]),
  ].join('\n');
}

function addedLayers({ family, from, to, carriage }: PacketPath): Layer[] {
  if (carriage.type === 'direct') return [];
  const outer: Layer = [`IPv${family}`, ipBytes[family], `${from.underlayAddress} ──▶ ${to.underlayAddress}`];
  if (carriage.type === 'udp') return [outer, ['UDP', 8, `${carriage.port} ──▶ ${carriage.port}`]];
  return [
    outer,
    ['UDP', 8, `a port per flow ──▶ ${carriage.port}`],
    ['VXLAN', 8, `VNI ${carriage.vni}`],
    ['Ethernet', 14, `${from.tunnel?.mac} ──▶ ${to.tunnel?.mac}`],
  ];
}

function bracket(layers: readonly Layer[], notes: readonly string[]): string[] {
  return layers.map(([name, bytes, text], index) => {
    const cells = `${name.padEnd(8)} ${String(bytes).padStart(3)}  ${text.padEnd(39)}`;
    return `${cells} ${mark(index, layers.length)} ${notes[index] ?? ''}`.trimEnd();
  });
}

function mark(index: number, count: number): string {
  if (count === 1) return '─';
  return index === 0 ? '┐' : index === count - 1 ? '┘' : '│';
}
