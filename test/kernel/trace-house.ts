/**
 * A host with a container and its way to a peer, made by the backend's own plan. Everything that a drawing shows is the
 * same each time: MACs, addresses, neighbours that never age.
 *
 *     container 10.2.1.2 ─ veth1 ─ cni0 10.2.1.1 ─ flannel.1 ─ eth0 192.0.2.1 ─ there
 */
import assert from 'node:assert/strict';
import type { Host } from '../../src/backend/backend.ts';
import { createBackend } from '../../src/backend/backends.ts';
import { networksOf, publicIpOf } from '../../src/backend/family.ts';
import { type Family, type IpAddress, parseIp } from '../../src/base/ip.ts';
import { prefixBase } from '../../src/base/prefix.ts';
import type { Scope } from '../../src/base/scope.ts';
import { apply } from '../../src/kernel/apply.ts';
import type { Lease } from '../../src/lease/lease.ts';
import { diff } from '../../src/state/diff.ts';
import { stateOf } from '../../src/state/kernel-object.ts';
import { drawTrace } from '../../src/trace/drawing.ts';
import type { Trace } from '../../src/trace/hop.ts';
import { noFirewall, readFirewall } from '../../src/trace/read-firewall.ts';
import { readView } from '../../src/trace/read-view.ts';
import { runArrival, runTrace } from '../../src/trace/run-trace.ts';
import { parseThereAnswer, withThereSeen } from '../../src/trace/there-answer.ts';
import type { NetworkView } from '../../src/trace/view.ts';
import { eventually } from '../support/eventually.ts';
import { createNetns, type Netns } from '../support/netns.ts';
import { hostOf, peer } from '../unit/backend/hosts.ts';
import { openSide, type Side } from './netlink-pair.ts';

export interface House extends Side {
  /** Where the peer is; its eth0 is at the other end of ours, without an address. */
  readonly there: Netns;
  readonly host: Host;
  readonly network: NetworkView;
}

export const addressesOf = {
  4: {
    container: '10.2.1.2',
    there: '10.2.14.3',
    peer: '192.0.2.14',
    nobody: '10.2.77.1',
    outside: '198.51.100.1',
  },
  6: {
    container: 'fd00:2:0:1::2',
    there: 'fd00:2:0:14::3',
    peer: '2001:db8::14',
    nobody: 'fd00:2:0:77::1',
    outside: '2001:db8:1::1',
  },
} as const;

const own = {
  4: ['10.2.1.1/24', '192.0.2.1/24', '192.0.2.254'],
  6: ['fd00:2:0:1::1/64', '2001:db8::1/64', '2001:db8::ff'],
} as const;

export async function openHouse(
  scope: Scope,
  backend: { readonly Type: string; readonly DirectRouting?: boolean },
  family: Family,
): Promise<House> {
  const inside = await createNetns(scope, 'container');
  const there = await createNetns(scope, 'there');
  const { container, peer: peerAddress } = addressesOf[family];
  const [bridge, underlay, gateway] = own[family];
  const nodad = family === 6 ? ' nodad' : '';
  const side = await openSide(scope, 'host', [
    `link add eth0 address 02:00:00:00:00:01 type veth peer name eth0 address 02:00:00:00:00:02 netns ${there.name}`,
    'link set eth0 addrgenmode none up',
    `addr add ${underlay} dev eth0${nodad}`,
    `route add default via ${gateway} dev eth0`,
    'link add cni0 address 02:00:00:00:01:00 type bridge forward_delay 0 mcast_snooping 0',
    'link set cni0 addrgenmode none up',
    `addr add ${bridge} dev cni0${nodad}`,
    `link add veth1 address 02:00:00:00:01:01 type veth peer name eth0 address 02:00:00:00:01:02 netns ${inside.name}`,
    'link set veth1 addrgenmode none master cni0 up',
    `neigh replace ${container} lladdr 02:00:00:00:01:02 dev cni0 nud permanent`,
    `neigh replace ${peerAddress} lladdr 02:00:00:00:00:02 dev eth0 nud permanent`,
    `neigh replace ${gateway} lladdr 02:00:00:00:00:fe dev eth0 nud permanent`,
  ]);
  await there.ipBatch(['link set eth0 addrgenmode none up']);
  await inside.ipBatch(['link set eth0 addrgenmode none up']);
  await side.netns.run('bridge fdb replace 02:00:00:00:01:02 dev veth1 master static');
  await side.netns.run(
    'sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0',
  );
  const families = family === 4 ? '4' : '6';
  const host = hostOf(backend, families);
  const lease = leaseThere(backend.Type, families, peerAddress);
  await settle(side, host, [lease]);
  const network: NetworkView = {
    unread: undefined,
    config: host.config,
    leases: [host.lease, lease],
    networks: networksOf(host.config),
    subnet: host.lease.subnet,
    own: host.lease,
  };
  return { ...side, there, host, network };
}

function leaseThere(type: string, families: '4' | '6', address: string): Lease {
  const vtep = { VNI: 1, VtepMAC: '0a:00:00:00:00:14' };
  const data = type === 'vxlan' ? { [families === '4' ? 'BackendData' : 'BackendV6Data']: vtep } : {};
  const published = families === '4' ? { PublicIP: address } : { PublicIPv6: address };
  return peer(14, { ...(type === 'udp' ? {} : { BackendType: type }), ...published, ...data }, families);
}

async function settle({ socket }: Side, host: Host, peers: readonly Lease[]): Promise<void> {
  const { backend } = createBackend(host.config);
  const desired = stateOf([
    ...backend.planHost(host),
    ...peers
      .flatMap(lease => backend.planPeer(host, lease))
      .flatMap(part => (part.type === 'reached' ? part.objects : [])),
  ]);
  const { failed } = await apply(socket, diff(desired, new Map()));
  assert.deepEqual(
    failed.map(({ error }) => error.message),
    [],
  );
}

/** Carriers, and the routes that addresses bring, come somewhat later than what they come from. */
export async function settled({ socket }: House): Promise<void> {
  await eventually('carriers and local routes', async () => {
    const view = await readView(socket, noFirewall);
    const local = view.tables.routes.filter(({ type }) => type === 'local');
    const hasRoute = (address: IpAddress, dev: string) =>
      local.some(route => route.dev === dev && prefixBase(route.dst) === address);
    return (
      view.links.every(({ up, carrier }) => !up || carrier) &&
      view.addresses.every(({ local: address, dev }) => hasRoute(address, dev))
    );
  });
}

export async function traceIn(house: House, destination: string, from?: string): Promise<Trace> {
  const { netns, socket, network } = house;
  const to = parseIp(destination);
  const firewall = await readFirewall(
    netns.path,
    destination.includes(':') ? 6 : 4,
    AbortSignal.timeout(20_000),
  );
  const view = await readView(socket, firewall);
  return await runTrace(socket, view, network, {
    destination: to,
    from: from === undefined ? undefined : parseIp(from),
  });
}

/** The host as the other end: of a packet that comes from the container there to the container here. */
export async function arrivalIn(house: House, family: Family): Promise<Trace> {
  const { netns, socket, network, host } = house;
  const { there, container } = addressesOf[family];
  const [source, destination] = [parseIp(there), parseIp(container)];
  const firewall = await readFirewall(netns.path, family, AbortSignal.timeout(20_000));
  const view = await readView(socket, firewall);
  const hops = await runArrival(socket, view, network, { source, destination });
  const peerOf = publicIpOf(host.lease.attrs, family) ?? assert.fail('no address of this host');
  const way = { family, source, destination, start: 'container', carriage: 'none', peer: peerOf } as const;
  // As its JSON comes to the other host.
  const said = parseThereAnswer(JSON.parse(JSON.stringify({ hops })));
  return withThereSeen({ ...way, verdict: 'passes', hops: [] }, said, peerOf);
}

export const plainPaint = {
  heading: (text: string) => text,
  quiet: (text: string) => text,
  good: (text: string) => text,
  bad: (text: string) => text,
};

export function drawPlain(trace: Trace): string {
  return drawTrace(trace, { width: 80, paint: plainPaint });
}
