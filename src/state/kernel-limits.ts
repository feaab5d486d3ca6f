/**
 * Tables of the kernel that grow with the number of hosts, and how near they are to their ends. What counts where was
 * tried with 70,000 peers; docs/scale.md tells how.
 *
 * | table | bounded by | what of ours counts |
 * |---|---|---|
 * | neighbours | `net.ipv4.neigh.default.gc_thresh3`, and IPv6's, of the machine | hosts on the underlay's link; VTEPs before Linux 5.0 only |
 * | IPv6 routes | `net.ipv6.route.max_size` before Linux 6.3 | a route per peer |
 * | FDB | a `maxaddress` of the device, which Weft never sets | an entry per peer |
 * | netlink notices | `net.core.rmem_max`, unless the daemon may exceed it | each entry of a peer, when all are flushed at once |
 */
import type { Family } from '../base/ip.ts';

/** What a network wants of the kernel. */
export interface KernelDemand {
  /** Peers of this family: a route, a neighbour and an FDB entry each. */
  readonly peers: ByFamily<number>;
  /** Of their underlay addresses, those on the underlay's own link: the kernel resolves each while packets go there. */
  readonly near: ByFamily<number>;
}

/** What the kernel allows; undefined where it does not say, which for neighbours is in all network namespaces but the first. */
export interface KernelFacts {
  /** `6.18.44-generic`, as uname(2) has it. */
  readonly release: string;
  readonly neighbours: ByFamily<number | undefined>;
  readonly ipv6Routes: number | undefined;
  /** How large a socket's receive buffer may be made; undefined: as large as the daemon asks for. */
  readonly receiveBufferBytes: number | undefined;
}

export type ByFamily<T> = { readonly [family in Family]: T };

/** One table, and how full this network makes it. */
export interface KernelLimit {
  /** `IPv4 neighbours`. */
  readonly what: string;
  /** Same unit as `allowed`. */
  readonly wanted: number;
  readonly allowed: number;
  /** What happens beyond. */
  readonly harm: string;
  /** What to set to how much, as `sysctl -w` takes it with dots for slashes; the first is the limit itself. */
  readonly settings: readonly { readonly key: string; readonly value: number }[];
}

/** Chosen: of a table that is four fifths full the rest is used up by the next burst. */
export const tightRatio = 0.8;

/** True for a limit that bites, or soon will. */
export function isTight({ wanted, allowed }: KernelLimit): boolean {
  return wanted >= allowed * tightRatio;
}

/** Every limit that this kernel tells of, tight or not. */
export function limitsFor(demand: KernelDemand, facts: KernelFacts): KernelLimit[] {
  return [
    ...([4, 6] as const).flatMap(family => neighbours(family, demand, facts)),
    ...ipv6Routes(demand, facts),
    ...receiveBuffer(demand, facts),
  ];
}

/** The table is one for the whole machine, all namespaces and devices together; so this is the least that it must hold. */
function neighbours(family: Family, { peers, near }: KernelDemand, facts: KernelFacts): KernelLimit[] {
  const allowed = facts.neighbours[family];
  if (allowed === undefined) return [];
  // Permanent entries are not counted since Linux 5.0 (net/core/neighbour.c, exempt_from_gc).
  const wanted = near[family] + (isBefore(facts.release, 5, 0) ? peers[family] : 0);
  const enough = roomFor(wanted);
  const keys = `net/ipv${family}/neigh/default/gc_thresh`;
  return [
    {
      what: `IPv${family} neighbours`,
      wanted,
      allowed,
      harm: 'packets to further hosts are dropped',
      settings: [
        { key: `${keys}3`, value: enough },
        // From here on the kernel throws entries away that are older than five seconds.
        { key: `${keys}2`, value: enough / 2 },
      ],
    },
  ];
}

/** Linux 6.3 stopped counting, as IPv4 had long before; here a kernel that still counts is told by its release alone. */
function ipv6Routes({ peers }: KernelDemand, { release, ipv6Routes: allowed }: KernelFacts): KernelLimit[] {
  if (allowed === undefined || !isBefore(release, 6, 3)) return [];
  const wanted = peers[6];
  return [
    {
      what: 'IPv6 routes in use',
      wanted,
      allowed,
      harm: 'packets to further subnets are dropped',
      settings: [{ key: 'net/ipv6/route/max_size', value: roomFor(wanted) }],
    },
  ];
}

/** Chosen by the netlink monitor, which makes do with less: what is lost is read anew, all of it. */
const mostNoticeBytes = 16 * 1024 * 1024;
/** Next hop, route, neighbour and FDB entry. */
const noticesPerPeer = 4;
/** Of a small notice 768 are charged (struct sk_buff and 512 of data), and the kernel doubles what a socket asks for. */
const noticeBytes = 768 / 2;

function receiveBuffer({ peers }: KernelDemand, { receiveBufferBytes: allowed }: KernelFacts): KernelLimit[] {
  if (allowed === undefined) return [];
  const burstBytes = (peers[4] + peers[6]) * noticesPerPeer * noticeBytes;
  return [
    {
      what: 'bytes for the notices of a burst',
      wanted: Math.min(burstBytes, mostNoticeBytes),
      allowed,
      harm: 'each such burst makes the daemon read the whole kernel state again',
      settings: [{ key: 'net/core/rmem_max', value: mostNoticeBytes }],
    },
  ];
}

/** A power of two with room for as many again. */
function roomFor(wanted: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(wanted, 512) * 2));
}

function isBefore(release: string, major: number, minor: number): boolean {
  const [ours = 0, minorOfOurs = 0] = release.split('.').map(part => Number.parseInt(part, 10));
  return ours < major || (ours === major && minorOfOurs < minor);
}
