/** Does the kernel have what leads to each peer: route, neighbour, FDB entry? */
import { describeSubnet } from '../../lease/judge.ts';
import type { Step } from '../../state/diff.ts';
import { deviceOf, keyOf } from '../../state/kernel-object.ts';
import type { MemberView } from '../../view/member-view.ts';
import { type PeerStatus, peerStatuses } from '../../view/peer-status.ts';
import type { Check } from '../check.ts';
import { commandsOf } from '../commands-in.ts';
import { counted } from '../counted.ts';
import { type Finding, fail, ok, skip, warn } from '../finding.ts';
import { refusedPeers } from '../refused-peer.ts';
import type { Scene } from '../scene.ts';
import { stepEvidence } from '../step-evidence.ts';
import { networkFlags } from '../weft-command.ts';

export const peers: Check = { name: 'peers', title: 'entries of the peers', look };

/** Chosen: more peers than that with the same trouble are one trouble. */
const mostFindings = 5;

async function look(scene: Scene): Promise<Finding | Finding[]> {
  const member = await scene.member();
  const all = peerStatuses(member).filter(peer => isConcerned(scene, peer));
  const lost = all.filter(({ state }) => state === 'missing' || state === 'differs');
  const told = lost.filter(peer => !isDeviceLost(member, peer));
  const left = leftOut(scene, member);
  if (told.length + left.length > 0)
    return [
      ...(told.length > mostFindings
        ? [summary(scene, member, told)]
        : told.map(peer => entries(scene, member, peer))),
      ...left,
    ];
  if (lost.length > 0)
    return skip(`the device is not as it shall be, so that ${lost.length} peers lack entries`);
  const reached = all.filter(({ state }) => state !== 'refused');
  return reached.length === 0 ? skip('there are no peers') : ok(wellText(member, reached));
}

function isConcerned(scene: Scene, { families }: PeerStatus): boolean {
  const address = families.find(one => one.address !== undefined)?.address;
  return scene.concerns({ address, subnets: families.map(({ subnet }) => subnet) });
}

function wellText({ membership: { backend } }: MemberView, reached: readonly PeerStatus[]): string {
  const counts = new Map<string, number>();
  for (const { object } of reached.flatMap(({ objects }) => objects))
    counts.set(object.type, (counts.get(object.type) ?? 0) + 1);
  const peers = counted(reached.length, 'peer');
  if (counts.size > 0)
    return `${peers}: ${[...counts].map(([type, count]) => counted(count, ...nounOf(type))).join(', ')}`;
  const by = { tunnel: 'by the daemon itself', commands: 'by what the commands of the config do' };
  if (backend.carrier !== undefined) return `${peers}, reached ${by[backend.carrier.type]}`;
  return `${peers}, to which ${backend.type} leads nothing`;
}

function nounOf(type: string): [one: string, several?: string] {
  return type === 'fdb' ? ['FDB entry', 'FDB entries'] : [type];
}

/** With a device that is gone, down, or without its address, all that is on it goes: see the device's check. */
function isDeviceLost({ steps }: MemberView, { objects }: PeerStatus): boolean {
  const devices = new Set(objects.map(({ object }) => deviceOf(object)));
  return steps.some(step => devices.has(deviceOf(step.object)) && takesAll(step));
}

function takesAll(step: Step): boolean {
  if (step.object.type === 'address') return step.verb !== 'delete';
  if (step.object.type !== 'link') return false;
  return step.verb !== 'replace' || step.differences.some(({ field }) => field === 'up' || field === 'mac');
}

function stepsFor({ steps }: MemberView, all: readonly PeerStatus[]) {
  const keys = new Set(all.flatMap(({ objects }) => objects.map(({ object }) => keyOf(object))));
  return steps.filter(({ object }) => keys.has(keyOf(object)));
}

function entries(scene: Scene, member: MemberView, peer: PeerStatus): Finding {
  const steps = stepsFor(member, [peer]);
  const isOff = peer.state === 'missing' || steps.some(step => step.verb !== 'add' && isMisleading(step));
  const words = peer.state === 'missing' ? 'missing' : 'wrong';
  const tell = isOff ? fail : warn;
  return tell(`${words} for the peer ${nameOf(peer)}: ${peer.reason}`, {
    evidence: steps.map(step => stepEvidence(step, member.actual)),
    remedy: remedyFor(scene, steps),
    peer: nameOf(peer),
  });
}

/** What leads elsewhere, and not only has another mark or may age. */
function isMisleading({
  differences = [],
}: {
  readonly differences?: ReadonlyArray<{ readonly field: string }>;
}) {
  return differences.some(({ field }) => !['state', 'protocol', 'scope'].includes(field));
}

function nameOf({ families }: PeerStatus): string {
  return families.map(({ subnet }) => subnet).join(' and ');
}

function summary(scene: Scene, member: MemberView, lost: readonly PeerStatus[]): Finding {
  const steps = stepsFor(member, lost);
  const shown = lost.slice(0, mostFindings);
  return fail(`${lost.length} peers lack entries, or have wrong ones: ${shown.map(nameOf).join(', ')}, ...`, {
    evidence: stepsFor(member, shown).map(step => stepEvidence(step, member.actual)),
    remedy: remedyFor(scene, steps),
  });
}

function remedyFor(scene: Scene, steps: ReturnType<typeof stepsFor>) {
  const commands = commandsOf(steps, { netns: scene.netns, flags: networkFlags(scene) });
  return { commands, text: 'a daemon that runs makes them again at once: see whether it does' };
}

/** Whose lease is good, and to whom nothing can lead from here all the same. */
function leftOut(scene: Scene, member: MemberView): Finding[] {
  return refusedPeers(member, 'other')
    .filter(({ lease: { attrs, subnet } }) => {
      const subnets = [subnet.ipv4, subnet.ipv6].filter(prefix => prefix !== undefined);
      return scene.concerns({ address: attrs.publicIp ?? attrs.publicIpv6, subnets });
    })
    .slice(0, mostFindings)
    .map(({ lease, reason, partly }) =>
      fail(
        `${describeSubnet(lease.subnet)} is ${partly ? 'reached in part' : 'led to by nothing'}: it ${reason}`,
        {
          evidence: [
            `lease ${describeSubnet(lease.subnet)} at ${lease.attrs.publicIp ?? lease.attrs.publicIpv6}`,
          ],
          remedy: {
            commands: [],
            text: 'change what stands in the way on that host, or in the network config',
          },
          peer: describeSubnet(lease.subnet),
        },
      ),
    );
}
