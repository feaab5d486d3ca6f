/** Are the network's own devices there, and as the config and the lease want them? */
import { existsSync } from 'node:fs';
import { planHost } from '../../host/membership.ts';
import type { Difference } from '../../state/compare.ts';
import type { Step } from '../../state/diff.ts';
import { deviceOf, type KernelObject, type LinkName } from '../../state/kernel-object.ts';
import { linkEntry } from '../../trace/entry-text.ts';
import { type KernelView, linkOf, type ViewLink } from '../../trace/view.ts';
import type { MemberView } from '../../view/member-view.ts';
import { stepReason } from '../../view/step-commands.ts';
import type { LinkSpec } from '../../wire/link.ts';
import type { Check } from '../check.ts';
import { commandsOf } from '../commands-in.ts';
import { type Finding, fail, ok, skip, warn } from '../finding.ts';
import type { Scene } from '../scene.ts';
import { stepEvidence } from '../step-evidence.ts';
import { networkFlags } from '../weft-command.ts';

export const device: Check = { name: 'device', title: 'device', look };

async function look(scene: Scene): Promise<Finding | Finding[]> {
  const [member, kernel] = await Promise.all([scene.member(), scene.kernel()]);
  const wanted = planHost(member.membership).flatMap(object =>
    object.type === 'link' ? [object.value] : [],
  );
  if (wanted.length === 0) return skip(`${member.membership.backend.type} makes no device of its own`);
  // The MAC that its lease tells is that of another.
  if (member.found.by === 'subnet')
    return skip('another host has the lease, so that nothing tells what it shall be');
  const found = wanted.flatMap(link => judge(scene, member, kernel, link) ?? []);
  if (found.length > 0) return found;
  return ok(wanted.map(({ name }) => `${name} is ${aptText(linkOf(kernel, name))}`).join('; '));
}

function aptText(link: ViewLink | undefined): string {
  return link === undefined ? 'there' : linkEntry(link).line.replace(/^\S+ <([^>]*)>/, '$1,');
}

/** Steps for the device itself and its addresses; what leads to peers over it is another check's. */
function judge(
  scene: Scene,
  member: MemberView,
  kernel: KernelView,
  link: LinkSpec<LinkName>,
): Finding | undefined {
  const { name } = link;
  const own = member.steps.filter(({ object }) => deviceOf(object) === name && isOfDevice(object));
  const steps = own.filter(step => step.verb !== 'delete' || step.differences !== undefined);
  if (steps.length === 0) return undefined;
  const present = linkOf(kernel, name);
  const differences = steps.flatMap(step => (step.verb === 'add' ? [] : (step.differences ?? [])));
  const all = member.steps.filter(
    step => steps.includes(step) || (deviceOf(step.object) === name && step.verb !== 'delete'),
  );
  const tell = differences.length > 0 && differences.every(isHarmless) ? warn : fail;
  return tell(describe(name, present, steps), {
    evidence: [
      ...(present === undefined
        ? [`ip link show ${name}: Device "${name}" does not exist.`]
        : [`ip -d link: ${linkEntry(present).line}`]),
      ...steps
        .filter(({ object }) => object.type === 'address')
        .map(step => stepEvidence(step, member.actual)),
    ],
    remedy: {
      commands: commandsOf(all, { netns: scene.netns, flags: networkFlags(scene) }),
      text: adviceOn(name, differences, member),
    },
  });
}

function isOfDevice({ type }: KernelObject): boolean {
  return type === 'link' || type === 'address';
}

function describe(name: LinkName, present: ViewLink | undefined, steps: readonly Step[]): string {
  if (present === undefined) return `${name} is missing`;
  const reasons = steps
    .filter(({ object }) => object.type === 'link')
    .map(stepReason)
    .filter(reason => reason !== '');
  if (reasons.length === 0) return `${name} lacks its address, ${addressesIn(steps).join(' and ')}`;
  return reasons.length === 1 && reasons[0] === 'it is down, shall be up'
    ? `${name} is down`
    : `${name} is not as it shall be: ${reasons.join('; ')}`;
}

function addressesIn(steps: readonly Step[]): string[] {
  return steps.flatMap(({ object }) => (object.type === 'address' ? [object.value.local] : []));
}

/** Packets still come and go, if not as well as they could. */
function isHarmless({ field, actual, desired }: Difference): boolean {
  if (field === 'mtuBytes') return Number(actual) < Number(desired);
  return ['txQueueLength', 'learning', 'l2miss', 'scope'].includes(field);
}

const udevSocket = '/run/udev/control';

function adviceOn(name: LinkName, differences: readonly Difference[], { hasRandomMac }: MemberView): string {
  const advice = hasRandomMac ? ['the daemon chooses the MAC: start it rather than make one by hand'] : [];
  if (differences.some(({ field }) => field === 'mac') && existsSync(udevSocket))
    advice.push(
      `systemd-udevd gives new devices a MAC of its own: say MACAddressPolicy=none for OriginalName=${name.replace(/[.\d]+$/, '')}* in /etc/systemd/network/50-flannel.link`,
    );
  if (differences.some(({ field }) => field === 'mtuBytes'))
    advice.push('the MTU follows from that of the interface below, or from "MTU" in the config');
  return advice.join('; ');
}
