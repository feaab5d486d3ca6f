/** What another host should have, from the registry alone: a host like this one, at the place of that lease. */
import type { ExternalInterface } from '../backend/backend.ts';
import { createBackend } from '../backend/backends.ts';
import { familiesOf } from '../backend/family.ts';
import { hasCode, WeftError } from '../base/errors.ts';
import { type Family, familyOf, type IpAddress, tryParseIp } from '../base/ip.ts';
import { everything, prefixContains, tryParsePrefix } from '../base/prefix.ts';
import { type ChosenInterface, chooseInterface, type UnderlayView } from '../host/external-interface.ts';
import { formerBackends } from '../host/former-backends.ts';
import type { InterfaceChoice } from '../host/interface-choice.ts';
import { type Membership, planHost } from '../host/membership.ts';
import { readUnderlay } from '../host/read-underlay.ts';
import { describeSubnet } from '../lease/judge.ts';
import type { Lease } from '../lease/lease.ts';
import { diff, type Step } from '../state/diff.ts';
import { type KernelState, stateOf } from '../state/kernel-object.ts';
import { type PeersView, planPeers } from './member-view.ts';
import { readEntries } from './network-entries.ts';
import type { ViewTools } from './network-view.ts';
import { refusedRemarks } from './remarks.ts';

export interface ElsewhereView {
  readonly membership: Membership;
  readonly peers: PeersView;
  readonly desired: KernelState;
  /** From nothing. */
  readonly steps: readonly Step[];
  readonly remarks: readonly string[];
}

/**
 * @param name the host's underlay address, its subnet, or an address in that
 * @throws WeftError `host-unknown`, and what the registry and the config say
 */
export async function viewElsewhere(
  name: string,
  choice: InterfaceChoice,
  { registry, socket, below, signal }: ViewTools,
): Promise<ElsewhereView> {
  const { config, entries } = await readEntries(registry, signal);
  const leases = entries.flatMap(({ lease }) => lease ?? []);
  const lease = findLease(leases, name);
  if (lease === undefined) throw unknown(name, registry.name, leases);
  const { backend } = createBackend(config);
  const here = await chosenHere(choice, await readUnderlay(below?.socket ?? socket), familiesOf(config));
  const external: ExternalInterface = {
    ...here.external,
    ipv4: lease.attrs.publicIp,
    ipv6: lease.attrs.publicIpv6,
  };
  const host = { config, external, lease };
  const published = formerBackends({ backend, host }, { existing: lease, observed: stateOf([]) })[0];
  const chosen = { ...here, external, publicIp: external.ipv4, publicIpv6: external.ipv6 };
  const self = published ?? { backend, host };
  const { membership, peers, objects } = planPeers(
    { ...self, former: [], guarded: [], chosen },
    leases.filter(other => other !== lease),
  );
  const desired = stateOf([...planHost(membership), ...objects]);
  const remarks = [
    `assumed of ${describeSubnet(lease.subnet)}, as here: interface ${external.name}, MTU ${external.mtuBytes}`,
    ...(published === undefined
      ? []
      : [`its lease says ${published.backend.type}, the config ${backend.type}: this is by its lease`]),
    ...refusedRemarks(peers.refused),
  ];
  return { membership, peers, desired, steps: diff(desired, new Map()), remarks };
}

function findLease(leases: readonly Lease[], name: string): Lease | undefined {
  const address = tryParseIp(name);
  const prefix = tryParsePrefix(name);
  const subnets = ({ subnet: { ipv4, ipv6 } }: Lease) => [ipv4, ipv6].filter(one => one !== undefined);
  return (
    leases.find(({ attrs }) => address !== undefined && isPublished(attrs, address)) ??
    leases.find(lease =>
      subnets(lease).some(
        subnet => subnet === prefix || (address !== undefined && prefixContains(subnet, address)),
      ),
    )
  );
}

function isPublished({ publicIp, publicIpv6 }: Lease['attrs'], address: IpAddress): boolean {
  return (familyOf(address) === 4 ? publicIp : publicIpv6) === address;
}

function unknown(name: string, where: string, leases: readonly Lease[]): WeftError {
  const some = leases.slice(0, 5).map(({ subnet }) => describeSubnet(subnet));
  const more = leases.length > some.length ? ` and ${leases.length - some.length} more` : '';
  return new WeftError('host-unknown', `no lease in ${where} is of a host ${name}`, {
    remedy:
      some.length === 0
        ? 'there are no leases at all: does the daemon run anywhere?'
        : `give its underlay address or an address of its subnet; there are ${some.join(', ')}${more}`,
  });
}

/** Somewhere without an interface that would do, one as most hosts have, with all others on its link. */
async function chosenHere(
  choice: InterfaceChoice,
  underlay: UnderlayView,
  families: readonly Family[],
): Promise<ChosenInterface> {
  try {
    return await chooseInterface(choice, underlay, families);
  } catch (error) {
    if (!hasCode(error, 'interface-not-found') && !hasCode(error, 'interface-without-address')) throw error;
    const name = choice.iface.find(text => tryParseIp(text) === undefined) ?? 'eth0';
    const routes = ([4, 6] as const).map(family => ({ dst: everything[family], onLink: true }));
    const external = { name, mtuBytes: 1500, ipv4: undefined, ipv6: undefined, routes };
    return { external, index: 0, publicIp: undefined, publicIpv6: undefined, because: '', missing: [] };
  }
}
