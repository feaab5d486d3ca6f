/**
 * The VXLAN backend. The kernel does all the work; per peer it needs three entries, here for 10.2.14.0/24 leased
 * by the host 192.0.2.2:
 *
 *     ip route    10.2.14.0/24 via 10.2.14.0 dev flannel.1 onlink     packets for the subnet go to its VTEP,
 *     ip neigh    10.2.14.0 lladdr 0a:1b:2c:3d:4e:5f                  which has this MAC,
 *     bridge fdb  0a:1b:2c:3d:4e:5f dst 192.0.2.2                     which lives on that host: UDP 8472 to it
 *
 * With DirectRouting a peer on the external interface's own link needs one, as with host-gw:
 *
 *     ip route    10.2.14.0/24 via 192.0.2.2 dev eth0 proto 87
 */
import { describeError } from '../base/errors.ts';
import { addressBits, type Family, type IpAddress } from '../base/ip.ts';
import { isMulticastMac, type Mac, zeroMac } from '../base/mac.ts';
import { type Prefix, prefixBase, prefixContains, prefixFamily } from '../base/prefix.ts';
import type { Lease, LeaseAttrs } from '../lease/lease.ts';
import type { NetworkConfig } from '../lease/network-config.ts';
import { type KernelObject, keyOf, type LinkName } from '../state/kernel-object.ts';
import type { Route } from '../wire/route.ts';
import {
  type Backend,
  type ExternalInterface,
  type Host,
  type Identity,
  isOnLink,
  type PeerPart,
  type PeerPlan,
  refusedPart,
  refusedType,
} from './backend.ts';
import { borrowedForDirectRoutes, directRoute, ownsDirectRoute } from './direct-route.ts';
import {
  addressOf,
  familiesOf,
  leasedFamilies,
  networkOf,
  type PeerFamily,
  planFamilies,
  publicIpOf,
  subnetOf,
} from './family.ts';
import { ownsNextHop, tunnelRoute, usesNextHops } from './next-hop-routes.ts';
import { formatVtepData, tryVtepData, vtepDataOf } from './vtep.ts';
import { parseVxlanOptions, type VxlanOptions } from './vxlan-options.ts';

/** Outer IPv4 (20) or IPv6 (40), UDP (8), VXLAN (8) and inner Ethernet (14) headers (RFC 7348 section 5). */
export const vxlanOverheadBytes: Readonly<Record<Family, number>> = { 4: 50, 6: 70 };

/** @throws WeftError `config-invalid` for options that make no sense */
export function createVxlan(config: NetworkConfig): { backend: Backend; warnings: readonly string[] } {
  const { options, warnings } = parseVxlanOptions(config.backend.options);
  const families = familiesOf(config);
  // Once: each peer's objects name it.
  const vtep: Vtep = {
    ...options,
    devices: { 4: deviceName(options.vni, 4), 6: deviceName(options.vni, 6) },
  };
  const backend: Backend = {
    type: 'vxlan',
    // Of both families: the one of a family that was switched off is ours to remove.
    devices: bothFamilies.map(family => vtep.devices[family]),
    udpPorts: [options.port],
    carrier: undefined,
    borrows: borrowedForDirectRoutes,
    speaks: attrs => speaks(options, families, attrs),
    tunnelDevice: family => vtep.devices[family],
    containerMtuBytes: external => Math.min(...families.map(family => deviceMtu(options, external, family))),
    oddities: external => oddities(options, external),
    attrs: identity => publish(options, families, identity),
    planHost: host => leasedFamilies(host).flatMap(family => planVtep(options, host, family)),
    planPeer: (host, peer) => planPeer(vtep, host, peer),
    // Direct routes even when the option is off: it, or host-gw, may have been on before.
    owns: (host, object) =>
      bothFamilies.some(family => owns(options, host, object, family)) || ownsDirectRoute(host, object),
  };
  return { backend, warnings };
}

const bothFamilies: readonly Family[] = [4, 6];

interface Vtep extends VxlanOptions {
  readonly devices: Readonly<Record<Family, LinkName>>;
}

function deviceName(vni: number, family: Family): LinkName {
  return family === 4 ? `flannel.${vni}` : `flannel-v6.${vni}`;
}

/** The kernel lets no VXLAN device have more than the interface below leaves it (vxlan_core.c vxlan_change_mtu). */
function deviceMtu({ underlayMtuBytes }: VxlanOptions, external: ExternalInterface, family: Family): number {
  return Math.min(underlayMtuBytes ?? external.mtuBytes, external.mtuBytes) - vxlanOverheadBytes[family];
}

function oddities({ underlayMtuBytes = 0 }: VxlanOptions, { name, mtuBytes }: ExternalInterface): string[] {
  if (underlayMtuBytes <= mtuBytes) return [];
  return [
    `the config assumes an underlay MTU of ${underlayMtuBytes}, ${name} has ${mtuBytes}: that counts here`,
  ];
}

/**
 * A VTEP keeps its MAC for life, because every peer has it in its tables: first the one that our lease already
 * publishes, then that of a device left by an earlier run, and only then a new one.
 */
function publish(options: VxlanOptions, families: readonly Family[], identity: Identity): LeaseAttrs {
  const data = (family: Family) =>
    families.includes(family)
      ? formatVtepData({
          vni: options.vni,
          mac:
            publishedMac(options, identity, family) ??
            deviceMac(options, identity, family) ??
            identity.randomMac(),
        })
      : undefined;
  return {
    publicIp: identity.publicIp,
    publicIpv6: identity.publicIpv6,
    backendType: 'vxlan',
    backendData: data(4),
    backendV6Data: data(6),
  };
}

function publishedMac(options: VxlanOptions, { existing }: Identity, family: Family): Mac | undefined {
  if (existing?.attrs.backendType !== 'vxlan') return undefined;
  const found = tryVtepData(existing.attrs, family);
  return found?.vni === options.vni ? found.mac : undefined;
}

function deviceMac(options: VxlanOptions, { observed }: Identity, family: Family): Mac | undefined {
  const name = deviceName(options.vni, family);
  const object = observed.get(keyOf({ type: 'link', value: { name } }));
  return object?.type === 'link' && object.value.kind?.kind === 'vxlan' ? object.value.mac : undefined;
}

/** The VTEP: the device, and the address that peers' `via` points to. */
function planVtep(options: VxlanOptions, { external, lease }: Host, family: Family): KernelObject[] {
  const name = deviceName(options.vni, family);
  const subnet = subnetOf(lease.subnet, family);
  const { mac } = vtepDataOf(lease.attrs, family);
  const link: KernelObject = {
    type: 'link',
    value: {
      name,
      mac,
      mtuBytes: deviceMtu(options, external, family),
      txQueueLength: 0,
      up: true,
      kind: {
        kind: 'vxlan',
        vni: options.vni,
        dev: external.name,
        local: addressOf(external, family),
        port: options.port,
        learning: options.learning,
        gbp: options.gbp,
        l2miss: false,
      },
    },
  };
  if (subnet === undefined) return [link];
  const address = {
    dev: name,
    local: prefixBase(subnet),
    prefixLength: addressBits[family],
    scope: 'global',
  } as const;
  return [link, { type: 'address', value: address }];
}

function speaks(options: VxlanOptions, families: readonly Family[], attrs: LeaseAttrs): boolean {
  if (attrs.backendType !== 'vxlan') return false;
  return families.some(family => {
    const vtep = tryVtepData(attrs, family);
    return vtep !== undefined && (vtep.vni === undefined || vtep.vni === options.vni);
  });
}

function planPeer(options: Vtep, host: Host, peer: Lease): PeerPlan {
  if (peer.attrs.backendType !== 'vxlan') return refusedType('vxlan', peer.attrs);
  return planFamilies(host, peer, part => planFamily(options, host, peer, part));
}

function planFamily(options: Vtep, host: Host, { attrs }: Lease, part: PeerFamily): PeerPart {
  const { family, subnet } = part;
  const publicIp = publicIpOf(attrs, family);
  if (publicIp === undefined) return refusedPart(`publishes no IPv${family} address to reach it at`);
  try {
    const { vni = options.vni, mac } = vtepDataOf(attrs, family);
    if (vni !== options.vni) return refusedPart(`has VNI ${vni}, ours is ${options.vni}`);
    if (mac === tryVtepData(host.lease.attrs, family)?.mac)
      return refusedPart(`has our own VTEP's MAC ${mac}`);
    const objects =
      options.directRouting && isOnLink(host.external, publicIp)
        ? [directRoute(host.external, subnet, publicIp)]
        : tunnelObjects(host, options.devices[family], { subnet, publicIp, mac });
    return { type: 'reached', routed: subnet, objects };
  } catch (error) {
    return refusedPart(`has unusable backend data: ${describeError(error)}`);
  }
}

function tunnelObjects(
  { config, nextHops }: Host,
  dev: LinkName,
  { subnet, publicIp, mac }: { readonly subnet: Prefix; readonly publicIp: IpAddress; readonly mac: Mac },
): KernelObject[] {
  const gateway = prefixBase(subnet);
  const objects: KernelObject[] = [
    { type: 'fdb', value: { dev, lladdr: mac, dst: publicIp, table: 'self', state: 'permanent' } },
    { type: 'neighbour', value: { dev, dst: gateway, lladdr: mac, state: 'permanent' } },
  ];
  // Joined, not grown: room to grow, in many thousand arrays, is memory for nothing.
  return objects.concat(tunnelRoute(dev, { subnet, gateway }, usesNextHops(config, nextHops)));
}

/** Ours on our device is what we could have made: see docs/adr/0005-what-is-ours.md. */
function owns(options: VxlanOptions, host: Host, object: KernelObject, family: Family): boolean {
  const dev = deviceName(options.vni, family);
  switch (object.type) {
    case 'link':
      return object.value.name === dev;
    case 'address': {
      const { local, dev: on } = object.value;
      const network = networkOf(host.config, family);
      return on === dev && network !== undefined && prefixContains(network, local);
    }
    case 'neighbour':
      return object.value.dev === dev && object.value.state === 'permanent';
    case 'fdb': {
      const { lladdr, table, state, dst, dev: on } = object.value;
      const unicast = lladdr !== zeroMac && !isMulticastMac(lladdr);
      return on === dev && table === 'self' && state === 'permanent' && dst !== undefined && unicast;
    }
    case 'route':
      return (
        object.value.dev === dev && prefixFamily(object.value.dst) === family && isVtepRoute(object.value)
      );
    case 'nexthop':
      return ownsNextHop(dev, object.value);
  }
}

/** `S via S's first address onlink`: nobody but flannel and Weft writes such a route. */
function isVtepRoute({ dst, gateway, onlink, protocol, type }: Route<LinkName>): boolean {
  return gateway === prefixBase(dst) && onlink === true && protocol === 'boot' && type === 'unicast';
}
