/** Four whole hosts, the first of which is damaged again and again while its containers talk to the others'. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Scope } from '../../src/base/scope.ts';
import { type Damage, damages, shellOf, type Target } from '../kernel/repair-damages.ts';
import type { Daemon } from '../support/daemon.ts';
import { createCluster, joinAll, leaseOf } from '../support/weft-cluster.ts';
import type { Container, WeftHost } from '../support/weft-host.ts';
import { createUnderlay } from '../support/weft-underlay.ts';

export interface RepairCluster {
  /** The one that is damaged. */
  readonly host: WeftHost;
  readonly weft: Daemon;
  readonly container: Container;
  /** The others' containers. */
  readonly others: readonly Container[];
  /** One for each of the others. */
  readonly targets: readonly Target[];
  readonly kinds: readonly string[];
  /** Does the damage; resolves when its commands have ended. */
  strike(kind: string, target: Target): Promise<void>;
  /** Everything of the overlay as `ip` and `bridge` print it. */
  show(): Promise<string>;
  /** Resolves when the host is as it was, and says after how many milliseconds. @throws Error with what differs */
  repaired(right: string): Promise<number>;
}

export const underlayAnew = 'underlay deleted and made again';
const repairTimeoutMs = 40_000;

export async function createRepairCluster(scope: Scope): Promise<RepairCluster> {
  const underlay = await createUnderlay(scope);
  const cluster = await createCluster(scope, underlay);
  const hosts = await cluster.addHosts('a', 'b', 'c', 'd');
  const [host, ...peers] = hosts;
  const [weft] = await joinAll(cluster, hosts);
  const own = await leaseOf(cluster, host);
  const container = await host.addContainer();
  const others = await Promise.all(peers.map(peer => peer.addContainer()));
  const leases = await Promise.all(peers.map(peer => leaseOf(cluster, peer)));
  const targets = leases.map(({ subnet, mac }) => ({
    ...{ dev: 'flannel.1', address: own.subnet.replace('/24', ''), underlay: 'eth0', local: host.address },
    peer: { subnet, mac },
  }));
  const mac = /link\/ether (\S+)/.exec(await host.netns.run('ip link show eth0'))?.[1];
  const remakeUnderlay = async (): Promise<void> => {
    await host.netns.run('ip link delete eth0');
    await underlay.bridge.ipBatch([
      `link add ${host.port} type veth peer name eth0 address ${mac} netns ${host.netns.name}`,
      `link set ${host.port} master br0 up`,
    ]);
    await host.netns.ipBatch([`address add ${host.address}/24 dev eth0`, 'link set eth0 up']);
  };
  const show = (): Promise<string> => showOverlay(host);
  return {
    ...{ host, container, others, targets, show },
    weft: weft as Daemon,
    kinds: [...damages.map(damage => damage.kind), underlayAnew],
    strike: async (kind, target) => {
      const damage = damages.find(one => one.kind === kind);
      if (damage === undefined) await remakeUnderlay();
      else await strikeBy(host, damage, target);
    },
    repaired: async right => {
      const startMs = performance.now();
      for (let now = await show(); now !== right; now = await show()) {
        const tookMs = performance.now() - startMs;
        if (tookMs > repairTimeoutMs) throw new Error(`not repaired:\n${differences(right, now)}`);
        await sleep(1);
      }
      return performance.now() - startMs;
    },
  };
}

async function strikeBy(host: WeftHost, damage: Damage, target: Target): Promise<void> {
  await host.netns.run(shellOf(damage, target));
}

async function showOverlay({ netns }: WeftHost): Promise<string> {
  const commands = [
    'ip -d link show flannel.1',
    'ip -4 address show dev flannel.1',
    'ip route',
    'ip neigh show dev flannel.1',
    'bridge fdb show dev flannel.1',
  ];
  const text = await netns.run(['sh', '-c', `{ ${commands.join('; ')}; true; } 2>&1`]);
  const lines = text.split('\n').map(line => line.trim().replace(/^\d+: /, ''));
  return lines.filter(Boolean).sort().join('\n');
}

function differences(right: string, now: string): string {
  const [wanted, there] = [right.split('\n'), now.split('\n')];
  return [
    ...wanted.filter(line => !there.includes(line)).map(line => `- ${line}`),
    ...there.filter(line => !wanted.includes(line)).map(line => `+ ${line}`),
  ].join('\n');
}
