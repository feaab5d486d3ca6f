/**
 * A reconciler with its monitor in a namespace, the leases that it is told, and what the kernel must then hold, worked
 * out apart from it: the slow obvious twin.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Host } from '../../src/backend/backend.ts';
import { createVxlan } from '../../src/backend/vxlan.ts';
import type { IpAddress } from '../../src/base/ip.ts';
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
import type { Netns } from '../support/netns.ts';
import type { Target } from './repair-damages.ts';

export const dev = 'flannel.1';
const ownMac = '0a:00:00:00:00:01';
const local = '192.0.2.1';

/** A peer's lease; `version` changes its MAC, its host, or both. */
export interface Peer {
  readonly octet: number;
  readonly version: number;
}

export const subnetOf = ({ octet }: Pick<Peer, 'octet'>): string => `10.2.${octet}.0/24`;
export const macOf = ({ octet, version }: Peer): string => `0a:00:00:00:0${version & 1}:${hex(octet)}`;
export const hostOf = ({ octet, version }: Peer): string => `192.0.2.${octet + (version & 2) * 50}`;
const hex = (octet: number): string => octet.toString(16).padStart(2, '0');

export function targetOf(peer: Peer): Target {
  return {
    ...{ dev, address: '10.2.1.0', underlay: 'eth0', local },
    peer: { subnet: subnetOf(peer), mac: macOf(peer) },
  };
}

const { config } = parseNetworkConfig('{"Network":"10.2.0.0/16","Backend":{"Type":"vxlan"}}');
const { backend } = createVxlan(config);

function leaseOf(subnet: string, publicIp: string, mac: string): Lease {
  return {
    subnet: { ipv4: parsePrefix(subnet), ipv6: undefined },
    attrs: {
      ...{ publicIp: parseIp(publicIp), publicIpv6: undefined, backendType: 'vxlan' },
      ...{ backendData: { VNI: 1, VtepMAC: mac }, backendV6Data: undefined },
    },
    permanent: true,
  } as Lease;
}

const host: Host = {
  config,
  external: { name: 'eth0', mtuBytes: 1500, ipv4: parseIp(local) as IpAddress, ipv6: undefined, routes: [] },
  lease: leaseOf('10.2.1.0/24', local, ownMac),
};

/** The underlay that the reconciler finds. */
export const underlayLines = [
  'link add eth0 type veth peer name far',
  `address add ${local}/24 dev eth0`,
  'link set eth0 up',
  'link set far up',
];

/** One life of a daemon: from its start until it is stopped. */
export class Life {
  readonly warnings: string[] = [];
  readonly details: object[] = [];
  readonly reconciler: Reconciler;
  readonly #scope = new Scope();
  readonly #table = new PeerTable({ backend, host, former: [] });

  private constructor(netns: Netns) {
    const log: Log = {
      ...{ debug() {}, info() {}, error: (_, message) => void this.warnings.push(message) },
      warn: (fields, message) => {
        this.warnings.push(message);
        this.details.push(fields);
      },
    };
    const socket = this.#scope.own('socket', NetlinkSocket.open({ netns: netns.path }));
    this.reconciler = new Reconciler({
      ...{ log, clock: systemClock, signal: this.#scope.signal, random: Math.random },
      socket,
      devices: backend.devices,
      needs: ['eth0'],
      borrowed: [],
      owns: object => backend.owns(host, object),
    });
    const onEvent: Parameters<typeof monitor>[0]['onEvent'] = event => this.reconciler.notice(event);
    this.#scope.own('monitor', monitor({ netns: netns.path, exceptBy: socket.port, onEvent }));
  }

  /** As the daemon starts: host and peers at once. */
  static start(netns: Netns, peers: Iterable<Peer>): Life {
    const life = new Life(netns);
    life.reconciler.set(backend.planHost(host));
    life.snapshot(peers);
    return life;
  }

  snapshot(peers: Iterable<Peer>): void {
    this.#take(this.#table.replaceAll([...peers].map(lease)));
  }

  put(peer: Peer): void {
    this.#take(this.#table.put(lease(peer)));
  }

  remove(peer: Pick<Peer, 'octet'>): void {
    this.#take(this.#table.remove(lease({ ...peer, version: 0 }).subnet));
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

function lease(peer: Peer): Lease {
  return leaseOf(subnetOf(peer), hostOf(peer), macOf(peer));
}

/** What `ip` and `bridge` must show on the device for these peers, with what is foreign left out. */
export function expected(peers: Iterable<Peer>): string[] {
  const base = (peer: Peer): string => `10.2.${peer.octet}.0`;
  return [
    `link ${ownMac} 1450 0 UP 1 eth0 ${local} 8472 nolearning`,
    'address 10.2.1.0/32',
    ...[...peers].flatMap(peer => [
      `route ${subnetOf(peer)} via ${base(peer)} onlink`,
      `neighbour ${base(peer)} lladdr ${macOf(peer)} PERMANENT`,
      `fdb ${macOf(peer)} dst ${hostOf(peer)} self permanent`,
    ]),
  ].sort();
}

/** The same, as it is. */
export async function observed(netns: Netns): Promise<string[]> {
  const shell = [
    `ip -o -d link show ${dev} | sed 's/^/link /'`,
    `ip -o -4 address show dev ${dev} | sed 's/^/address /'`,
    `ip route show dev ${dev} | sed 's/^/route /'`,
    `ip neigh show dev ${dev} nud permanent | sed 's/^/neighbour /'`,
    `bridge fdb show dev ${dev} | sed 's/^/fdb /'`,
  ];
  const text = await netns.run(['sh', '-c', `{ ${shell.join('; ')}; } 2>&1`]);
  const lines = text.split('\n').map(line => line.trim().replace(/ +/g, ' '));
  return lines
    .filter(line => line !== '' && !foreign.test(line))
    .map(brief)
    .sort();
}

/** An administrator's, see `foreignLines`. */
const foreign = /198\.51\.100\.|02:00:00:00:01:|route 10\.2\.\d+\.0\/24 via 192\.0\.2\./;

function brief(line: string): string {
  const word = (pattern: RegExp): string => pattern.exec(line)?.[1] ?? '?';
  if (line.startsWith('address')) return `address ${word(/inet (\S+)/)}`;
  if (!line.startsWith('link') || !line.includes('vxlan id')) return line;
  const flags = word(/<([^>]*)>/).split(',');
  return [
    `link ${word(/link\/ether (\S+)/)} ${word(/ mtu (\d+)/)} ${/ qlen (\d+)/.exec(line)?.[1] ?? 0}`,
    flags.includes('UP') ? 'UP' : 'DOWN',
    `${word(/vxlan id (\d+)/)} ${word(/ dev (\S+) srcport/)} ${word(/ local (\S+)/)} ${word(/ dstport (\d+)/)}`,
    line.includes('nolearning') ? 'nolearning' : 'learning',
  ].join(' ');
}

/** An administrator's things on our device. */
export const foreignOnOurs = [
  `route replace 198.51.100.0/24 dev ${dev}`,
  `neigh replace 198.51.100.7 lladdr 02:00:00:00:01:07 dev ${dev} nud stale`,
  `address replace 198.51.100.1/32 dev ${dev}`,
];

/** And elsewhere, in the shape of ours where the kernel allows it. */
export const foreignElsewhere = [
  'link add admin0 type veth peer name admin1',
  'address add 203.0.113.1/24 dev admin0',
  'link set admin0 up',
  'link set admin1 up',
  'route add 198.51.101.0/24 via 203.0.113.9 dev admin0',
  'route add 10.2.78.0/24 via 10.2.78.0 dev admin0 onlink',
  'neigh add 10.2.78.0 lladdr 02:00:00:00:02:78 dev admin0 nud permanent',
];

export async function showForeign(netns: Netns): Promise<string> {
  const commands = ['ip -4 address show dev admin0', 'ip route show dev admin0', 'ip neigh show dev admin0'];
  return (await Promise.all(commands.map(command => netns.run(command)))).join('');
}
