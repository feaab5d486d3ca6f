/** What goes wrong between this host and its peers, and with the peers themselves. */
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { eventually } from '../../support/eventually.ts';
import { leaseKey, leaseOf } from '../../support/weft-cluster.ts';
import { vtep, waitUntilReady } from '../../support/weft-host.ts';
import type { Fault, GalleryHost, GalleryScene } from './fault.ts';

/** Outside of those that the config hands out, so that no host of the lab ever has it. */
const spare = { subnet: '10.2.101.0/24', publicIp: '192.0.2.98', mac: '0a:00:00:00:00:98' };

async function on({ host }: GalleryHost, ...lines: readonly string[]): Promise<void> {
  await host.run(['sh', '-ec', lines.join('\n')]);
}

/** At the switch, between the hosts. */
async function onSwitch({ underlay }: GalleryScene, ...lines: readonly string[]): Promise<void> {
  await underlay.bridge.run(['sh', '-ec', lines.join('\n')]);
}

const openSwitch: NonNullable<Fault['restore']> = scene => onSwitch(scene, 'nft delete table bridge blocked');

/** As a firewall in between does it: without a word. */
function blockTunnel(scene: GalleryScene, from: GalleryHost, to: GalleryHost): Promise<void> {
  const { address: source } = from.host;
  const { address: destination } = to.host;
  return onSwitch(
    scene,
    'nft add table bridge blocked',
    "nft 'add chain bridge blocked forward { type filter hook forward priority 0; }'",
    `nft add rule bridge blocked forward ip saddr ${source} ip daddr ${destination} udp dport 8472 drop`,
  );
}

/** Its daemon as it was at first, which may be another than the one that the lab knows. */
let firstOfB: GalleryHost['weft'] | undefined;

/** A daemon that ran would mend it at once. */
async function killDaemonOfB({ b }: GalleryScene): Promise<void> {
  firstOfB = b.weft;
  await b.weft.kill();
}

async function startDaemonOfB({ b }: GalleryScene): Promise<void> {
  await b.weft.kill();
  b.weft = await (firstOfB ?? b.weft).restart();
  await waitUntilReady(b.weft);
}

const onTheWay: readonly Fault[] = [
  {
    name: 'a firewall between the hosts drops the tunnel on the way out',
    check: 'peer-reach',
    verdict: 'fail',
    says: /^UDP 8472 from 192\.0\.2\.\d+ to 192\.0\.2\.\d+ is blocked on the way: .* do not arrive there$/,
    inject: scene => blockTunnel(scene, scene.a, scene.b),
    restore: openSwitch,
  },
  {
    name: 'a firewall between the hosts drops the tunnel on the way back',
    check: 'peer-reach',
    verdict: 'fail',
    says: /^UDP 8472 from 192\.0\.2\.\d+ to 192\.0\.2\.\d+ is blocked on the way: .* do not come back$/,
    inject: scene => blockTunnel(scene, scene.b, scene.a),
    restore: openSwitch,
  },
  {
    name: 'a port of the switch takes smaller packets than the hosts believe',
    check: 'path-mtu',
    verdict: 'fail',
    says: /^packets to 10\.2\.\d+\.0\/24 vanish at 1355 bytes \(1354 pass\), and containers send up to 1450$/,
    // Room for a VLAN tag is there beyond the MTU: net/core/dev.c is_skb_forwardable.
    inject: ({ b, underlay }) => underlay.bridge.ipBatch([`link set ${b.host.port} mtu 1400`]),
    restore: async ({ a, b, underlay }) => {
      await underlay.bridge.ipBatch([`link set ${b.host.port} mtu 1500`]);
      await on(a, 'ip link set eth0 mtu 1500');
    },
  },
];

const ofThePeer: readonly Fault[] = [
  {
    name: 'a peer is cut off from the underlay',
    check: 'peer-reach',
    verdict: 'warn',
    says: /^host 192\.0\.2\.\d+ does not answer on the underlay: 10\.2\.\d+\.0\/24 cannot be reached$/,
    inject: ({ b, underlay }) => underlay.bridge.ipBatch([`link set ${b.host.port} down`]),
    restore: ({ b, underlay }) => underlay.bridge.ipBatch([`link set ${b.host.port} up`]),
  },
  {
    name: 'a lease is reserved for a host that is not there',
    check: 'peer-reach',
    verdict: 'warn',
    says: /^host 192\.0\.2\.98 does not answer on the underlay: 10\.2\.101\.0\/24 cannot be reached$/,
    inject: ({ cluster }) => cluster.putLease(spare),
  },
  {
    name: "a peer's tunnel is down, and its daemon dead",
    check: 'peer-reach',
    verdict: 'fail',
    says: /does not answer over the overlay, though the host lives/,
    inject: async scene => {
      await killDaemonOfB(scene);
      await on(scene.b, `ip link set ${vtep} down`);
    },
    restore: startDaemonOfB,
  },
  {
    name: "a peer's tunnel has another VNI, and its daemon is dead",
    check: 'peer-reach',
    verdict: 'fail',
    says: /does not answer over the overlay, though the host lives/,
    inject: async scene => {
      await killDaemonOfB(scene);
      await makeTunnelOfB(scene, 'id 7 dstport 8472');
    },
    restore: startDaemonOfB,
  },
  {
    name: "a peer's tunnel has another port, and its daemon is dead",
    check: 'peer-reach',
    verdict: 'fail',
    says: /does not answer over the overlay, though the host lives/,
    inject: async scene => {
      await killDaemonOfB(scene);
      await makeTunnelOfB(scene, 'id 1 dstport 4789');
    },
    restore: startDaemonOfB,
  },
  {
    name: 'a peer has lost the FDB entry back to us, and its daemon is dead',
    check: 'peer-reach',
    verdict: 'fail',
    says: /does not answer over the overlay, though the host lives/,
    inject: async scene => {
      await killDaemonOfB(scene);
      const { mac, publicIp } = await leaseOf(scene.cluster, scene.a.host);
      await on(scene.b, `bridge fdb del ${mac} dev ${vtep} dst ${publicIp}`);
    },
    restore: startDaemonOfB,
  },
  {
    name: "a peer's own firewall drops the tunnel",
    check: 'peer-reach',
    verdict: 'fail',
    says: /^192\.0\.2\.\d+ (gets packets for 10\.2\.\d+\.0\/24 in UDP 8472 and throws them away|does not let packets of)/,
    inject: ({ b }) =>
      on(
        b,
        'nft add table inet strict',
        "nft 'add chain inet strict input { type filter hook input priority 0; }'",
        'nft add rule inet strict input udp dport 8472 drop',
      ),
    restore: ({ b }) => on(b, 'nft delete table inet strict'),
  },
];

const ofItsDaemon: readonly Fault[] = [
  {
    name: "a peer's daemon is dead, and its lease about to expire",
    check: 'peer-daemon',
    verdict: 'warn',
    says: /^no daemon renews the lease of 10\.2\.\d+\.0\/24 \(192\.0\.2\.\d+\), which expires in \d+ min$/,
    inject: async scene => {
      await killDaemonOfB(scene);
      const lease = await leaseOf(scene.cluster, scene.b.host);
      const granted = await scene.underlay.etcd.ctl('lease', 'grant', '1200');
      const id = /lease ([0-9a-f]+) granted/.exec(granted)?.[1];
      await scene.cluster.put(leaseKey(lease), lease.value, id);
    },
    restore: startDaemonOfB,
  },
  {
    name: "a peer's daemon hangs",
    check: 'peer-daemon',
    verdict: 'warn',
    says: /^the daemon of 192\.0\.2\.\d+ \(10\.2\.\d+\.0\/24\) hangs: it takes connections and does not answer$/,
    inject: async ({ b }) => {
      await eventuallyListening(b);
      b.weft.signal('SIGSTOP');
    },
    restore: async ({ b }) => wakeStarter(b.weft),
  },
  {
    name: "a peer's daemon cannot make its tunnel, whose port another program has",
    check: 'peer-daemon',
    verdict: 'warn',
    says: /^the daemon of 192\.0\.2\.\d+ \(10\.2\.\d+\.0\/24\) is not ready: /,
    also: ['peer-reach'],
    inject: async scene => {
      const { b } = scene;
      await killDaemonOfB(scene);
      await on(b, `ip link del ${vtep}`);
      occupant = await b.host.start([process.execPath, '-e', occupyPort]);
      await occupant.waitForOutput(/bound/);
      b.weft = await b.weft.restart();
    },
    restore: async scene => {
      await occupant?.kill();
      await waitUntilReady(scene.b.weft);
    },
  },
];

/** nsenter stops with the program that it has started, and does not go on with it. */
function wakeStarter({ pid }: GalleryHost['weft']): void {
  const [, parent] = /^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  process.kill(Number(parent), 'SIGCONT');
}

/** Its peer door is opened a moment after the daemon is ready. */
function eventuallyListening({ host }: GalleryHost): Promise<unknown> {
  return eventually(`the peer door of ${host.name}`, async () =>
    (await host.run('ss -Hltn sport = :8473')).includes(':8473'),
  );
}

let occupant: GalleryHost['weft'] | undefined;

const occupyPort = `
require('node:dgram').createSocket('udp4').bind(8472, () => console.log('bound'));
`;

/** Its VXLAN device as nobody wants it. */
async function makeTunnelOfB({ b, cluster }: GalleryScene, kind: string): Promise<void> {
  const { mac, publicIp } = await leaseOf(cluster, b.host);
  await on(
    b,
    `ip link del ${vtep}`,
    `ip link add ${vtep} address ${mac} mtu 1450 type vxlan ${kind} local ${publicIp} dev eth0 nolearning`,
    `ip link set ${vtep} up`,
  );
}

export const pathFaults: readonly Fault[] = [...onTheWay, ...ofThePeer, ...ofItsDaemon];
