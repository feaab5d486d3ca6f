/** Away from a host, by the device that a route leads to: through a tunnel, or onto the link as it is. */
import type { IpAddress } from '../base/ip.ts';
import type { LinkName } from '../state/kernel-object.ts';
import { meetHeaders } from './headers.ts';
import { passDevice, resolve } from './link-hops.ts';
import { passTunnel } from './udp-hops.ts';
import { linkOf, neighbourOf, type ViewLink } from './view.ts';
import { type InnerPacket, passVxlan, type VxlanLink } from './vxlan-hops.ts';
import type { Leg, Walk } from './walk.ts';

export function isTunnel({ kind }: ViewLink): boolean {
  return kind.kind === 'vxlan' || (kind.kind === 'tun' && kind.mode === 'tun');
}

/** Into a tunnel's device, and around it onto the underlay. */
export function throughTunnel(
  walk: Walk,
  leg: Leg,
  link: ViewLink,
  next: IpAddress,
  packet: InnerPacket,
): boolean {
  return link.kind.kind === 'vxlan'
    ? passVxlan(walk, leg, link as VxlanLink, next, packet)
    : passTunnel(walk, leg, link, packet);
}

export interface NextMachine {
  readonly next: IpAddress;
  readonly whose: string;
}

export function nextMachine(gateway: IpAddress | undefined, destination: IpAddress): NextMachine {
  return gateway === undefined
    ? { next: destination, whose: `the machine ${destination}` }
    : { next: gateway, whose: `the gateway ${gateway}` };
}

/** Out of a device as it is, to the next machine on its link. */
export function ontoLink(
  walk: Walk,
  leg: Leg,
  { next, whose }: NextMachine,
  {
    dev,
    inDevice,
    packet: { source, destination },
  }: { readonly dev: LinkName; readonly inDevice: LinkName | undefined; readonly packet: InnerPacket },
): boolean {
  const { view } = walk;
  return (
    passDevice(walk, leg, dev) &&
    resolve(walk, leg, dev, next, whose) &&
    meetHeaders(walk, leg, {
      packet: { from: source, to: destination },
      macs: { from: linkOf(view, dev)?.mac, to: neighbourOf(view, dev, next)?.lladdr },
      added: [],
      inner: inDevice ?? dev,
      underlay: dev,
    })
  );
}
