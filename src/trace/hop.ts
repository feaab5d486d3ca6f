/** What a trace consists of. The words here are those of its JSON, see docs/trace.md. */
import type { Family, IpAddress } from '../base/ip.ts';
import type { LinkName } from '../state/kernel-object.ts';

export interface Trace {
  readonly family: Family;
  readonly destination: IpAddress;
  /** Undefined when no source could be found, because the first hops failed. */
  readonly source: IpAddress | undefined;
  readonly start: 'host' | 'container';
  readonly carriage: Carriage;
  /** The underlay address of the host that the destination is on, by its lease. */
  readonly peer: IpAddress | undefined;
  readonly verdict: TraceVerdict;
  readonly hops: readonly Hop[];
  /** The half on the other host; undefined: nobody has been asked about it. */
  readonly there?: There | undefined;
}

/** Whether the other host's daemon has told of its half, or the registry, and then why. */
export type There = { readonly answered: true } | { readonly answered: false; readonly why: string };

/** How the packet gets to the other host; `local`: it does not leave this one; `none`: it does not get away at all. */
export type Carriage = 'vxlan' | 'direct' | 'udp' | 'extension' | 'local' | 'outside' | 'none';

/** `passes`: as far as can be seen from here, and what cannot is told by no evidence against it. */
export type TraceVerdict = 'passes' | 'doubtful' | 'broken';

export interface Hop {
  readonly host: 'here' | 'there';
  readonly direction: 'out' | 'back';
  /** The packet as it was sent, or that which was put around it. */
  readonly packet: 'inner' | 'outer';
  readonly kind: HopKind;
  readonly verdict: HopVerdict;
  /** In words; '' where the entry says it all. */
  readonly text: string;
  /** What made the decision, as the tool prints it. */
  readonly entries: readonly Entry[];
  /** Why the packet does not get on, or why not all do. */
  readonly cause?: string | undefined;
  readonly remedy?: Remedy | undefined;
  /** The device that the packet is on, if it is on one. */
  readonly device?: LinkName | undefined;
  readonly frame?: Frame | undefined;
}

/**
 * `passes`: the kernel's own entry was seen. `told`: the registry says so. `unknown`: it cannot be known from here.
 * `doubtful`: some packets do not get on, or not as they should. `broken`: none does.
 */
export const hopVerdicts = ['passes', 'told', 'unknown', 'doubtful', 'broken'] as const;

export type HopVerdict = (typeof hopVerdicts)[number];

export const hopKinds = [
  'lease',
  'container',
  'port',
  'bridge',
  'forwarding',
  'rule',
  'route',
  'firewall',
  'masquerade',
  'device',
  'neighbour',
  'fdb',
  'daemon',
  'headers',
  'host',
  'address',
] as const;

export type HopKind = (typeof hopKinds)[number];

export interface Entry {
  /** The command that lists it: `ip route`, `bridge fdb`. */
  readonly tool: string;
  readonly line: string;
}

export interface Remedy {
  /** Commands that mend it, as printed; none when there is no such command. */
  readonly commands: readonly string[];
  /** What else there is to say or to do; '' for nothing. */
  readonly text: string;
  /** Underlay address of the host where to do it; undefined: this host. */
  readonly on?: IpAddress | undefined;
}

/** What is on the wire, outermost header first. */
export interface Frame {
  readonly layers: readonly FrameLayer[];
  /** Put around the container's packet, without the outer Ethernet header. */
  readonly addedBytes: number;
  /** The largest packet inside that the way takes without being cut. */
  readonly innerMtuBytes: number;
  /** Of the device that it leaves by. */
  readonly underlayMtuBytes: number | undefined;
}

export interface FrameLayer {
  readonly name: string;
  readonly bytes: number;
  readonly text: string;
  readonly part: 'link' | 'added' | 'packet';
}

export function command(text: string, ...commands: readonly string[]): Remedy {
  return { commands, text };
}

/** The hop at which no packet gets on, else the first at which some do not. */
export function culpritOf(hops: readonly Hop[]): Hop | undefined {
  return (
    hops.find(({ verdict }) => verdict === 'broken') ?? hops.find(({ verdict }) => verdict === 'doubtful')
  );
}

export function verdictOf(hops: readonly Hop[]): TraceVerdict {
  const verdict = culpritOf(hops)?.verdict;
  return verdict === 'broken' || verdict === 'doubtful' ? verdict : 'passes';
}
