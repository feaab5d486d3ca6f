/** Whose the destination is, by the registry. */
import { publicIpOf, subnetOf } from '../backend/family.ts';
import { tryVtepData } from '../backend/vtep.ts';
import type { Family } from '../base/ip.ts';
import { type Prefix, prefixContains, prefixOf } from '../base/prefix.ts';
import type { Lease } from '../lease/lease.ts';
import { rangeOf } from '../lease/network-config.ts';
import { command } from './hop.ts';
import { leaseOf } from './view.ts';
import { type Leg, meet, type Walk } from './walk.ts';

/** Adds no hop for a destination outside the overlay. */
export function meetLease(walk: Walk, leg: Leg): boolean {
  const { network, destination, family, wish } = walk;
  const own = network.subnet && subnetOf(network.subnet, family);
  const lease = leaseOf(network, destination);
  if (own !== undefined && prefixContains(own, destination))
    return meet(walk, leg, { kind: 'lease', verdict: 'told', text: `${own} is this host's own` });
  if (lease !== undefined) {
    const text = leaseText(lease, family, network.config?.backend.type ?? '');
    if (wish?.refusal === undefined)
      return meet(walk, leg, { kind: 'lease', verdict: 'told', text: text + unplanned(walk) });
    const cause = `this host leaves the lease out: it ${wish.refusal}`;
    const remedy = command('let both hosts use the same network config and backend');
    return meet(walk, leg, { kind: 'lease', verdict: 'broken', text, cause, remedy });
  }
  if (!network.networks.some(one => prefixContains(one, destination))) return true;
  if (network.unread !== undefined) {
    const text = `whose ${destination} is, and what should lead there, is not known: ${network.unread}`;
    return meet(walk, leg, { kind: 'lease', verdict: 'unknown', text });
  }
  return meet(walk, leg, {
    kind: 'lease',
    verdict: 'broken',
    cause: `nobody leases ${missingSubnet(walk)}`,
    remedy: command('start `weft run` on the host that it shall belong to, or look for a wrong address'),
  });
}

/** A lease of udp or alloc names no backend: it is that of the network. */
function leaseText(lease: Lease, family: Family, ours: string): string {
  const { attrs, subnet } = lease;
  const mac = tryVtepData(attrs, family)?.mac;
  const type = attrs.backendType || ours;
  const vtep = mac === undefined ? '' : `, VTEP ${mac}`;
  return `${subnetOf(subnet, family)} is at ${publicIpOf(attrs, family)}, by ${type}${vtep}`;
}

function unplanned({ wish, network }: Walk): string {
  if (wish !== undefined) return '';
  return network.own === undefined ? '; this host has no lease of its own' : '';
}

function missingSubnet({ network: { config }, family, destination }: Walk): Prefix | string {
  const range = config === undefined ? undefined : rangeOf(config, family);
  return range === undefined ? destination : prefixOf(destination, range.length);
}
