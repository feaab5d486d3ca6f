/** The floor under every program that writes peers: iproute2 in batches, which knows already what to write. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Scope } from '../../src/base/scope.ts';
import type { PeerFacts, WeftHost } from '../../test/support/weft-host.ts';

export interface IprouteBatches {
  /** Gives a host a VXLAN device like the daemon's, with nothing on it. */
  prepare(host: WeftHost): Promise<void>;
  /** `bridge -batch` and `ip -batch`: what Weft writes for these peers, the same objects in the same order. */
  write(host: WeftHost): Promise<void>;
}

export async function createBatches(scope: Scope, peers: readonly PeerFacts[]): Promise<IprouteBatches> {
  const folder = await mkdtemp(path.join(tmpdir(), 'batch-'));
  scope.defer(folder, () => rm(folder, { recursive: true }));
  const lines = peers.map(batchLines);
  const [bridgeFile, ipFile] = [path.join(folder, 'bridge'), path.join(folder, 'ip')];
  await writeFile(bridgeFile, `${lines.map(({ fdb }) => fdb).join('\n')}\n`);
  const objects = [
    ...lines.map(({ neighbour }) => neighbour),
    ...lines.map(({ nextHop }) => nextHop),
    ...lines.map(({ route }) => route),
  ];
  await writeFile(ipFile, `${objects.join('\n')}\n`);
  return {
    prepare: host =>
      host.netns.ipBatch([
        'link add flannel.1 type vxlan id 1 dev eth0 nolearning dstport 8472',
        'address add 10.255.250.0/32 dev flannel.1',
        'link set flannel.1 up',
      ]),
    write: async host => {
      const script = 'bridge -batch "$1" && ip -batch "$2"';
      await host.run(['sh', '-euc', script, 'batch', bridgeFile, ipFile], { timeoutMs: 300_000 });
    },
  };
}

interface BatchLines {
  readonly fdb: string;
  readonly neighbour: string;
  readonly nextHop: string;
  readonly route: string;
}

function batchLines({ subnet, publicIp, mac }: PeerFacts): BatchLines {
  const gateway = subnet.replace(/\/\d+$/, '');
  const id = gateway.split('.').reduce((sum, byte) => sum * 256 + Number(byte), 0);
  return {
    fdb: `fdb add ${mac} dev flannel.1 dst ${publicIp} self permanent`,
    neighbour: `neigh add ${gateway} lladdr ${mac} dev flannel.1 nud permanent`,
    nextHop: `nexthop add id ${id} via ${gateway} dev flannel.1 onlink`,
    route: `route add ${subnet} nhid ${id}`,
  };
}

/** Reads all tables and throws them away: what it costs the kernel and iproute2 to tell what is there. */
export async function readTables(host: WeftHost): Promise<void> {
  const commands = ['bridge fdb show', 'ip neigh show', 'ip nexthop show', 'ip -4 route show'];
  const script = commands.map(command => `${command} dev flannel.1`).join('; ');
  await host.run(['sh', '-euc', `exec >/dev/null; ${script}`]);
}
