/**
 * Ten thousand peers that exist in their leases alone, and what `ip` and `bridge` must show of them: worked out from their
 * numbers, apart from the code that makes it.
 */
import assert from 'node:assert/strict';
import { fakePeer } from '../../bench/scale/fake-peers.ts';
import { eventually } from '../support/eventually.ts';
import type { Netns } from '../support/netns.ts';

export const dev = 'flannel.1';
export const manyPeers = 10_000;

/** A peer's number, and how often its lease has changed. */
export type Peers = ReadonlyMap<number, number>;

export function firstPeers(count: number): Map<number, number> {
  return new Map(Array.from({ length: count }, (_, number) => [number, 0]));
}

/** The lines of all that leads to these peers: by next-hop objects, or by classic routes. */
export function linesOf(peers: Peers, form: 'next hops' | 'classic' = 'next hops'): ReadonlySet<string> {
  const lines = [...peers].flatMap(([number, generation]) => linesOfPeer(number, generation));
  if (form === 'next hops') return new Set(lines);
  const classic = lines.filter(line => !line.startsWith('nexthop'));
  return new Set(classic.map(line => line.replace(/ nhid \d+/, '')));
}

function linesOfPeer(number: number, generation: number): string[] {
  const { subnet, publicIp, mac } = fakePeer(number, generation);
  const base = subnet.replace('/24', '');
  const id = base.split('.').reduce((value, octet) => value * 256 + Number(octet), 0);
  return [
    `route ${subnet} nhid ${id} via ${base} onlink`,
    `nexthop id ${id} via ${base} dev ${dev} scope link proto 87 onlink`,
    `neighbour ${base} lladdr ${mac} PERMANENT`,
    `fdb ${mac} dst ${publicIp} self permanent`,
  ];
}

const shell = [
  `ip route show dev ${dev} | sed 's/^/route /'`,
  // In the order of no version of ip in particular.
  `ip nexthop show proto 87 | sed 's/^/nexthop /; s/ onlink proto 87/ proto 87 onlink/'`,
  `ip neigh show dev ${dev} nud permanent | sed 's/^/neighbour /'`,
  `bridge fdb show dev ${dev} | sed 's/^/fdb /'`,
].join('; ');

/** The same, as it is. */
async function linesIn(netns: Netns): Promise<string[]> {
  const text = await netns.run(['sh', '-c', `{ ${shell}; } 2>&1`]);
  return text
    .split('\n')
    .map(line => line.trim().replaceAll('  ', ' '))
    .filter(Boolean);
}

/** Waits until the kernel has these lines and no others. @throws AssertionError with the first differences */
export async function eventuallyShows(
  netns: Netns,
  wanted: ReadonlySet<string>,
  what: string,
): Promise<void> {
  let there: readonly string[] = [];
  const isRight = async (): Promise<boolean> => {
    there = await linesIn(netns);
    return there.length === wanted.size && there.every(line => wanted.has(line));
  };
  await eventually(what, isRight, { intervalMs: 100, timeoutMs: 120_000 }).catch(() => {
    assert.deepEqual(differences(wanted, there), [], what);
  });
}

function differences(wanted: ReadonlySet<string>, there: readonly string[]): string[] {
  const found = new Set(there);
  const missing = [...wanted].filter(line => !found.has(line)).map(line => `- ${line}`);
  const surplus = there.filter(line => !wanted.has(line)).map(line => `+ ${line}`);
  return [...missing.slice(0, 10), ...surplus.slice(0, 10)];
}
