/** What there is to tell of a device of ours. */
import type { Mac } from '../base/mac.ts';
import { type KernelState, keyOf, type LinkName } from '../state/kernel-object.ts';

export interface DeviceFacts {
  readonly name: LinkName;
  readonly state: 'up' | 'down' | 'missing';
  readonly mtuBytes: number | undefined;
  readonly mac: Mac | undefined;
}

export function deviceFacts(name: LinkName, actual: KernelState): DeviceFacts {
  const object = actual.get(keyOf({ type: 'link', value: { name } }));
  if (object?.type !== 'link') return { name, state: 'missing', mtuBytes: undefined, mac: undefined };
  const { up, mtuBytes, mac } = object.value;
  return { name, state: up === true ? 'up' : 'down', mtuBytes, mac };
}
