/** A network of thousands of hosts, of which one is real and the others are leases in etcd. */
import type { Scope } from '../../src/base/scope.ts';
import { type Cluster, type ClusterOptions, createCluster } from '../../test/support/weft-cluster.ts';
import type { PeerFacts, WeftHost } from '../../test/support/weft-host.ts';
import type { Underlay } from '../../test/support/weft-underlay.ts';
import { pinnedNode } from '../machine.ts';
import { fakePeer, scaleConfig } from './fake-peers.ts';

export interface ScaleNetwork {
  readonly cluster: Cluster;
  /** How many peers there are in the registry. */
  readonly peers: number;
  /** What each peer's lease says, given how often it was changed. */
  facts(generationOf?: (number: number) => number): PeerFacts[];
  /** Writes peers' leases; tells when the first was sent, see {@link sharedMs}. */
  write(first: number, count: number, generation: number): Promise<number>;
  /** Takes the leases of real hosts away. */
  forgetHosts(): Promise<void>;
  /** A program of bench/scale/ beside etcd: `besideEtcd('put-in-turn.ts', 0, 10)` gives what it prints. */
  besideEtcd(program: string, ...args: readonly number[]): Promise<string>;
}

export async function createScaleNetwork(
  scope: Scope,
  underlay: Underlay,
  peers: number,
): Promise<ScaleNetwork> {
  const options: ClusterOptions = { config: scaleConfig };
  const cluster = await createCluster(scope, underlay, options);
  const { etcd } = underlay;
  const besideEtcd: ScaleNetwork['besideEtcd'] = (program, ...args) =>
    etcd.netns.run(
      [pinnedNode(), `bench/scale/${program}`, 'http://127.0.0.1:2379', cluster.prefix, ...args.map(String)],
      { timeoutMs: 300_000 },
    );
  const write: ScaleNetwork['write'] = async (first, count, generation) =>
    Number(await besideEtcd('fill-leases.ts', first, count, generation));
  await write(0, peers, 0);
  return {
    cluster,
    peers,
    facts: (generationOf = () => 0) =>
      Array.from({ length: peers }, (_, number) => fakePeer(number, generationOf(number))),
    write,
    forgetHosts: async () => void (await etcd.ctl('del', '--prefix', `${cluster.prefix}/subnets/10.255.`)),
    besideEtcd,
  };
}

/** As it was before it ever joined: no device, no subnet.env, no lease. */
export async function forgetJoin(host: WeftHost, network: ScaleNetwork): Promise<void> {
  // All that is on the device goes with it, here and now and not beside the next measurement.
  await host.netns.run('ip link delete flannel.1');
  await host.run('rm -f /run/flannel/subnet.env');
  await network.forgetHosts();
}
