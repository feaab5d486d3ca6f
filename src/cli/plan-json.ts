/** A plan as JSON: docs/plan.md describes it. */
import { stepCommands, stepReason } from '../view/step-commands.ts';
import { isComplete, isDifferent, type Plan } from './plan-text.ts';

/** Raised whenever a reader of the JSON before would be misled. */
const version = 1;

export function planJson(plans: readonly Plan[]): string {
  const value = {
    version,
    equal: !plans.some(isDifferent) && plans.every(isComplete),
    networks: plans.map(({ network = null, netns = null, ...plan }) => ({
      network,
      netns,
      peers: plan.peers,
      objects: plan.objects,
      steps: plan.steps.map(step => ({
        ...{ verb: step.verb, reason: stepReason(step), commands: stepCommands(step, netns ?? undefined) },
        object: { type: step.object.type, ...step.object.value },
      })),
      firewalls: plan.firewalls.map(({ unread = null, ...firewall }) => ({ ...firewall, unread })),
      remarks: plan.remarks,
    })),
  };
  return JSON.stringify(value, undefined, 2);
}
