/** Pairs of hosts, each joined in another way over a cable of the same kind. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Scope } from '../../src/base/scope.ts';
import { type Ability, abilities } from '../../src/tunnel/abilities.ts';
import { createNetns, joinByCable, type Netns } from '../../test/support/netns.ts';
import { startTunnelPair } from '../../test/support/tunnel-hosts.ts';

export interface Contender {
  readonly name: string;
  readonly from: Netns;
  readonly to: Netns;
  /** Of `to`, through whatever joins the two. */
  readonly address: string;
  /** The programs that carry the packets, at `from` and at `to`; none where the kernel does. */
  readonly pids: readonly number[];
}

/** The rungs of the tunnel's ladder, each with all that the one before has. */
export const rungs: ReadonlyArray<{ readonly name: string; readonly has: readonly Ability[] }> = [
  { name: 'tunnel, one packet per system call', has: [] },
  { name: '+ many messages per call', has: ['batch-calls'] },
  { name: '+ super-packets from and to the TUN device', has: ['batch-calls', 'tun-offloads'] },
  {
    name: '+ UDP_SEGMENT and UDP_GRO',
    has: ['batch-calls', 'tun-offloads', 'udp-segment', 'udp-gro'],
  },
  { name: '+ checksums by WebAssembly: the udp backend', has: abilities },
];

/** @param realFrames see netns.ts */
export async function createContenders(
  scope: Scope,
  realFrames: boolean,
  flanneld: string | undefined,
): Promise<Contender[]> {
  const tunnels: Contender[] = [];
  for (const { name, has } of rungs) tunnels.push(await joinByTunnel(scope, name, realFrames, has));
  return [
    ...tunnels,
    await joinByVxlan(scope, realFrames),
    ...(flanneld === undefined ? [] : [await joinByFlanneld(scope, realFrames, flanneld)]),
  ];
}

/** @param moreRoutes to hosts that do not exist */
export async function joinByTunnel(
  scope: Scope,
  name: string,
  realFrames: boolean,
  has: readonly Ability[] = abilities,
  moreRoutes = 0,
): Promise<Contender> {
  const without = abilities.filter(ability => !has.includes(ability));
  const [a, b] = await startTunnelPair(scope, { without, realFrames, moreRoutes });
  return { name, from: a.netns, to: b.netns, address: b.address, pids: [a.tunnel.pid, b.tunnel.pid] };
}

const hosts = [1, 2] as const;
const underlayOf = (host: number): string => `192.0.2.${host}`;
const macOf = (host: number): string => `02:00:0a:02:0${host}:00`;

async function joinByVxlan(scope: Scope, realFrames: boolean): Promise<Contender> {
  const [from, to] = await createPair(scope, realFrames);
  for (const host of hosts) {
    const [netns, other] = host === 1 ? [from, 2] : [to, 1];
    await netns.ipBatch([
      `link add flannel.1 type vxlan id 1 local ${underlayOf(host)} dev eth0 dstport 8472 nolearning`,
      `link set flannel.1 address ${macOf(host)} mtu 1450 up`,
      `address add 10.2.${host}.0/32 dev flannel.1`,
      `route add 10.2.${other}.0/24 via 10.2.${other}.0 dev flannel.1 onlink`,
      `neigh add 10.2.${other}.0 lladdr ${macOf(other)} dev flannel.1 nud permanent`,
    ]);
    await netns.run(`bridge fdb add ${macOf(other)} dev flannel.1 dst ${underlayOf(other)} self permanent`);
  }
  return { name: "the kernel's VXLAN", from, to, address: '10.2.2.0', pids: [] };
}

async function joinByFlanneld(scope: Scope, realFrames: boolean, flanneld: string): Promise<Contender> {
  const [from, to] = await createPair(scope, realFrames);
  const folder = await mkdtemp(path.join(tmpdir(), 'flanneld-'));
  scope.defer(folder, () => rm(folder, { recursive: true }));
  const url = `http://${underlayOf(1)}:2379`;
  const etcd = await from.start([
    ...['etcd', '--data-dir', path.join(folder, 'etcd'), '--log-level', 'error'],
    ...['--listen-client-urls', url, '--advertise-client-urls', url],
    ...['--listen-peer-urls', 'http://127.0.0.1:2380'],
  ]);
  scope.defer('etcd', async () => void (await etcd.kill()));
  const ctl = (...args: string[]): Promise<string> =>
    from.run(['etcdctl', '--endpoints', url, ...args], { env: { ETCDCTL_API: '3' } });
  await etcd.waitFor('healthy etcd', () => ctl('endpoint', 'health'));
  const config = '{"Network":"10.2.0.0/16","Backend":{"Type":"udp"}}';
  await ctl('put', '/coreos.com/network/config', config);
  const daemons = [];
  for (const netns of [from, to]) {
    const subnetFile = path.join(folder, netns.name);
    const daemon = await netns.start([
      ...[flanneld, '-etcd-endpoints', url, '-iface', 'eth0', '-subnet-file', subnetFile],
      '-iptables-forward-rules=false',
    ]);
    scope.defer('flanneld', async () => void (await daemon.kill()));
    daemons.push(daemon);
  }
  const address = await daemons[1]?.waitFor(
    'an address on flannel0',
    async () => /inet (\S+)\/32/.exec(await to.run('ip -4 address show dev flannel0'))?.[1],
  );
  await daemons[0]?.waitFor('the way to the other', () => from.run(['ping', '-c1', '-W1', address ?? '']));
  return { name: 'flanneld, udp', from, to, address: address ?? '', pids: daemons.map(({ pid }) => pid) };
}

async function createPair(scope: Scope, realFrames: boolean): Promise<[Netns, Netns]> {
  const [from, to] = [await createNetns(scope, 'a'), await createNetns(scope, 'b')];
  await joinByCable(
    { netns: from, address: `${underlayOf(1)}/24` },
    { netns: to, address: `${underlayOf(2)}/24` },
    { realFrames },
  );
  return [from, to];
}
