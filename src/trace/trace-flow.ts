/**
 * A packet's way, hop by hop, as the kernel decides it. Pure: what it would like to ask the kernel it says, and is called
 * again with the answers (see run-trace.ts).
 *
 *     container ─ port ─ bridge ─ forwarding ─┐
 *     this host ──────────────────────────────┴─ rule ─ route ─ firewall ─┬─ VTEP ─ neighbour ─ FDB ─ underlay
 *                                                                         ├─ TUN ─ daemon ─ underlay
 *                                                                         ├─ gateway on the underlay
 *                                                                         └─ bridge ─ container
 */
import { familyOf, type IpAddress } from '../base/ip.ts';
import type { Flow } from '../state/lookup.ts';
import { type Trace, verdictOf } from './hop.ts';
import { meetLease } from './lease-hop.ts';
import { leave } from './leave.ts';
import { passToContainer } from './link-hops.ts';
import { routePacket } from './route-hops.ts';
import { isBridged, leaveContainer, passForwarding, type Start, startOf } from './start.ts';
import type { KernelView, NetworkView } from './view.ts';
import { type Followed, outHere, type Walk } from './walk.ts';
import { wishFor } from './wish.ts';

export interface Question {
  readonly destination: IpAddress;
  /** An address of this host or of a container on it; undefined: this host, with the address that it chooses. */
  readonly from: IpAddress | undefined;
}

export interface Traced {
  readonly trace: Trace;
  /** What the kernel should be asked, by {@link flowKey}; answered or not. */
  readonly asked: ReadonlyMap<string, Flow>;
}

/** @throws WeftError `trace-from-elsewhere` */
export function traceFlow(view: KernelView, network: NetworkView, { destination, from }: Question): Traced {
  const family = familyOf(destination);
  const walk: Walk = {
    view,
    network,
    wish: wishFor(view, network, destination),
    family,
    destination,
    hops: [],
    asked: new Map(),
  };
  const start = startOf(walk, from);
  const { source, carriage } = follow(walk, start);
  const { hops, asked } = walk;
  return {
    trace: {
      family,
      destination,
      source: source ?? start.source,
      start: start.type,
      carriage: carriage ?? 'none',
      peer: walk.wish?.peer,
      verdict: verdictOf(hops),
      hops,
    },
    asked,
  };
}

function follow(walk: Walk, start: Start): Followed {
  if (!meetLease(walk, outHere)) return {};
  if (start.type === 'container') {
    if (!leaveContainer(walk, start)) return {};
    if (isBridged(walk, start)) return bridged(walk, start);
    if (!passForwarding(walk, outHere, start.dev)) return {};
  }
  const iif = start.type === 'container' ? start.dev : undefined;
  const { family, destination } = walk;
  const flow: Flow = { family, destination, source: start.source, iif, oif: undefined };
  const routed = routePacket(walk, outHere, flow, walk.wish?.route);
  if (routed === undefined) return {};
  const source = start.source ?? routed.source;
  return { source, ...leave(walk, start, routed, source) };
}

function bridged(walk: Walk, { dev }: Extract<Start, { type: 'container' }>): Followed {
  passToContainer(walk, outHere, dev, walk.destination);
  return { carriage: 'local' };
}
