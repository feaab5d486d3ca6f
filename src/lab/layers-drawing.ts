import type { PacketPath } from './packet-path.ts';
import { pingPayloadBytes } from './ping.ts';

/** A layer of the frame: its name, its bytes, and what it says. */
type Layer = readonly [name: string, bytes: number, text: string];

/** What VXLAN puts around a packet on its way to the MTU: IPv4, UDP, VXLAN, and the inner Ethernet header. */
export const overheadBytes = 20 + 8 + 8 + 14;

/**
 * The frame that crosses the underlay, outermost header first, for an echo request as `ping` sends it: which bytes
 * VXLAN adds, and why the container's MTU is what it is.
 */
export function drawLayers({ from, to, vni, port, underlayMtuBytes, overlayMtuBytes }: PacketPath): string {
  const outer: Layer = ['Ethernet', 14, `${from.host} ──▶ ${to.host}`];
  const added: Layer[] = [
    ['IPv4', 20, `${from.underlayAddress} ──▶ ${to.underlayAddress}`],
    ['UDP', 8, `a port per flow ──▶ ${port}`],
    ['VXLAN', 8, `VNI ${vni}`],
    ['Ethernet', 14, `${from.vtepMac} ──▶ ${to.vtepMac}`],
  ];
  const inner: Layer[] = [
    ['IPv4', 20, `${from.containerAddress} ──▶ ${to.containerAddress}`],
    ['ICMP', 8 + pingPayloadBytes, `echo request, ${pingPayloadBytes} bytes of data`],
  ];
  return [
    ...bracket([outer], ['not in the MTU']),
    ...bracket(added, [
      '',
      `+ ${overheadBytes} bytes`,
      `MTU ${underlayMtuBytes} - ${overheadBytes} = ${underlayMtuBytes - overheadBytes}`,
    ]),
    ...bracket(inner, ["the container's", `packet, ≤ ${overlayMtuBytes}`]),
  ].join('\n');
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
