/**
 * Three hosts of one network, of any backend and family, each with a container:
 *
 *     a ─┐                       192.0.2.x, 2001:db8::x
 *     b ─┴─ switch
 *     c ─── router at the switch 198.51.100.x, 2001:db8:1::x    with DirectRouting; else beside the others
 */
import assert from 'node:assert/strict';
import type { Scope } from '../../src/base/scope.ts';
import { eventually } from '../support/eventually.ts';
import { createNetns, type Netns } from '../support/netns.ts';
import { type Cluster, createCluster } from '../support/weft-cluster.ts';
import type { WeftHost } from '../support/weft-host.ts';
import type { Underlay } from '../support/weft-underlay.ts';

export type Family = 4 | 6;

export interface Network {
  readonly cluster: Cluster;
  readonly hosts: readonly [a: WeftHost, b: WeftHost, c: WeftHost];
}

export interface NetworkKind {
  readonly backend: object;
  readonly families: readonly Family[];
  /** Is the third host behind a router? */
  readonly routed?: boolean;
}

export interface Container {
  readonly host: WeftHost;
  readonly netns: Netns;
  readonly addresses: Readonly<Record<Family, string>>;
}

const routerAddresses = ['192.0.2.254/24', '198.51.100.254/24', '2001:db8::fe/64', '2001:db8:1::fe/64'];

/** Lets the switch route between the two prefixes, once for all tests of the file. */
export async function makeRouter({ bridge, etcd }: Underlay): Promise<void> {
  await bridge.run([
    ...['sysctl', '-q', '-w', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1'],
    // They share a wire, which is nobody's business.
    ...['net.ipv4.conf.all.send_redirects=0', 'net.ipv4.conf.br0.send_redirects=0'],
  ]);
  await bridge.ipBatch(routerAddresses.map(address => `address add ${address} dev br0 ${nodad(address)}`));
  await etcd.netns.ipBatch(['route add 198.51.100.0/24 via 192.0.2.254']);
}

export function configOf({ backend, families }: NetworkKind): string {
  return JSON.stringify({
    EnableIPv4: families.includes(4),
    EnableIPv6: families.includes(6),
    // Leaves room for routes of others in the network.
    ...(families.includes(4) ? { Network: '10.2.0.0/16', SubnetMax: '10.2.99.0' } : {}),
    ...(families.includes(6) ? { IPv6Network: 'fd02::/48', IPv6SubnetMax: 'fd02:0:0:ffe0::' } : {}),
    Backend: backend,
  });
}

export async function createNetwork(scope: Scope, underlay: Underlay, kind: NetworkKind): Promise<Network> {
  const cluster = await createCluster(scope, underlay, { config: configOf(kind) });
  const [a, b, c] = await cluster.addHosts('a', 'b', 'c');
  for (const host of [a, b, c]) await prepare(host, kind.routed === true && host === c);
  return { cluster, hosts: [a, b, c] };
}

/** As an operator does it; and addresses are of use at once, without duplicate address detection. */
async function prepare({ netns, address }: WeftHost, routed: boolean): Promise<void> {
  await netns.run([
    ...['sysctl', '-q', '-w', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1'],
    ...['net.ipv6.conf.all.accept_dad=0', 'net.ipv6.conf.default.accept_dad=0'],
  ]);
  const number = address.split('.').at(-1);
  if (!routed) {
    await netns.ipBatch([
      `address add 2001:db8::${number}/64 dev eth0 nodad`,
      'route add 198.51.100.0/24 via 192.0.2.254',
      'route add 2001:db8:1::/64 via 2001:db8::fe',
    ]);
    return;
  }
  await netns.ipBatch([
    `address delete ${address}/24 dev eth0`,
    `address add 198.51.100.${number}/24 dev eth0`,
    `address add 2001:db8:1::${number}/64 dev eth0 nodad`,
    'route add default via 198.51.100.254',
    'route add default via 2001:db8:1::fe',
  ]);
}

/** What subnet.env says, by key without `FLANNEL_`. */
export async function envOf(host: WeftHost): Promise<Readonly<Record<string, string>>> {
  const text = await host.readFile('/run/flannel/subnet.env');
  return Object.fromEntries(
    [...text.matchAll(/^FLANNEL_(\w+)=(.*)$/gm)].map(([, key, value]) => [key, value]),
  );
}

/** The host's subnets, by family. */
export async function subnetsOf(host: WeftHost): Promise<Readonly<Record<Family, string>>> {
  const { SUBNET = '', IPV6_SUBNET = '' } = await envOf(host);
  return { 4: SUBNET.replace(/\.1\//, '.0/'), 6: IPV6_SUBNET.replace('::1/', '::/') };
}

let made = 0;

/** One on each host. */
export async function addContainers(
  scope: Scope,
  { hosts: [a, b, c] }: Network,
): Promise<[Container, Container, Container]> {
  return await Promise.all([addContainer(scope, a), addContainer(scope, b), addContainer(scope, c)]);
}

/** One at a bridge, by what subnet.env says. */
export async function addContainer(scope: Scope, host: WeftHost): Promise<Container> {
  const { SUBNET: ipv4, IPV6_SUBNET: ipv6, MTU: mtu } = await envOf(host);
  const netns = await createNetns(scope, `${host.name}-c`);
  await netns.run(['sysctl', '-q', '-w', 'net.ipv6.conf.default.accept_dad=0']);
  const gateways = [ipv4, ipv6].filter(gateway => gateway !== undefined);
  const port = `c${++made}`;
  await host.netns.ipBatch([
    'link add cni0 type bridge forward_delay 0',
    `link set cni0 mtu ${mtu} up`,
    ...gateways.map(gateway => `address add ${gateway} dev cni0 ${nodad(gateway)}`),
    `link add ${port} mtu ${mtu} type veth peer name eth0 mtu ${mtu} netns ${netns.name}`,
    `link set ${port} master cni0 up`,
  ]);
  const own = gateways.map(gateway => gateway.replace(/1\//, '2/'));
  await netns.ipBatch([
    'link set eth0 up',
    ...own.map(address => `address add ${address} dev eth0 ${nodad(address)}`),
    ...gateways.map(gateway => `route add default via ${bare(gateway)}`),
  ]);
  const of = (family: Family): string => bare(own.find(text => text.includes(':') === (family === 6)) ?? '');
  return { host, netns, addresses: { 4: of(4), 6: of(6) } };
}

export async function removeContainer({ host, netns }: Container): Promise<void> {
  await netns.ipBatch(['link delete eth0']);
  await host.netns.ipBatch(['link delete cni0']);
}

/**
 * A packet as long as the MTU allows, which nobody may cut, there and back. flanneld's containers have one too large in a
 * network with IPv6, so the smaller of the two counts.
 */
export async function pingFullSize(from: Container, to: Container, family: Family): Promise<void> {
  const mtus = await Promise.all([from, to].map(async ({ host }) => Number((await envOf(host))['MTU'])));
  const bytes = Math.min(...mtus) - (family === 4 ? 28 : 48);
  await from.netns.run(['ping', '-n', '-c2', '-i0.01', '-W5', '-Mdo', `-s${bytes}`, to.addresses[family]]);
}

/** Waits until every container reaches every other by every family. */
export async function eventuallyMeshed(
  containers: readonly Container[],
  families: readonly Family[],
): Promise<void> {
  const pairs = containers.flatMap(from =>
    containers.filter(to => to !== from).map(to => [from, to] as const),
  );
  const ways = pairs.flatMap(([from, to]) => families.map(family => [from, to, family] as const));
  await Promise.all(
    ways.map(([from, to, family]) =>
      eventually(`${from.host.name} to reach ${to.host.name} by IPv${family}`, async () => {
        await from.netns.run(['ping', '-n', '-c1', '-W1', to.addresses[family]]);
        return true;
      }),
    ),
  );
}

/** All links, addresses and routes of a host, without what the kernel goes on changing by itself. */
export async function kernelOf(host: WeftHost): Promise<readonly string[]> {
  const commands = [
    ...['ip -d link', 'ip address', 'ip -4 route show table all', 'ip -6 route show table all'],
    ...['ip neigh show nud permanent', 'nft list ruleset', 'ls -A --ignore subnet.sock /run/flannel'],
  ];
  const texts = await Promise.all(commands.map(command => host.run(command)));
  return texts.flatMap(text =>
    text
      .replace(/ state \S+| linkdown|NO-CARRIER,|,LOWER_UP|,M-DOWN|promiscuity \d+ |\w+_timer +[\d.]+ /g, '')
      .replace(/valid_lft .*/g, '')
      // iptables-nft leaves chains and tables that hold nothing, as `iptables -F` does.
      .replace(/^\tchain \w+ \{\n\t\ttype .*\n\t\}\n/gm, '')
      .replace(/^table .* \{\n+\}\n/gm, '')
      .split('\n')
      // The kernel's own come in their own time.
      .filter(line => line.trim() !== '' && !/^multicast |fe80:/.test(line))
      .sort(),
  );
}

export function assertUnchanged(before: readonly string[], after: readonly string[], what: string): void {
  const missing = before.filter(line => !after.includes(line));
  const extra = after.filter(line => !before.includes(line));
  assert.deepEqual({ missing, extra }, { missing: [], extra: [] }, what);
}

function nodad(address: string): string {
  return address.includes(':') ? 'nodad' : '';
}

function bare(address: string): string {
  return address.replace(/\/\d+$/, '');
}
