/** What a host's kernel holds of its peers, compared with their leases. */
import { readFileSync } from 'node:fs';
import { fdb, type IfIndex, links, NetlinkSocket, neighbours, routes } from '../../src/kernel/netlink.ts';
import type { PeerFacts, WeftHost } from '../../test/support/weft-host.ts';

const vtep = 'flannel.1';
const mainTable = 254;

/** @throws Error unless there is such a device */
export async function vtepIndex(socket: NetlinkSocket): Promise<IfIndex> {
  const link = (await links.list(socket)).find(({ name }) => name === vtep);
  if (link === undefined) throw new Error(`expected a device ${vtep}, found none`);
  return link.index;
}

/**
 * How many routes, neighbours and FDB entries on the VTEP are not as the leases say: those that are missing, and those
 * that are there and should not be.
 */
export async function wrongEntries(host: WeftHost, peers: readonly PeerFacts[]): Promise<number> {
  const wanted = new Set(peers.flatMap(entriesOf));
  const found = await entriesOn(host);
  const missing = [...wanted].filter(entry => !found.has(entry)).length;
  const needless = [...found].filter(entry => !wanted.has(entry)).length;
  return missing + needless;
}

function entriesOf({ subnet, publicIp, mac }: PeerFacts): string[] {
  const gateway = subnet.replace(/\/\d+$/, '');
  return [`route ${subnet} via ${gateway}`, `neigh ${gateway} ${mac}`, `fdb ${mac} dst ${publicIp}`];
}

async function entriesOn(host: WeftHost): Promise<ReadonlySet<string>> {
  const socket = NetlinkSocket.open({ netns: host.netns.path });
  try {
    const dev = await vtepIndex(socket);
    const found = new Set<string>();
    for (const route of await routes.list(socket, { dev, table: mainTable, family: 4 })) {
      found.add(`route ${route.dst} via ${route.gateway}`);
    }
    for (const entry of await neighbours.list(socket, { dev, family: 4 })) {
      found.add(`neigh ${entry.dst} ${entry.lladdr}`);
    }
    for (const entry of await fdb.list(socket, { dev })) found.add(`fdb ${entry.lladdr} dst ${entry.dst}`);
    return found;
  } finally {
    socket.close();
  }
}

/** IPv4 routes of all kinds (proc/net/fib_triestat), which costs the kernel next to nothing to tell. */
export function routeCount({ initPid }: WeftHost): number {
  const text = readFileSync(`/proc/${initPid}/net/fib_triestat`, 'utf8');
  return Number(/^Main:[\s\S]*?Prefixes:\s+(\d+)/m.exec(text)?.[1] ?? 0);
}
