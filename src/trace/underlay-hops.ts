/** The outer packet, from this host's own stack to the underlay. */
import { familyOf, type IpAddress } from '../base/ip.ts';
import type { Mac } from '../base/mac.ts';
import type { LinkName } from '../state/kernel-object.ts';
import { passFirewall } from './firewall-hops.ts';
import { type Ends, meetHeaders } from './headers.ts';
import type { FrameLayer } from './hop.ts';
import { passDevice, resolve } from './link-hops.ts';
import { routePacket } from './route-hops.ts';
import { linkOf, neighbourOf } from './view.ts';
import { type Leg, meet, outer, type Walk } from './walk.ts';

export interface Outer {
  readonly from: IpAddress | undefined;
  readonly to: IpAddress;
  /** The device that the tunnel wants to leave by. */
  readonly oif: LinkName | undefined;
}

interface Left {
  readonly device: LinkName;
  /** Of the next machine on the link, if the kernel knows it. */
  readonly nextMac: Mac | undefined;
  readonly source: IpAddress | undefined;
}

export interface Wrapped {
  readonly packet: Ends<IpAddress>;
  /** The device whose MTU bounds what is put in. */
  readonly inner: LinkName;
  readonly outer: Outer;
  /** What is put around, by the outer source address. */
  readonly added: (from: IpAddress | undefined) => readonly FrameLayer[];
}

/** Puts the headers around, and sends the whole to the underlay. */
export function wrapAndLeave(walk: Walk, leg: Leg, { packet, inner, outer: ends, added }: Wrapped): boolean {
  // How large it may be, and which MACs come first, is known when the way out is.
  const beyond: Walk = { ...walk, hops: [] };
  const left = leaveByUnderlay(beyond, outer(leg), ends);
  const macs = { from: linkOf(walk.view, left?.device)?.mac, to: left?.nextMac };
  const layers = added(ends.from ?? left?.source);
  meetHeaders(walk, leg, { packet, macs, added: layers, inner, underlay: left?.device });
  walk.hops.push(...beyond.hops);
  return left !== undefined;
}

function leaveByUnderlay(walk: Walk, leg: Leg, { from, to, oif }: Outer): Left | undefined {
  const flow = { family: familyOf(to), destination: to, source: from, iif: undefined, oif };
  const routed = routePacket(walk, leg, flow, undefined);
  if (routed === undefined) return undefined;
  const { route, way, source = from } = routed;
  if (route?.type === 'local') {
    meet(walk, leg, {
      kind: 'address',
      verdict: 'broken',
      cause: `${to} is an address of this host itself: the packet would come back to it`,
    });
    return undefined;
  }
  if (
    from !== undefined &&
    !passFirewall(walk, leg, {
      ...{ source: from, destination: to, inDevice: undefined, outDevice: way.dev },
      udpPort: walk.wish?.backend.udpPorts[0],
    })
  )
    return undefined;
  const next = way.gateway ?? to;
  if (!passDevice(walk, leg, way.dev)) return undefined;
  const whose = way.gateway === undefined ? `the host ${to}` : `the gateway ${next}`;
  if (!resolve(walk, leg, way.dev, next, whose)) return undefined;
  return { device: way.dev, nextMac: neighbourOf(walk.view, way.dev, next)?.lladdr, source };
}
