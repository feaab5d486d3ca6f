/** What there is to say of a plan that no command of it says. */
import { subnetOf } from '../backend/family.ts';
import type { Former } from '../host/membership.ts';
import { describeSubnet } from '../lease/judge.ts';
import type { LeaseAttrs } from '../lease/lease.ts';
import { formatLeaseAttrs } from '../lease/lease-attrs.ts';
import { formatSubnetEnv } from '../lease/subnet-env.ts';
import type { LinkName } from '../state/kernel-object.ts';
import { readFileIfThere } from '../sys/files.ts';
import type { PlanOptions } from './host-plan.ts';
import type { MemberView, PeersView } from './member-view.ts';
import type { NetworkView } from './network-view.ts';

/** Sentences without full stops, the most surprising first. */
export function remarksOn(options: PlanOptions, view: NetworkView, member: MemberView): string[] {
  return [
    ...view.chosen.missing.map(({ family, why }) => `without IPv${family}: ${why}`),
    ...(member.membership.backend.oddities?.(member.membership.host.external) ?? []),
    ...leaseRemarks(view, member),
    ...macRemarks(member),
    ...subnetFileRemarks(options, member),
    ...peersRemarks(member, member.peers),
  ];
}

function leaseRemarks({ config, chosen }: NetworkView, { found, membership }: MemberView): string[] {
  const { lease } = membership.host;
  const remarks: string[] = [];
  if (found.by === 'nothing')
    return [
      `no lease is ours in the registry: ${describeSubnet(found.subnet)} is leased again when the daemon runs`,
    ];
  if (found.by === 'subnet') {
    const theirs = found.lease.attrs.publicIp ?? found.lease.attrs.publicIpv6 ?? 'nothing';
    const here = chosen.publicIp ?? chosen.publicIpv6;
    remarks.push(
      `the lease of ${describeSubnet(lease.subnet)}, which is in use here, publishes ${theirs}, and this host would publish ${here}: is -public-ip missing, or has another host taken the subnet?`,
    );
  }
  if (formatLeaseAttrs(found.lease.attrs) !== formatLeaseAttrs(lease.attrs))
    remarks.push(`the lease says ${attrsText(found.lease.attrs)}, and shall say ${attrsText(lease.attrs)}`);
  for (const family of [4, 6] as const) {
    const isOn = family === 4 ? config.enableIpv4 : config.enableIpv6;
    const address = family === 4 ? chosen.publicIp : chosen.publicIpv6;
    if (isOn && address !== undefined && subnetOf(lease.subnet, family) === undefined)
      remarks.push(`the lease has no IPv${family} subnet yet, which the daemon leases when it starts`);
  }
  return remarks;
}

function attrsText({ backendType, publicIp, publicIpv6, backendData }: LeaseAttrs): string {
  const addresses = [publicIp, publicIpv6].filter(address => address !== undefined).join(' and ');
  const data = backendData === undefined ? '' : ` with ${JSON.stringify(backendData)}`;
  return `${backendType || 'udp or alloc'} at ${addresses}${data}`;
}

function macRemarks({ hasRandomMac, membership }: MemberView): string[] {
  if (!hasRandomMac) return [];
  return [
    `the MAC of ${devicesMade(membership).join(' and ')} is an example: the daemon chooses one, or takes that of a device that is there`,
  ];
}

function subnetFileRemarks({ subnetFile, ipMasq }: PlanOptions, { membership }: MemberView): string[] {
  const { backend, host } = membership;
  const mtuBytes = backend.containerMtuBytes(host.external);
  const wanted = formatSubnetEnv({ config: host.config, subnet: host.lease.subnet, mtuBytes, ipMasq });
  const text = readFileIfThere(subnetFile);
  if (text === wanted) return [];
  if (text === undefined) return [`${subnetFile} is not there; the daemon writes it when the network works`];
  const lacking = wanted.split('\n').filter(line => !text.split('\n').includes(line));
  return lacking.length === 0 ? [] : [`${subnetFile} shall say ${lacking.join(', ')}`];
}

function peersRemarks({ membership }: MemberView, { used, refused }: PeersView): string[] {
  const { former, backend } = membership;
  const kept = former.map(one => {
    const count = used.filter(peer => peer.backend === one.backend).length;
    const devices = devicesMade(one);
    const what = devices.length === 0 ? '' : ` (${devices.join(', ')})`;
    return `${peersText(count)} still reached by ${one.backend.type}${what}, which stays for as long`;
  });
  const carried = used.filter(peer => peer.backend.carrier !== undefined);
  const carrier = carried[0]?.backend.carrier ?? backend.carrier;
  return [
    ...refusedRemarks(refused),
    ...kept,
    ...(carrier?.type === 'tunnel' && carried.length > 0
      ? [
          `${peersText(carried.length)} reached through ${carrier.device} by the daemon, whose table is not the kernel's`,
        ]
      : []),
    ...(carrier?.type === 'commands' && carried.length > 0
      ? [
          `${peersText(carried.length)} reached by what the commands of the config do, which is not known here`,
        ]
      : []),
  ];
}

function devicesMade({ backend, host }: Former): LinkName[] {
  return backend.planHost(host).flatMap(({ type, value }) => (type === 'link' ? [value.name] : []));
}

export function refusedRemarks(refused: PeersView['refused']): string[] {
  return refused.map(
    ({ lease, reason, partly }) =>
      `lease ${describeSubnet(lease.subnet)} is ${partly ? 'used in part' : 'left out'}: it ${reason}`,
  );
}

function peersText(count: number): string {
  return count === 1 ? '1 peer is' : `${count} peers are`;
}
