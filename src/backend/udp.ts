/**
 * The udp backend. The kernel hands every packet for the network to a TUN device, and `src/tunnel` sends it in one UDP
 * datagram to the host that leases the subnet. Peers are the tunnel's routes, not the kernel's:
 *
 *     ip tuntap add dev flannel0 mode tun
 *     ip link set flannel0 mtu 1472 txqueuelen 4000 up
 *     ip address add 10.2.1.0/32 dev flannel0
 *     ip route replace 10.2.0.0/16 dev flannel0 scope global
 *
 * Our own subnet lies within the network; the route of the containers' bridge is the more specific.
 */
import { addressBits, type Family } from '../base/ip.ts';
import { prefixBase, prefixContains, prefixCovers, prefixFamily } from '../base/prefix.ts';
import { readOptions } from '../lease/backend-options.ts';
import type { Lease } from '../lease/lease.ts';
import type { NetworkConfig } from '../lease/network-config.ts';
import type { KernelObject, LinkName } from '../state/kernel-object.ts';
import type { Tun } from '../wire/link-kind.ts';
import { mainTable } from '../wire/route.ts';
import {
  type Backend,
  type ExternalInterface,
  type Host,
  type PeerPlan,
  refusedPart,
  refusedType,
  untyped,
} from './backend.ts';
import { borrowedForDirectRoutes, ownsDirectRoute } from './direct-route.ts';
import {
  addressOf,
  leasedFamilies,
  networkOf,
  networksOf,
  planFamilies,
  publicIpOf,
  subnetOf,
} from './family.ts';

/** flannel's name for its first, and in truth only, one. */
export const udpDevice: LinkName = 'flannel0';

/** Outer IPv4 (20) or IPv6 (40) and UDP (8) headers. */
const overheadBytes: Readonly<Record<Family, number>> = { 4: 28, 6: 48 };

/** Chosen: a burst for a worker that is a few milliseconds late, at 500,000 packets a second. flannel: 500. */
const txQueueLength = 4000;

/** Persistent, so that a restart finds it with address and route. */
const tun: Tun = { kind: 'tun', mode: 'tun', persistent: true };

/** @throws WeftError `config-invalid` for a port that is none */
export function createUdp(config: NetworkConfig): { backend: Backend; warnings: readonly string[] } {
  const { values, warnings } = readOptions(config.backend.options, {
    Port: { type: 'integer', default: 8285, min: 1, max: 65535 },
  });
  const port = values.Port;
  const mtuBytes = (external: ExternalInterface): number => deviceMtu(config, external);
  const backend: Backend = {
    type: 'udp',
    devices: [udpDevice],
    udpPorts: [port],
    carrier: { type: 'tunnel', device: udpDevice, port },
    borrows: borrowedForDirectRoutes,
    ...untyped,
    tunnelDevice: () => udpDevice,
    containerMtuBytes: mtuBytes,
    planHost: host => [
      {
        type: 'link',
        value: { name: udpDevice, mtuBytes: mtuBytes(host.external), txQueueLength, up: true, kind: tun },
      },
      ...leasedFamilies(host).flatMap(family => planFamily(host, family)),
    ],
    planPeer,
    owns: (host, object) => owns(host, object) || ownsDirectRoute(host, object),
  };
  return { backend, warnings };
}

/** One device has one MTU: with IPv6 on it is that of the longer outer header, for both families. */
function deviceMtu({ enableIpv6 }: NetworkConfig, external: ExternalInterface): number {
  return external.mtuBytes - overheadBytes[enableIpv6 ? 6 : 4];
}

function planFamily({ config, lease }: Host, family: Family): KernelObject[] {
  const subnet = subnetOf(lease.subnet, family);
  const network = networkOf(config, family);
  if (subnet === undefined || network === undefined) return [];
  const local = prefixBase(subnet);
  return [
    {
      type: 'address',
      value: { dev: udpDevice, local, prefixLength: addressBits[family], scope: 'global' },
    },
    { type: 'route', value: { dst: network, dev: udpDevice, scope: 'global' } },
  ];
}

function planPeer(host: Host, peer: Lease): PeerPlan {
  if (peer.attrs.backendType !== '') return refusedType('udp', peer.attrs);
  return planFamilies(host, peer, ({ family, subnet }) => {
    const publicIp = publicIpOf(peer.attrs, family);
    if (publicIp === undefined) return refusedPart(`publishes no IPv${family} address to reach it at`);
    if (publicIp === addressOf(host.external, family))
      return refusedPart(`publishes our own address ${publicIp}`);
    return { type: 'reached', routed: subnet, objects: [] };
  });
}

/** What an earlier run made on our device: see docs/adr/0005-what-is-ours.md. */
function owns({ config }: Host, object: KernelObject): boolean {
  switch (object.type) {
    case 'link': {
      const { name, kind } = object.value;
      return name === udpDevice && kind?.kind === 'tun' && kind.mode === 'tun' && kind.persistent;
    }
    case 'address': {
      const { dev, local } = object.value;
      return dev === udpDevice && networksOf(config).some(network => prefixContains(network, local));
    }
    case 'route': {
      const { dev, dst, gateway, protocol, scope, table = mainTable, type = 'unicast' } = object.value;
      const network = networkOf(config, prefixFamily(dst));
      // IPv6 knows no scope: there only the destination tells it from an operator's.
      const isOurs = prefixFamily(dst) === 4 || (network !== undefined && prefixCovers(network, dst));
      return (
        dev === udpDevice &&
        gateway === undefined &&
        protocol === 'boot' &&
        scope === 'global' &&
        table === mainTable &&
        type === 'unicast' &&
        isOurs
      );
    }
    default:
      return false;
  }
}
