/**
 * Routes to peers on the external interface's own link, which need no tunnel: host-gw's, and vxlan's DirectRouting.
 *
 *     ip route replace 10.2.14.0/24 via 192.0.2.2 dev eth0 proto 87
 *
 * They lie on a device that is not ours, among an operator's. Which are ours the protocol number tells: see
 * docs/adr/0016-routes-on-the-underlay.md.
 */
import type { IpAddress } from '../base/ip.ts';
import { type Prefix, prefixCovers } from '../base/prefix.ts';
import type { KernelObject, LinkName } from '../state/kernel-object.ts';
import { mainTable } from '../wire/route.ts';
import type { Backend, ExternalInterface, Host } from './backend.ts';
import { networksOf } from './family.ts';

/** Chosen: W in ASCII, in neither rtnetlink.h nor iproute2's rt_protos. */
export const weftProtocol = 87;

export function directRoute(
  external: ExternalInterface,
  subnet: Prefix,
  gateway: IpAddress,
): Extract<KernelObject, { type: 'route' }> {
  return {
    type: 'route',
    value: { dst: subnet, gateway, dev: external.name, protocol: weftProtocol },
  };
}

/** For every backend's `borrows`: what an earlier run by another backend left there shall go. */
export function borrowedForDirectRoutes(external: ExternalInterface): LinkName[] {
  return [external.name];
}

/** For every backend's `owns`: our mark, the external interface, and a destination inside the network. */
export function ownsDirectRoute({ config, external }: Host, object: KernelObject): boolean {
  if (object.type !== 'route') return false;
  const { dst, dev, gateway, protocol, table = mainTable, type = 'unicast' } = object.value;
  return (
    protocol === weftProtocol &&
    dev === external.name &&
    table === mainTable &&
    type === 'unicast' &&
    gateway !== undefined &&
    networksOf(config).some(network => prefixCovers(network, dst))
  );
}

/** What backends have in common that make no device: packets come and go over the external interface, as they are. */
export const withoutDevice = {
  devices: [],
  udpPorts: [],
  borrows: borrowedForDirectRoutes,
  tunnelDevice: (_family, external) => external.name,
  containerMtuBytes: external => external.mtuBytes,
  planHost: () => [],
  owns: ownsDirectRoute,
} as const satisfies Partial<Backend>;
