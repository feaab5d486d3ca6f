/** Steps as commands for a shell, which do what the daemon would do. */
import { hostPrefix, prefixFamily } from '../base/prefix.ts';
import { shellWord } from '../base/shell-word.ts';
import { objectCommand, stepCommand } from '../state/describe.ts';
import type { Step } from '../state/diff.ts';
import type { KernelObject } from '../state/kernel-object.ts';

/** @param netns path of the namespace of the devices, when that is not the one in which the commands are run */
export function stepCommands(step: Step, netns?: string | undefined): string[] {
  return plainCommands(step).map(command => (netns === undefined ? command : entering(step, command, netns)));
}

/** Of an IPv6 route alone there are several. */
function plainCommands(step: Step): string[] {
  const { verb, object } = step;
  const name = verb === 'replace' ? step.differences.find(({ field }) => field === 'name') : undefined;
  if (name !== undefined) return [`ip link set ${shellWord(String(name.actual))} name ${name.desired}`];
  if (verb === 'delete' || object.type === 'link') return [stepCommand(step)];
  // As the daemon does: whatever else has taken the place meanwhile, this is what shall be there.
  const command = objectCommand('replace', object);
  const opening = verb === 'replace' ? openingFor(object) : undefined;
  if (opening === undefined) return [command];
  return [objectCommand('add', opening), command, objectCommand('delete', opening)];
}

/**
 * IPv6 takes no onlink gateway to which another route leads over another device, as the one does that is to be
 * replaced: see kernel/apply.ts.
 */
function openingFor(object: KernelObject): KernelObject | undefined {
  if (object.type !== 'route') return undefined;
  const { dst, gateway, dev, onlink } = object.value;
  if (onlink !== true || gateway === undefined || prefixFamily(dst) !== 6) return undefined;
  return { type: 'route', value: { dst: hostPrefix(gateway), dev } };
}

/** A VXLAN device is made where its packets go, right into the other namespace. */
function entering({ verb, object }: Step, command: string, netns: string): string {
  const path = shellWord(netns);
  if (verb === 'add' && object.type === 'link' && object.value.kind?.kind === 'vxlan') {
    const { name } = object.value;
    return command.replace(`ip link add ${name} `, () => `ip link add ${name} netns ${path} `);
  }
  return command
    .split(' && ')
    .map(part => `nsenter --net=${path} ${part}`)
    .join(' && ');
}

/** Why a step is taken, in iproute2's words: `mtu is 1500, shall be 1450`; '' for what is missing or left over. */
export function stepReason(step: Step): string {
  const differences = step.verb === 'add' ? [] : (step.differences ?? []);
  return differences
    .map(({ field, actual, desired }) => {
      if (field === 'up') return desired === true ? 'it is down, shall be up' : 'it is up, shall be down';
      return `${words[field] ?? field} is ${valueText(actual)}, shall be ${valueText(desired)}`;
    })
    .join('; ');
}

const words: Readonly<Record<string, string>> = {
  mac: 'address',
  mtuBytes: 'mtu',
  txQueueLength: 'txqueuelen',
  kind: 'type',
  vni: 'id',
  port: 'dstport',
  gateway: 'via',
  protocol: 'proto',
  preferredSource: 'src',
  nextHopId: 'nhid',
  state: 'nud',
};

function valueText(value: unknown): string {
  if (value === undefined) return 'none';
  if (typeof value === 'boolean') return value ? 'on' : 'off';
  return String(value);
}
