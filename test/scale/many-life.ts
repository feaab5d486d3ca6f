/** A reconciler with its monitor in a namespace and the leases of ten thousand peers: one life of a daemon, without its registry. */
import { setTimeout as sleep } from 'node:timers/promises';
import { fakePeer, scaleConfig } from '../../bench/scale/fake-peers.ts';
import type { Host } from '../../src/backend/backend.ts';
import type { NextHopsWish } from '../../src/backend/next-hop-routes.ts';
import { createVxlan } from '../../src/backend/vxlan.ts';
import { parseIp } from '../../src/base/ip.ts';
import type { Log } from '../../src/base/log.ts';
import { parsePrefix } from '../../src/base/prefix.ts';
import { Scope } from '../../src/base/scope.ts';
import { Reconciler } from '../../src/daemon/reconciler.ts';
import { type PeerChange, PeerTable } from '../../src/host/peer-table.ts';
import { monitor } from '../../src/kernel/monitor.ts';
import type { Lease } from '../../src/lease/lease.ts';
import { parseNetworkConfig } from '../../src/lease/network-config.ts';
import { systemClock } from '../../src/sys/clock.ts';
import { NetlinkSocket } from '../../src/sys/netlink-socket.ts';
import type { Target } from '../kernel/repair-damages.ts';
import type { Netns } from '../support/netns.ts';
import { dev, type Peers } from './many-peers.ts';

export const own = { subnet: '10.255.250.0/24', publicIp: '192.0.2.1', mac: '0a:00:00:00:00:01' };
const { config } = parseNetworkConfig(scaleConfig);
const { backend } = createVxlan(config);

const base: Host = {
  config,
  external: { name: 'eth0', mtuBytes: 1500, ipv4: parseIp(own.publicIp), ipv6: undefined, routes: [] },
  lease: leaseOf(own),
};

/** The underlay that the reconciler finds. */
export const underlayLines = [
  'link add eth0 type veth peer name far',
  `address add ${own.publicIp}/24 dev eth0`,
  'link set eth0 up',
  'link set far up',
];

/** What `ip -d link` and `ip address` must say of the device, briefly. */
export const ownDevice = `${own.mac} mtu 1450 qlen 0 UP id 1 local ${own.publicIp} nolearning address 10.255.250.0/32`;

/** The same, as it is. */
export async function deviceIn(netns: Netns): Promise<string> {
  const shell = `{ ip -o -d link show ${dev}; ip -o -4 address show dev ${dev}; } 2>&1`;
  const text = await netns.run(['sh', '-c', shell]);
  const word = (pattern: RegExp): string => pattern.exec(text)?.[1] ?? '?';
  const addresses = [...text.matchAll(/ inet (\S+)/g)].map(match => match[1]);
  return [
    `${word(/link\/ether (\S+)/)} mtu ${word(/ mtu (\d+)/)} qlen ${/ qlen (\d+)/.exec(text)?.[1] ?? 0}`,
    word(/[<,](UP)[,>]/),
    `id ${word(/ vxlan id (\d+)/)} local ${word(/ local (\S+)/)} ${word(/ (nolearning)/)}`,
    `address ${addresses.join(' ')}`,
  ].join(' ');
}

/** How the damages of test/kernel/repair-damages.ts find this host and one of its peers. */
export function targetOf(number: number, generation: number): Target {
  const { subnet, mac } = fakePeer(number, generation);
  return { dev, address: '10.255.250.0', underlay: 'eth0', local: own.publicIp, peer: { subnet, mac } };
}

export class ManyLife {
  readonly warnings: string[] = [];
  readonly reconciler: Reconciler;
  readonly socket: NetlinkSocket;
  readonly #scope = new Scope();
  readonly #host: Host;
  readonly #table: PeerTable;

  private constructor(netns: Netns, nextHops: NextHopsWish) {
    const host = { ...base, nextHops };
    this.#host = host;
    this.#table = new PeerTable({ backend, host, former: [] });
    const log: Log = {
      ...{ debug() {}, info() {}, error: (_, message) => void this.warnings.push(message) },
      warn: (_, message) => void this.warnings.push(message),
    };
    this.socket = this.#scope.own('socket', NetlinkSocket.open({ netns: netns.path }));
    this.reconciler = new Reconciler({
      ...{ log, clock: systemClock, signal: this.#scope.signal, random: Math.random },
      socket: this.socket,
      devices: backend.devices,
      needs: ['eth0'],
      borrowed: [],
      owns: object => backend.owns(host, object),
    });
    const onEvent: Parameters<typeof monitor>[0]['onEvent'] = event => this.reconciler.notice(event);
    this.#scope.own('monitor', monitor({ netns: netns.path, onEvent }));
  }

  /** Begins to live; as the daemon starts: host and peers at once with {@link wish}. */
  static open(netns: Netns, nextHops: NextHopsWish = 'always'): ManyLife {
    return new ManyLife(netns, nextHops);
  }

  /** Takes these for all peers. */
  wish(peers: Peers): void {
    this.reconciler.set(backend.planHost(this.#host));
    this.#take(this.#table.replaceAll([...peers].map(([number, generation]) => lease(number, generation))));
  }

  put(number: number, generation: number): void {
    this.#take(this.#table.put(lease(number, generation)));
  }

  remove(number: number): void {
    this.#take(this.#table.remove(lease(number, 0).subnet));
  }

  async end(): Promise<void> {
    await this.#scope.close();
    // What was under way may still speak of the closed socket.
    await sleep(0);
  }

  #take({ set, unset }: PeerChange): void {
    this.reconciler.unset(unset);
    this.reconciler.want(set);
  }
}

function lease(number: number, generation: number): Lease {
  return leaseOf(fakePeer(number, generation));
}

export function leaseOf({ subnet, publicIp, mac }: typeof own): Lease {
  return {
    subnet: { ipv4: parsePrefix(subnet), ipv6: undefined },
    attrs: {
      ...{ publicIp: parseIp(publicIp), publicIpv6: undefined, backendType: 'vxlan' },
      ...{ backendData: { VNI: 1, VtepMAC: mac }, backendV6Data: undefined },
    },
    permanent: true,
  };
}
