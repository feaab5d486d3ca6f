/** What of this host's firewall drops packets between containers here and on other hosts. */

import { type KnownPacket, rulesFor } from '../traffic/known-packet.ts';
import { anyDevice, type Flow, type SeenChains, wayThrough } from '../traffic/packet-walk.ts';
import type { BaseChain } from './base-chains.ts';
import type { OverlayPart } from './overlay-parts.ts';

export interface ForwardDrop {
  readonly chain: BaseChain;
  /** The rule, or `policy of FORWARD: drop`. */
  readonly rule: string;
  readonly directions: ReadonlySet<Direction>;
  /** Bridges of containers that suffer; none: all. */
  readonly devices: ReadonlySet<string>;
  /** Undefined: all packets. */
  readonly protocol: KnownPacket['protocol'] | undefined;
}

/** `in`: from the tunnel to the containers. */
export type Direction = 'in' | 'out';

/** Those of one rule as one. */
export function forwardDrops(chains: readonly BaseChain[], part: OverlayPart): ForwardDrop[] {
  return chains.flatMap(chain => {
    const all = merged(chain, undefined, dropsIn(chain.chains, chain, part));
    if (all.length > 0) return all;
    return protocols(part).flatMap(protocol =>
      merged(chain, protocol, dropsIn(rulesFor(chain.chains, { protocol }), chain, part)),
    );
  });
}

function protocols({ family }: OverlayPart): readonly KnownPacket['protocol'][] {
  return ['tcp', 'udp', family === 4 ? 'icmp' : 'ipv6-icmp'];
}

interface Drop {
  readonly rule: string;
  readonly direction: Direction;
  readonly device: string;
}

function dropsIn(chains: SeenChains, { base, hook }: BaseChain, part: OverlayPart): Drop[] {
  // Before the routing decision only the way in has a device to tell it by.
  const directions: readonly Direction[] = hook === 'forward' ? ['in', 'out'] : ['in'];
  return directions.flatMap(direction => {
    const dropOn = (device: string): Drop[] => {
      const way = wayThrough(chains, base, flowOf(part, device, direction));
      return way.type === 'drops' ? [{ rule: way.rule, direction, device }] : [];
    };
    const general = dropOn(anyDevice);
    return general.length > 0 ? general : part.containers.flatMap(dropOn);
  });
}

function flowOf({ network, subnet, tunnel }: OverlayPart, device: string, direction: Direction): Flow {
  return direction === 'in'
    ? { inDevice: tunnel, outDevice: device, source: network, destination: subnet }
    : { inDevice: device, outDevice: tunnel, source: subnet, destination: network };
}

function merged(chain: BaseChain, protocol: ForwardDrop['protocol'], drops: readonly Drop[]): ForwardDrop[] {
  return [...new Set(drops.map(({ rule }) => rule))].map(rule => {
    const same = drops.filter(drop => drop.rule === rule);
    const devices = same.map(({ device }) => device).filter(device => device !== anyDevice);
    return {
      ...{ chain, rule, protocol },
      directions: new Set(same.map(({ direction }) => direction)),
      devices: new Set(same.length > devices.length ? [] : devices),
    };
  });
}
