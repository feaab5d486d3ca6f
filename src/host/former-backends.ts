/**
 * Backends by which an earlier run was in the network, told by the lease it left and by its devices. Peers may still
 * send by them, and be reached by them, until they too have read the config.
 */
import { createBackend } from '../backend/backends.ts';
import { formatVtepData } from '../backend/vtep.ts';
import { addressBits, familyOf } from '../base/ip.ts';
import { prefixBase } from '../base/prefix.ts';
import type { Json, Lease } from '../lease/lease.ts';
import type { KernelState } from '../state/kernel-object.ts';
import type { Link } from '../wire/link.ts';
import type { Vxlan } from '../wire/vxlan-link.ts';
import type { Former } from './membership.ts';
import { ownLinks } from './own-links.ts';

/** Names of devices that an earlier run may have left. */
export function leftDevices(all: readonly Link[]): string[] {
  return ownLinks(all, []).map(link => link.name);
}

/** @param found our lease before it was acquired anew, and the devices that were there */
export function formerBackends(
  { backend, host }: Former,
  found: { readonly existing: Lease | undefined; readonly observed: KernelState },
): Former[] {
  const candidates = [...ofLease(host, found.existing), ...ofDevices(host, found.observed)];
  const former: Former[] = [];
  for (const one of candidates) {
    const { attrs } = one.host.lease;
    const isKnown = [backend, ...former.map(other => other.backend)].some(other => other.speaks(attrs));
    if (!isKnown) former.push(one);
  }
  return former;
}

/** By the lease: its backend's type, and what of its options it publishes. */
function ofLease(host: Former['host'], existing: Lease | undefined): Former[] {
  if (existing === undefined) return [];
  const { backendType, backendData } = existing.attrs;
  const type = backendType === '' ? 'udp' : backendType;
  const published = backendData as { readonly VNI?: Json } | null | undefined;
  const options: Readonly<Record<string, Json>> = type === 'vxlan' ? { VNI: published?.VNI ?? 1 } : {};
  return create(host, type, options, { ...host.lease, attrs: existing.attrs });
}

/** By a VXLAN device that has our subnet's first address, whose MAC is what peers know. */
function ofDevices(host: Former['host'], observed: KernelState): Former[] {
  const bases = [host.lease.subnet.ipv4, host.lease.subnet.ipv6].flatMap(prefix =>
    prefix === undefined ? [] : [prefixBase(prefix)],
  );
  const objects = [...observed.values()];
  return objects.flatMap(object => {
    if (object.type !== 'link' || object.value.kind?.kind !== 'vxlan') return [];
    const { name, mac, kind } = object.value;
    const address = objects.find(
      other => other.type === 'address' && other.value.dev === name && bases.includes(other.value.local),
    );
    if (address?.type !== 'address' || mac === undefined) return [];
    const family = familyOf(address.value.local);
    if (address.value.prefixLength !== addressBits[family]) return [];
    const data = formatVtepData({ vni: kind.vni, mac });
    const attrs = {
      ...host.lease.attrs,
      backendType: 'vxlan',
      backendData: family === 4 ? data : undefined,
      backendV6Data: family === 6 ? data : undefined,
    };
    return create(host, 'vxlan', optionsOf(kind), { ...host.lease, attrs });
  });
}

function optionsOf({ vni, port, learning, gbp }: Vxlan<string>): Readonly<Record<string, Json>> {
  return { VNI: vni, Port: port ?? 0, Learning: learning ?? false, GBP: gbp ?? false };
}

/** Empty for a type or options that are none of Weft's: nothing was done by them here. */
function create(
  host: Former['host'],
  type: string,
  options: Readonly<Record<string, Json>>,
  lease: Lease,
): Former[] {
  try {
    const config = { ...host.config, backend: { type, options, declared: true } };
    const { backend } = createBackend(config);
    return backend.carrier?.type === 'commands' ? [] : [{ backend, host: { ...host, config, lease } }];
  } catch {
    return [];
  }
}
