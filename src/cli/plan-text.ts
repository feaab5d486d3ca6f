/** A plan as a script for a shell, in which all that is no command is a comment. */
import type { Step } from '../state/diff.ts';
import type { FirewallPlan } from '../view/firewall-plan.ts';
import { stepCommands, stepReason } from '../view/step-commands.ts';
import { commandText } from './command-text.ts';
import { printable, wrap } from './wrap.ts';

/** One network's plan, on this host or another. */
export interface Plan {
  /** Name of the network among several. */
  readonly network: string | undefined;
  /** Path of the namespace of the devices, where that is another. */
  readonly netns: string | undefined;
  /** Known to be in use. */
  readonly peers: number;
  /** How many objects shall be there. */
  readonly objects: number;
  readonly steps: readonly Step[];
  readonly firewalls: readonly FirewallPlan[];
  readonly remarks: readonly string[];
}

export interface PlanPaint {
  quiet(text: string): string;
  good(text: string): string;
}

export interface PlanForm {
  readonly columns: number;
  /** Breaks commands that are longer, as a shell allows. */
  readonly breakCommands: boolean;
  readonly paint: PlanPaint;
}

export function renderPlan(plan: Plan, form: PlanForm): string {
  const { network, steps, firewalls, remarks } = plan;
  const { paint } = form;
  const comment = (text: string): string => paint.quiet(comments(text, form));
  return [
    ...(network === undefined ? [] : [comment(`network ${network}`)]),
    ...remarks.map(comment),
    ...stepLines(plan, form, comment),
    ...firewalls.flatMap(firewall => firewallLines(firewall, comment)),
    isDifferent(plan)
      ? comment(`${counts(steps, firewalls)}; ${peersText(plan.peers)}`)
      : paint.good(comments(nothingToDo(plan), form)),
  ].join('\n');
}

export function isDifferent({ steps, firewalls }: Pick<Plan, 'steps' | 'firewalls'>): boolean {
  return steps.length > 0 || firewalls.some(({ differences }) => differences.length > 0);
}

/** False when something could not be read, so that nobody knows whether it is as it shall be. */
export function isComplete({ firewalls }: Pick<Plan, 'firewalls'>): boolean {
  return firewalls.every(({ unread }) => unread === undefined);
}

function nothingToDo(plan: Plan): string {
  const { peers, objects } = plan;
  const rest = isComplete(plan) ? '' : ', as far as could be read';
  return `nothing to do: ${peersText(peers)}, ${objects} objects are as they shall be${rest}`;
}

function peersText(peers: number): string {
  return peers === 1 ? '1 peer' : `${peers} peers`;
}

const headings = { add: 'missing', replace: '', delete: 'left over' } as const;

/** A heading over each run of steps of one kind; over a step with a reason, the reason. */
function stepLines({ steps, netns }: Plan, form: PlanForm, comment: (text: string) => string): string[] {
  let told = '';
  return steps.flatMap(step => {
    const heading = stepReason(step) || headings[step.verb];
    const lines = stepCommands(step, netns).map(command => commandText(printable(command), form));
    if (heading === told) return lines;
    told = heading;
    return [comment(heading), ...lines];
  });
}

function firewallLines(
  { engine, differences, commands, unread }: FirewallPlan,
  comment: (text: string) => string,
): string[] {
  if (unread !== undefined) return [comment(`the rules of ${engine} could not be read: ${unread}`)];
  return [...differences.map(what => comment(`${engine}: ${what}`)), ...commands];
}

function counts(steps: readonly Step[], firewalls: readonly FirewallPlan[]): string {
  const of = (verb: Step['verb']): number => steps.filter(step => step.verb === verb).length;
  const rules = firewalls.reduce((sum, { differences }) => sum + differences.length, 0);
  return [
    ...[`${of('add')} to add`, `${of('replace')} to change`, `${of('delete')} to remove`],
    ...(rules === 0 ? [] : [`${rules} in the firewall`]),
  ].join(', ');
}

function comments(text: string, { columns }: PlanForm): string {
  const lines = wrap(printable(text.trim()).replaceAll('\n', ' '), { width: columns - 2 }).split('\n');
  return lines.map(line => `# ${line}`).join('\n');
}
