/** Steps and objects as the iproute2 lines that people know. */
import {
  addressCommand,
  fdbCommand,
  linkCommand,
  neighbourCommand,
  nextHopCommand,
  routeCommand,
} from '../wire/iproute2.ts';
import type { Verb } from '../wire/rtnetlink.ts';
import { linkChange } from './compare.ts';
import type { Step } from './diff.ts';
import type { KernelObject } from './kernel-object.ts';

/** The command that a step equals, such as `ip route replace 10.2.14.0/24 via 10.2.14.0 dev flannel.1 onlink`. */
export function stepCommand(step: Step): string {
  const { verb, object } = step;
  if (verb !== 'replace' || object.type !== 'link') return objectCommand(verb, object);
  return linkCommand('change', linkChange(object.value, step.differences));
}

export function objectCommand(verb: Verb, object: KernelObject): string {
  switch (object.type) {
    case 'link':
      return linkCommand(verb, object.value);
    case 'address':
      return addressCommand(verb, object.value);
    case 'nexthop':
      return nextHopCommand(verb, object.value);
    case 'fdb':
      return fdbCommand(verb, object.value);
    case 'neighbour':
      return neighbourCommand(verb, object.value);
    case 'route':
      return routeCommand(verb, object.value);
  }
}

/** Why a step is taken: `mtuBytes is 1500, shall be 1450`; '' for a plain add or delete. */
export function stepReason(step: Step): string {
  const differences = step.verb === 'add' ? [] : (step.differences ?? []);
  return differences
    .map(({ field, actual, desired }) => `${field} is ${actual}, shall be ${desired}`)
    .join('; ');
}
