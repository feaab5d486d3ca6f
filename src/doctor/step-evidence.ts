/** What shows that a step is needed, as the tool prints it that lists such objects. */

import type { Step } from '../state/diff.ts';
import { type KernelObject, type KernelState, keyOf } from '../state/kernel-object.ts';
import { fdbEntry, neighbourEntry, routeEntry } from '../trace/entry-text.ts';
import type { Entry } from '../trace/hop.ts';
import { stepReason } from '../view/step-commands.ts';

/** `ip route: nothing for 10.2.3.0/24`, or the entry as it is, with what it shall be. */
export function stepEvidence(step: Step, actual: KernelState): string {
  const { object, verb } = step;
  const present = verb === 'delete' ? object : actual.get(keyOf(object));
  if (present === undefined) return `${toolOf(object)}: nothing for ${nameOf(object)}`;
  const reason = stepReason(step);
  return reason === '' ? entryText(present) : `${entryText(present)} (${reason})`;
}

export function entryText(object: KernelObject): string {
  const { tool, line } = entryOf(object);
  return `${tool}: ${line}`;
}

function entryOf(object: KernelObject): Entry {
  switch (object.type) {
    case 'route':
      return routeEntry(object.value);
    case 'neighbour':
      return neighbourEntry(object.value);
    case 'fdb':
      return fdbEntry(object.value);
    default:
      return { tool: toolOf(object), line: nameOf(object) };
  }
}

function toolOf(object: KernelObject): string {
  switch (object.type) {
    case 'route':
      return object.value.dst.includes(':') ? 'ip -6 route' : 'ip route';
    case 'neighbour':
      return 'ip neigh';
    case 'fdb':
      return 'bridge fdb';
    case 'link':
      return 'ip -d link';
    case 'address':
      return 'ip address';
    case 'nexthop':
      return 'ip nexthop';
  }
}

function nameOf(object: KernelObject): string {
  switch (object.type) {
    case 'route':
      return object.value.dst;
    case 'neighbour':
      return `${object.value.dst} on ${object.value.dev}`;
    case 'fdb':
      return `${object.value.lladdr} on ${object.value.dev}`;
    case 'link':
      return object.value.name;
    case 'address':
      return `${object.value.local}/${object.value.prefixLength} on ${object.value.dev}`;
    case 'nexthop':
      return `id ${object.value.id}`;
  }
}
