/** A walk in progress: what it looks at, what it has met, and what it would like to ask the kernel. */
import type { Family, IpAddress } from '../base/ip.ts';
import type { Flow } from '../state/lookup.ts';
import type { Carriage, Hop } from './hop.ts';
import type { KernelView, NetworkView } from './view.ts';
import type { Wish } from './wish.ts';

export interface Walk {
  readonly view: KernelView;
  readonly network: NetworkView;
  readonly wish: Wish | undefined;
  readonly family: Family;
  readonly destination: IpAddress;
  readonly hops: Hop[];
  /** By {@link flowKey}. */
  readonly asked: Map<string, Flow>;
}

/** What following a packet brought to light besides hops. */
export interface Followed {
  readonly source?: IpAddress | undefined;
  readonly carriage?: Carriage;
}

/** Where hops are, and which way the packet goes. */
export type Leg = Pick<Hop, 'host' | 'direction' | 'packet'>;

export const outHere: Leg = { host: 'here', direction: 'out', packet: 'inner' };
export const outThere: Leg = { host: 'there', direction: 'out', packet: 'inner' };
export const backThere: Leg = { host: 'there', direction: 'back', packet: 'inner' };
export const backHere: Leg = { host: 'here', direction: 'back', packet: 'inner' };

/** The same place, for the packet that was put around. */
export function outer(leg: Leg): Leg {
  return { ...leg, packet: 'outer' };
}

/** Adds a hop; false when the packet gets no further. */
export function meet(
  { hops }: Walk,
  leg: Leg,
  hop: Omit<Hop, 'host' | 'direction' | 'packet' | 'text' | 'entries'> &
    Partial<Pick<Hop, 'text' | 'entries'>>,
): boolean {
  hops.push({ text: '', entries: [], ...leg, ...hop });
  return hop.verdict !== 'broken';
}
