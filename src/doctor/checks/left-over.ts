/** Is anything of ours left that nobody wants any more? */

import type { Step } from '../../state/diff.ts';
import { deviceOf, type KernelObject } from '../../state/kernel-object.ts';
import type { Check } from '../check.ts';
import { commandsOf } from '../commands-in.ts';
import { counted } from '../counted.ts';
import { type Finding, ok, warn } from '../finding.ts';
import { otherMasquerading } from '../other-flags.ts';
import type { Scene } from '../scene.ts';
import { entryText } from '../step-evidence.ts';
import { networkFlags } from '../weft-command.ts';

export const leftOver: Check = { name: 'left-over', title: 'what is left over', look };

const mostEvidence = 10;

async function look(scene: Scene): Promise<Finding | Finding[]> {
  const { member, firewalls } = await scene.plan();
  const steps = member.steps.filter(step => step.verb === 'delete' && step.differences === undefined);
  const devices = steps.filter(({ object }) => object.type === 'link');
  const gone = new Set(devices.map(({ object }) => deviceOf(object)));
  const entries = steps.filter(({ object }) => !gone.has(deviceOf(object)));
  const found = [
    ...devices.map(step => leftDevice(scene, step)),
    ...(entries.length === 0 ? [] : [leftEntries(scene, entries)]),
    ...(otherMasquerading(scene) === undefined ? firewalls.flatMap(leftRules) : []),
  ];
  return found.length > 0 ? found : ok('nothing of ours is left that no lease wants');
}

function leftDevice(scene: Scene, step: Step): Finding {
  const name = deviceOf(step.object) ?? '';
  return warn(`the device ${name} is left over: neither the config nor a peer has to do with it any more`, {
    evidence: [entryText(step.object)],
    remedy: remedyFor(scene, [step]),
  });
}

function leftEntries(scene: Scene, steps: readonly Step[]): Finding {
  const subnets = steps.flatMap(({ object }) => targetOf(object) ?? []);
  const to = subnets.length === 0 ? '' : `, to ${[...new Set(subnets)].slice(0, 3).join(', ')}`;
  const what = counted(steps.length, 'entry is', 'entries are');
  return warn(`${what} left of peers that have no lease any more${to}`, {
    evidence: steps.slice(0, mostEvidence).map(({ object }) => entryText(object)),
    remedy: remedyFor(scene, steps),
  });
}

function targetOf(object: KernelObject): string | undefined {
  return object.type === 'route' ? object.value.dst : undefined;
}

function remedyFor(scene: Scene, steps: readonly Step[]) {
  const commands = commandsOf(steps, { netns: scene.netns, flags: networkFlags(scene) });
  return { commands, text: 'a daemon that runs removes them: see whether it does' };
}

/** Rules of the engine, or of the name, that is not in use. */
function leftRules({
  differences,
  commands,
}: {
  readonly differences: readonly string[];
  readonly commands: readonly string[];
}): Finding[] {
  const left = differences.filter(text => text.endsWith(' is left over'));
  if (left.length === 0 || left.length < differences.length) return [];
  return [
    warn(`firewall rules of ours are left over: ${left.length === 1 ? left[0] : `${left.length} of them`}`, {
      evidence: left.map(text => `weft plan: ${text}`),
      remedy: { commands, text: 'the daemon takes them away when it starts' },
    }),
  ];
}
