/** What goes wrong in the registry, and in the kernel state of the network. */
import process from 'node:process';
import { leaseKey, leaseOf, leaseText, usualConfig } from '../../support/weft-cluster.ts';
import { type PeerFacts, vtep, type WeftHost } from '../../support/weft-host.ts';
import type { Fault, GalleryScene } from './fault.ts';

/** Outside of those that the config hands out, so that no host of the lab ever has it. */
const spare = { subnet: '10.2.100.0/24', publicIp: '192.0.2.99', mac: '0a:00:00:00:00:99' };

/** Said by others too while the registry is away. */
const withoutRegistry = ['daemon'];

/** Runs lines on `a`, as an operator would. */
async function onA({ a }: GalleryScene, ...lines: readonly string[]): Promise<void> {
  await a.host.run(['sh', '-ec', lines.join('\n')]);
}

async function peerB({ b, cluster }: GalleryScene): Promise<PeerFacts & { readonly base: string }> {
  const lease = await leaseOf(cluster, b.host);
  return { ...lease, base: lease.subnet.replace(/\/\d+$/, '') };
}

async function subnetOf(host: WeftHost): Promise<string> {
  return (await host.subnetEnv()).subnet;
}

/** `10.2.14` of `10.2.14.0/24`. */
function start(subnet: string): string {
  return subnet.replace(/\.\d+\/\d+$/, '');
}

const putConfigBack: Fault['restore'] = ({ cluster }) => cluster.put('config', usualConfig);

const registryFaults: readonly Fault[] = [
  {
    name: 'etcd is down',
    check: 'registry',
    verdict: 'fail',
    says: /^the registry (cannot be reached|does not answer): etcd http/,
    also: withoutRegistry,
    inject: ({ underlay }) => underlay.etcd.stop(),
    restore: ({ underlay }) => underlay.etcd.start(),
  },
  {
    name: 'a blackhole route takes the way to etcd',
    check: 'registry',
    verdict: 'fail',
    says: /^the registry cannot be reached: etcd http/,
    also: withoutRegistry,
    inject: scene => onA(scene, 'ip route add blackhole 192.0.2.10'),
  },
  {
    name: 'etcd is full: the alarm NOSPACE is up',
    check: 'registry',
    verdict: 'fail',
    says: /^etcd is full and takes no writes: the alarm NOSPACE is up/,
    inject: async ({ underlay }) =>
      void (await underlay.etcd.netns.run([process.execPath, '-e', raiseNospace])),
  },
  {
    name: 'the network config is gone',
    check: 'config',
    verdict: 'fail',
    says: /^there is no network config in etcd/,
    also: withoutRegistry,
    inject: ({ cluster }) => cluster.delete('config'),
    restore: putConfigBack,
  },
  {
    name: 'the network config has a subnet length that cannot be',
    check: 'config',
    verdict: 'fail',
    says: /^the network config is invalid: SubnetLen is 40/,
    also: withoutRegistry,
    inject: ({ cluster }) => cluster.put('config', '{"Network":"10.2.0.0/16","SubnetLen":40}'),
    restore: putConfigBack,
  },
  {
    name: 'the network config asks for a backend that is not there',
    check: 'config',
    verdict: 'fail',
    says: /^the backend is unknown here: Backend.Type is ipsec/,
    also: withoutRegistry,
    inject: ({ cluster }) => cluster.put('config', '{"Network":"10.2.0.0/16","Backend":{"Type":"ipsec"}}'),
    restore: putConfigBack,
  },
  {
    name: 'the network config has a misspelt key',
    check: 'config',
    verdict: 'warn',
    says: /^the network config is odd: .*SubnetLenn/,
    also: withoutRegistry,
    inject: ({ cluster }) => cluster.put('config', usualConfig.replace('SubnetLen', 'SubnetLenn')),
    restore: putConfigBack,
  },
  {
    name: 'a key among the leases names no subnet',
    check: 'stray-keys',
    verdict: 'warn',
    says: /^a key that is no lease of the network: subnets\/host-17: it names no subnet/,
    inject: ({ cluster }) => cluster.put('subnets/host-17', '{}'),
  },
  {
    name: 'a lease says nothing that could be read',
    check: 'stray-keys',
    verdict: 'warn',
    says: /^a key that is no lease of the network: subnets\/10\.2\.100\.0-24, whose subnet counts as taken/,
    inject: ({ cluster }) => cluster.put(leaseKey(spare), 'held by rack 4'),
  },
  {
    name: 'a lease lies outside of the network',
    check: 'stray-keys',
    verdict: 'warn',
    says: /subnets\/10\.9\.1\.0-24 lies outside the network 10\.2\.0\.0\/16/,
    inject: ({ cluster }) => cluster.putLease({ ...spare, subnet: '10.9.1.0/24' }),
  },
  {
    name: 'two leases overlap',
    check: 'stray-keys',
    verdict: 'warn',
    says: /^a key that is no lease of the network: subnets\/\S+-25 overlaps subnets\/\S+-24/,
    also: ['shadowed-routes'],
    inject: async scene => {
      const { base } = await peerB(scene);
      await scene.cluster.putLease({ ...spare, subnet: `${base}/25` });
    },
  },
];

/** etcd's own gateway: {"action":"ACTIVATE"} of the member that it is (rpc.proto AlarmRequest). */
const raiseNospace = `
const post = (path, body) => fetch('http://127.0.0.1:2379/v3/maintenance/' + path,
  { method: 'POST', body: JSON.stringify(body) }).then(answer => answer.json());
post('status', {}).then(({ header }) =>
  post('alarm', { action: 'ACTIVATE', alarm: 'NOSPACE', memberID: header.member_id }));
`;

const leaseFaults: readonly Fault[] = [
  {
    name: 'the lease was deleted while no daemon runs',
    check: 'lease',
    verdict: 'fail',
    says: /^the registry has no lease of this host: it was 10\.2\./,
    daemon: 'stopped',
    also: ['peer-reach'],
    inject: async ({ a, cluster }) => cluster.delete((await leaseOf(cluster, a.host)).key),
  },
  {
    name: 'the lease runs out, and nobody renews it',
    check: 'lease',
    verdict: 'warn',
    says: /^the lease of \S+ expires in 5 min, and has not been renewed/,
    daemon: 'stopped',
    inject: async ({ a, cluster, underlay }) => {
      const { key, value } = await leaseOf(cluster, a.host);
      const [, id = ''] = /^lease (\w+) granted/.exec(await underlay.etcd.ctl('lease', 'grant', '300')) ?? [];
      await cluster.put(key, value, id);
    },
  },
  {
    name: 'another host has taken the subnet',
    check: 'lease',
    verdict: 'fail',
    says: /^the lease of \S+, which is in use here, publishes 192\.0\.2\.99/,
    daemon: 'stopped',
    also: ['peer-reach'],
    inject: async ({ a, cluster }) => {
      const { subnet } = await leaseOf(cluster, a.host);
      await cluster.putLease({ ...spare, subnet });
    },
  },
  {
    name: 'the lease tells peers another backend',
    check: 'lease',
    verdict: 'fail',
    says: /^the lease does not say how this host is reached/,
    daemon: 'stopped',
    inject: async ({ a, cluster }) => {
      const lease = await leaseOf(cluster, a.host);
      await cluster.put(lease.key, leaseText(lease, { BackendType: 'host-gw', BackendData: undefined }));
    },
  },
  {
    name: 'two hosts publish one address, as behind the same NAT',
    check: 'twins',
    verdict: 'fail',
    says: /^two leases publish the address 192\.0\.2\.\d+: /,
    also: ['peer-reach'],
    inject: ({ b, cluster }) => cluster.putLease({ ...spare, publicIp: b.host.address }),
  },
  {
    name: 'a cloned host has the VTEP MAC of this one',
    check: 'twins',
    verdict: 'fail',
    says: /^two leases publish the VTEP MAC /,
    inject: async ({ a, cluster }) => {
      const { mac } = await leaseOf(cluster, a.host);
      await cluster.putLease({ ...spare, mac });
    },
  },
  {
    name: 'a peer publishes another backend',
    check: 'backend-mismatch',
    verdict: 'fail',
    says: /^nothing leads to 10\.2\.100\.0\/24: its host has the backend host-gw, ours is vxlan/,
    inject: ({ cluster }) => cluster.putLease(spare, { BackendType: 'host-gw', BackendData: undefined }),
  },
  {
    name: 'a peer publishes another VNI',
    check: 'backend-mismatch',
    verdict: 'fail',
    says: /^nothing leads to 10\.2\.100\.0\/24: its host has VNI 7, ours is 1/,
    inject: ({ cluster }) => cluster.putLease(spare, { BackendData: { VNI: 7, VtepMAC: spare.mac } }),
  },
  {
    name: 'a peer publishes no VTEP',
    check: 'backend-mismatch',
    verdict: 'fail',
    says: /^nothing leads to 10\.2\.100\.0\/24: its host has unusable backend data/,
    inject: ({ cluster }) => cluster.putLease(spare, { BackendData: { VNI: 1 } }),
  },
];

const interfaceFaults: readonly Fault[] = [
  {
    name: 'the interface to the other hosts is down',
    check: 'chosen-interface',
    verdict: 'fail',
    says: /^eth0, which leads to the other hosts, is down/,
    also: [...withoutRegistry, 'registry'],
    inject: scene => onA(scene, 'ip link set eth0 down'),
  },
  {
    name: 'a route takes the way to a peer over another interface',
    check: 'chosen-interface',
    verdict: 'warn',
    says: /^1 of 2 peers are reached over wrong0, the network goes over eth0/,
    also: ['peer-reach'],
    inject: scene =>
      onA(
        scene,
        'ip link add wrong0 type bridge',
        'ip link set wrong0 up',
        `ip route add ${scene.b.host.address} dev wrong0`,
      ),
    restore: scene => onA(scene, 'ip link delete wrong0'),
  },
  {
    name: 'a bridge of another container network overlaps the network',
    check: 'network-overlap',
    verdict: 'warn',
    says: /^the container network 10\.2\.100\.0\/24 of br-lan overlaps the network 10\.2\.0\.0\/16/,
    inject: scene => onA(scene, 'ip link add br-lan type bridge', 'ip address add 10.2.100.1/24 dev br-lan'),
    restore: scene => onA(scene, 'ip link delete br-lan'),
  },
];

/** The device's MAC and address belong to it: `ip link` alone makes it as it was but for what is wrong. */
async function remakeVtep(scene: GalleryScene, words: string): Promise<void> {
  const { a, cluster } = scene;
  const { mac, subnet } = await leaseOf(cluster, a.host);
  await onA(
    scene,
    `ip link delete ${vtep}`,
    `ip link add ${vtep} address ${mac} mtu 1450 txqueuelen 0 ${words}`,
    `ip address add ${start(subnet)}.0/32 dev ${vtep}`,
    `ip link set ${vtep} up`,
  );
}

interface DeviceFault {
  readonly name: string;
  readonly says: RegExp;
  readonly verdict?: 'warn';
  readonly also?: readonly string[];
  inject(scene: GalleryScene): Promise<void>;
}

/** A command of iproute2's, on `a`. */
function byCommand(command: string): DeviceFault['inject'] {
  return scene => onA(scene, command);
}

const deviceFaults: readonly DeviceFault[] = [
  {
    name: 'the VXLAN device is gone',
    says: /^flannel\.1 is missing$/,
    inject: byCommand(`ip link delete ${vtep}`),
  },
  {
    name: 'the VXLAN device is down',
    says: /^flannel\.1 is down$/,
    inject: byCommand(`ip link set ${vtep} down`),
  },
  {
    name: 'the VXLAN device has too small an MTU',
    verdict: 'warn',
    says: /^flannel\.1 is not as it shall be: mtu is 1400, shall be 1450/,
    inject: byCommand(`ip link set ${vtep} mtu 1400`),
  },
  {
    name: 'somebody gave the VXLAN device another MAC',
    says: /^flannel\.1 is not as it shall be: address is 0a:00:00:00:00:99, shall be /,
    inject: byCommand(`ip link set ${vtep} address 0a:00:00:00:00:99`),
  },
  {
    name: 'the VXLAN device learns from packets',
    verdict: 'warn',
    says: /^flannel\.1 is not as it shall be: learning is on, shall be off/,
    inject: byCommand(`ip link set ${vtep} type vxlan learning`),
  },
  {
    name: 'the VXLAN device has lost its address',
    says: /^flannel\.1 lacks its address, 10\.2\.\d+\.0/,
    inject: byCommand(`ip address flush dev ${vtep}`),
  },
  {
    name: 'the VXLAN device has another VNI',
    says: /^flannel\.1 is not as it shall be: id is 7, shall be 1/,
    inject: scene =>
      remakeVtep(scene, `type vxlan id 7 dev eth0 local ${scene.a.host.address} dstport 8472 nolearning`),
  },
  {
    name: 'the VXLAN device has another port',
    says: /^flannel\.1 is not as it shall be: dstport is 4789, shall be 8472/,
    inject: scene =>
      remakeVtep(scene, `type vxlan id 1 dev eth0 local ${scene.a.host.address} dstport 4789 nolearning`),
  },
  {
    name: "a device of another kind has the VXLAN device's name",
    says: /^flannel\.1 is not as it shall be: .*type is bridge, shall be vxlan/,
    inject: scene => remakeVtep(scene, 'type bridge'),
  },
];

function withPeer(line: (peer: Awaited<ReturnType<typeof peerB>>) => string): Fault['inject'] {
  return async scene => onA(scene, line(await peerB(scene)));
}

interface PeerFault {
  readonly name: string;
  readonly says: RegExp;
  readonly verdict?: 'warn';
  readonly inject: Fault['inject'];
}

const peerFaults: readonly PeerFault[] = [
  {
    name: 'the route to a peer is missing',
    says: /^missing for the peer \S+: route$/,
    inject: withPeer(({ subnet }) => `ip route delete ${subnet}`),
  },
  {
    name: 'the route to a peer leads elsewhere',
    says: /^wrong for the peer \S+: route$/,
    inject: withPeer(({ subnet }) => `ip route replace ${subnet} via 192.0.2.10 dev eth0`),
  },
  {
    name: "the neighbour entry of a peer's VTEP is missing",
    // A packet to it leaves an INCOMPLETE one.
    says: /^(missing|wrong) for the peer \S+: neighbour$/,
    inject: withPeer(({ base }) => `ip neigh delete ${base} dev ${vtep}`),
  },
  {
    name: "the neighbour entry of a peer's VTEP has another MAC",
    says: /^wrong for the peer \S+: neighbour$/,
    inject: withPeer(
      ({ base }) => `ip neigh replace ${base} lladdr 0a:00:00:00:00:99 dev ${vtep} nud permanent`,
    ),
  },
  {
    name: 'the FDB entry of a peer is missing',
    says: /^missing for the peer \S+: FDB entry$/,
    inject: withPeer(({ mac }) => `bridge fdb delete ${mac} dev ${vtep} self`),
  },
  {
    name: 'the FDB entry of a peer names another host',
    says: /^wrong for the peer \S+: FDB entry$/,
    inject: withPeer(({ mac }) => `bridge fdb replace ${mac} dev ${vtep} dst 192.0.2.99 self permanent`),
  },
];

const shadowFaults: readonly Fault[] = [
  {
    name: 'a more specific route takes half of the subnet of a peer',
    check: 'shadowed-routes',
    verdict: 'fail',
    also: ['peer-reach'],
    says: /^packets to 10\.2\.\d+\.1 go to 192\.0\.2\.10 on eth0, not by the route to 10\.2\./,
    inject: withPeer(({ base }) => `ip route add ${base}/25 via 192.0.2.10 dev eth0`),
  },
  {
    name: 'a more specific route swallows a single container',
    check: 'shadowed-routes',
    verdict: 'fail',
    says: /^packets to 10\.2\.\d+\.2 are refused by the kernel/,
    inject: withPeer(({ subnet }) => `ip route add blackhole ${start(subnet)}.2`),
  },
  {
    name: 'a policy rule sends packets of the network to another table',
    check: 'shadowed-routes',
    verdict: 'fail',
    also: ['peer-reach'],
    says: /^packets to 10\.2\.\d+\.1 go to 192\.0\.2\.10 on eth0/,
    inject: scene =>
      onA(
        scene,
        'ip rule add to 10.2.0.0/16 lookup 100 priority 100',
        'ip route add default via 192.0.2.10 table 100',
      ),
    restore: scene => onA(scene, 'ip route flush table 100'),
  },
];

const containerFaults: readonly Fault[] = [
  {
    name: "the containers' bridge has a subnet of before",
    check: 'container-bridge',
    verdict: 'fail',
    says: /^cni0 has 10\.2\.100\.1\/24, and this host leases 10\.2\./,
    inject: async scene => {
      const own = start(await subnetOf(scene.a.host));
      await onA(scene, `ip address delete ${own}.1/24 dev cni0`, 'ip address add 10.2.100.1/24 dev cni0');
    },
  },
  {
    name: 'two bridges have the subnet of this host',
    check: 'container-bridge',
    verdict: 'fail',
    says: /^(cni0 and docker0|docker0 and cni0) both have addresses of 10\.2\./,
    also: ['shadowed-routes'],
    inject: async scene => {
      const own = start(await subnetOf(scene.a.host));
      await onA(scene, 'ip link add docker0 type bridge', `ip address add ${own}.1/24 dev docker0`);
    },
    restore: scene => onA(scene, 'ip link delete docker0'),
  },
  {
    name: "Docker's containers are on a subnet that Docker chose",
    check: 'container-bridge',
    verdict: 'warn',
    says: /^docker0 has 172\.17\.0\.1\/16, not this host's subnet 10\.2\./,
    inject: async scene => {
      const own = start(await subnetOf(scene.a.host));
      await onA(
        scene,
        'ip link set cni0 name docker0',
        `ip address delete ${own}.1/24 dev docker0`,
        'ip address add 172.17.0.1/16 dev docker0',
      );
    },
    restore: scene => onA(scene, 'ip link set docker0 name cni0'),
  },
  {
    name: 'containers have too large an MTU for the tunnel',
    check: 'container-bridge',
    verdict: 'warn',
    says: /^MTU too large for the tunnel, which takes 1450: veth\d+ 1500/,
    inject: scene =>
      onA(
        scene,
        `for port in /sys/class/net/veth*; do ip link set "\${port##*/}" mtu 1500; done`,
        'ip link set cni0 mtu 1500',
      ),
  },
  {
    name: 'the subnet file is gone',
    check: 'subnet-env',
    verdict: 'fail',
    says: /^\/run\/flannel\/subnet\.env is missing/,
    daemon: 'stopped',
    inject: scene => onA(scene, 'rm /run/flannel/subnet.env'),
  },
  {
    name: 'the subnet file tells the subnet of before',
    check: 'subnet-env',
    verdict: 'fail',
    says: /^\/run\/flannel\/subnet\.env is stale: it says 10\.2\.100\.0\/24, the lease is 10\.2\./,
    daemon: 'stopped',
    inject: scene =>
      onA(scene, `sed -i 's,^FLANNEL_SUBNET=.*,FLANNEL_SUBNET=10.2.100.1/24,' /run/flannel/subnet.env`),
  },
  {
    name: 'the subnet file tells too large an MTU',
    check: 'subnet-env',
    verdict: 'fail',
    says: /^\/run\/flannel\/subnet\.env shall say FLANNEL_MTU=1450/,
    daemon: 'stopped',
    inject: scene => onA(scene, `sed -i 's,^FLANNEL_MTU=.*,FLANNEL_MTU=1500,' /run/flannel/subnet.env`),
  },
  {
    name: 'entries of a peer that is gone are left over',
    check: 'left-over',
    verdict: 'warn',
    says: /^3 entries are left of peers that have no lease any more, to 10\.2\.100\.0\/24/,
    daemon: 'stopped',
    inject: scene =>
      onA(
        scene,
        `ip route add ${spare.subnet} via 10.2.100.0 dev ${vtep} onlink`,
        `ip neigh add 10.2.100.0 lladdr ${spare.mac} dev ${vtep} nud permanent`,
        `bridge fdb add ${spare.mac} dev ${vtep} dst ${spare.publicIp} self permanent`,
      ),
  },
  {
    name: 'a device of a backend of before is left over',
    check: 'left-over',
    verdict: 'warn',
    says: /^the device flannel\.7 is left over/,
    daemon: 'stopped',
    inject: async scene => {
      const own = start(await subnetOf(scene.a.host));
      await onA(
        scene,
        `ip link add flannel.7 type vxlan id 7 dev eth0 local ${scene.a.host.address} dstport 8472 nolearning`,
        `ip address add ${own}.0/32 dev flannel.7`,
        'ip link set flannel.7 up',
      );
    },
  },
];

export const networkFaults: readonly Fault[] = [
  ...registryFaults,
  ...leaseFaults,
  ...interfaceFaults,
  ...deviceFaults.map((fault): Fault => ({ check: 'device', verdict: 'fail', daemon: 'stopped', ...fault })),
  ...peerFaults.map((fault): Fault => ({ check: 'peers', verdict: 'fail', daemon: 'stopped', ...fault })),
  ...shadowFaults,
  ...containerFaults,
];
