/** Do the peers publish the backend, and the VNI, that the network config asks for? */
import { describeSubnet } from '../../lease/judge.ts';
import type { Lease } from '../../lease/lease.ts';
import { formatLeaseAttrs } from '../../lease/lease-attrs.ts';
import { keyOfSubnet } from '../../registry/subnet-entries.ts';
import type { MemberView } from '../../view/member-view.ts';
import type { Check } from '../check.ts';
import { counted } from '../counted.ts';
import { type Finding, fail, ok, skip, warn } from '../finding.ts';
import { refusedPeers } from '../refused-peer.ts';
import { placeOf, sentences } from '../registry-place.ts';
import type { Scene } from '../scene.ts';

export const backendMismatch: Check = { name: 'backend-mismatch', title: 'backends of the peers', look };

const mostFindings = 10;

async function look(scene: Scene): Promise<Finding | Finding[]> {
  const member = await scene.member();
  const { leases, used } = member.peers;
  if (leases.length === 0) return skip('there are no peers');
  const refused = refusedPeers(member, 'foreign').filter(({ lease }) => isConcerned(scene, lease));
  const before = used.filter(
    ({ lease, backend }) => backend !== member.membership.backend && isConcerned(scene, lease),
  );
  if (refused.length + before.length === 0)
    return ok(`${counted(leases.length, 'peer')}: ${nameOf(member)}, as the config has it`);
  return [
    ...refused.map(({ lease, reason }) => mismatch(scene, lease, reason)),
    ...before.map(({ lease, backend }) => inTransition(scene, member, lease, backend.type)),
  ].slice(0, mostFindings);
}

function nameOf({ membership }: MemberView): string {
  return membership.backend.type;
}

function isConcerned(scene: Scene, { subnet, attrs }: Lease): boolean {
  const subnets = [subnet.ipv4, subnet.ipv6].filter(prefix => prefix !== undefined);
  return scene.concerns({ address: attrs.publicIp ?? attrs.publicIpv6, subnets });
}

function mismatch(scene: Scene, lease: Lease, reason: string): Finding {
  return fail(`nothing leads to ${describeSubnet(lease.subnet)}: its host ${reason}`, trouble(scene, lease));
}

function inTransition(scene: Scene, member: MemberView, lease: Lease, type: string): Finding {
  return warn(
    `${describeSubnet(lease.subnet)} is still reached by ${type}: the config says ${nameOf(member)}, its host has not followed`,
    trouble(scene, lease),
  );
}

function trouble(scene: Scene, lease: Lease): Parameters<typeof fail>[1] {
  const place = placeOf(scene.registry.name);
  const key = keyOfSubnet(lease.subnet);
  const at = lease.attrs.publicIp ?? lease.attrs.publicIpv6 ?? 'that host';
  return {
    evidence: [`${place.readCommand(key)}: ${formatLeaseAttrs(lease.attrs)}`],
    remedy: {
      commands: [place.deleteCommand(key)],
      text: sentences(
        `start the daemon on ${at} again: it reads the config, and publishes what that says`,
        'if that host is gone, the command deletes its lease',
        place.note,
      ),
    },
    peer: describeSubnet(lease.subnet),
  };
}
