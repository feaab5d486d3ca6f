/** What the kernel and the subnet file tell of this host when the registry tells nothing. */
import { weftProtocol } from '../backend/direct-route.ts';
import { udpDevice } from '../backend/udp.ts';
import type { Family } from '../base/ip.ts';
import { type Prefix, prefixBase, prefixFamily } from '../base/prefix.ts';
import { ownLinks } from '../host/own-links.ts';
import { links } from '../kernel/links.ts';
import { snapshot } from '../kernel/snapshot.ts';
import { parseSubnetEnv } from '../lease/subnet-env.ts';
import { type KernelObject, type KernelState, keyOf, type LinkName } from '../state/kernel-object.ts';
import { readFileIfThere } from '../sys/files.ts';
import type { Route } from '../wire/route.ts';
import { deviceFacts } from './device-facts.ts';
import type { HostStatus } from './host-status.ts';
import type { ViewOptions, ViewTools } from './network-view.ts';
import type { ObjectStatus, PeerStatus } from './peer-status.ts';

/** @throws NetlinkError */
export async function localStatus(
  { subnetFile }: Pick<ViewOptions, 'subnetFile'>,
  { socket, below }: Pick<ViewTools, 'socket' | 'below'>,
): Promise<Omit<HostStatus, 'registry'>> {
  const env = parseSubnetEnv(readFileIfThere(subnetFile) ?? '');
  const all = await links.list(socket);
  const own = ownLinks(all, []).map(({ name }) => name);
  const others = all.map(({ name }) => name).filter(name => !own.includes(name));
  const { state } = await snapshot(socket, own, others, below);
  return {
    host: {
      ...{ interface: undefined, interfaceMtuBytes: undefined, publicIp: undefined, publicIpv6: undefined },
      networks: [env.network, env.ipv6Network].filter(network => network !== undefined),
      ...{ subnet: env.subnet, mtuBytes: env.mtuBytes, backend: undefined },
      devices: own.map(name => deviceFacts(name, state)),
    },
    ...{ lease: undefined, kernel: undefined, locks: own },
    remarks: own.includes(udpDevice) ? [`whom ${udpDevice} leads to is in the daemon's own table`] : [],
    peers: peersIn(state, own),
  };
}

/** Each route of ours to a subnet is a peer. */
function peersIn(state: KernelState, own: readonly LinkName[]): PeerStatus[] {
  return [...state.values()].flatMap(object =>
    object.type === 'route' ? (peerBehind(object.value, state, own) ?? []) : [],
  );
}

function peerBehind(
  route: Route<LinkName>,
  state: KernelState,
  own: readonly LinkName[],
): PeerStatus | undefined {
  const { dst, gateway, dev, protocol } = route;
  if (gateway === undefined || dev === undefined) return undefined;
  if (protocol === weftProtocol && !own.includes(dev)) {
    return peerOf(dst, { backend: 'direct', address: gateway, vtepMac: undefined, device: dev }, [
      { object: { type: 'route', value: route }, state: 'programmed' },
    ]);
  }
  return own.includes(dev) && gateway === prefixBase(dst) ? tunnelPeer(route, dev, state) : undefined;
}

function tunnelPeer(route: Route<LinkName>, device: LinkName, state: KernelState): PeerStatus {
  const dst = prefixBase(route.dst);
  const neighbour = state.get(keyOf({ type: 'neighbour', value: { dev: device, dst } }));
  const vtepMac = neighbour?.type === 'neighbour' ? neighbour.value.lladdr : undefined;
  const entry =
    vtepMac && state.get(keyOf({ type: 'fdb', value: { dev: device, lladdr: vtepMac, table: 'self' } }));
  const address = entry?.type === 'fdb' ? entry.value.dst : undefined;
  const objects = [{ type: 'route', value: route } as const, neighbour, entry].filter(
    (object): object is KernelObject => object !== undefined,
  );
  const lacking = [
    ...(vtepMac === undefined ? ['neighbour'] : []),
    ...(vtepMac !== undefined && address === undefined ? ['FDB entry'] : []),
  ];
  return peerOf(
    route.dst,
    { backend: 'vxlan', address, vtepMac, device },
    objects.map((object): ObjectStatus => ({ object, state: 'programmed' })),
    lacking,
  );
}

function peerOf(
  subnet: Prefix,
  {
    backend,
    ...facts
  }: { readonly backend: string } & Omit<PeerStatus['families'][number], 'family' | 'subnet'>,
  objects: readonly ObjectStatus[],
  lacking: readonly string[] = [],
): PeerStatus {
  const family: Family = prefixFamily(subnet);
  const state = lacking.length === 0 ? 'programmed' : 'missing';
  return { state, reason: lacking.join(', '), backend, families: [{ family, subnet, ...facts }], objects };
}
