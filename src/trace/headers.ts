/** What is put around a packet, and what of the MTU is left for it. */
import type { Family, IpAddress } from '../base/ip.ts';
import type { Mac } from '../base/mac.ts';
import type { LinkName } from '../state/kernel-object.ts';
import { linkCommand } from '../wire/iproute2.ts';
import { command, type Frame, type FrameLayer } from './hop.ts';
import { linkOf } from './view.ts';
import { type Leg, meet, type Walk } from './walk.ts';

const ipBytes: Readonly<Record<Family, number>> = { 4: 20, 6: 40 };

export interface Ends<T> {
  readonly from: T | undefined;
  readonly to: T | undefined;
}

export function vxlanLayers(
  family: Family,
  outer: Ends<IpAddress>,
  inner: Ends<Mac>,
  { vni, port }: { readonly vni: number; readonly port: number },
): FrameLayer[] {
  return [
    { name: `IPv${family}`, bytes: ipBytes[family], text: endsText(outer), part: 'added' },
    { name: 'UDP', bytes: 8, text: `a port per flow ──▶ ${port}`, part: 'added' },
    { name: 'VXLAN', bytes: 8, text: `VNI ${vni}`, part: 'added' },
    { name: 'Ethernet', bytes: 14, text: endsText(inner), part: 'added' },
  ];
}

export function udpLayers(family: Family, outer: Ends<IpAddress>, port: number): FrameLayer[] {
  return [
    { name: `IPv${family}`, bytes: ipBytes[family], text: endsText(outer), part: 'added' },
    { name: 'UDP', bytes: 8, text: `${port} ──▶ ${port}`, part: 'added' },
  ];
}

export function endsText({ from, to }: Ends<string>): string {
  return `${from ?? '?'} ──▶ ${to ?? '?'}`;
}

export interface Wrapping {
  readonly packet: Ends<IpAddress>;
  /** Of the outermost Ethernet header, as far as they are known. */
  readonly macs: Ends<Mac>;
  readonly added: readonly FrameLayer[];
  /** The device whose MTU bounds what is put in. */
  readonly inner: LinkName;
  /** Undefined when it is not known by which the packet leaves. */
  readonly underlay: LinkName | undefined;
}

export function meetHeaders(
  walk: Walk,
  leg: Leg,
  { packet, macs, added, inner, underlay }: Wrapping,
): boolean {
  const { view, family } = walk;
  const [innerMtu, underlayMtu] = [linkOf(view, inner)?.mtuBytes ?? 0, linkOf(view, underlay)?.mtuBytes];
  const addedBytes = added.reduce((sum, { bytes }) => sum + bytes, 0);
  const frame: Frame = {
    layers: [
      { name: 'Ethernet', bytes: 14, text: endsText(macs), part: 'link' },
      ...added,
      { name: `IPv${family}`, bytes: ipBytes[family], text: endsText(packet), part: 'packet' },
    ],
    addedBytes,
    innerMtuBytes: Math.min(innerMtu, (underlayMtu ?? innerMtu + addedBytes) - addedBytes),
    underlayMtuBytes: underlayMtu,
  };
  const left = underlayMtu === undefined ? innerMtu : underlayMtu - addedBytes;
  if (innerMtu > left) {
    return meet(walk, leg, {
      kind: 'headers',
      verdict: 'doubtful',
      frame,
      cause: `packets over ${left} bytes do not fit: ${inner} takes ${innerMtu}, and with ${addedBytes} more they are larger than the ${underlayMtu} of ${underlay}`,
      remedy: command(
        'lower it, and that of the containers',
        linkCommand('change', { name: inner, mtuBytes: left }),
      ),
    });
  }
  return meet(walk, leg, { kind: 'headers', verdict: 'passes', frame });
}
