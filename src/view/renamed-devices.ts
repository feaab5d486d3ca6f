/** Devices of ours that somebody has renamed: the daemon gives them their names back, with all that is on them. */
import { renamedDevice } from '../host/renamed-device.ts';
import type { Snapshot } from '../kernel/snapshot.ts';
import type { Step } from '../state/diff.ts';
import {
  type KernelObject,
  type KernelState,
  keyOf,
  type LinkName,
  stateOf,
} from '../state/kernel-object.ts';

export interface RenamedDevice {
  /** As we call it. */
  readonly name: LinkName;
  readonly found: LinkName;
}

/** By the MACs that our lease publishes: which number a device had, the daemon alone knows. */
export function renamedDevices(
  seen: Pick<Snapshot, 'links'>,
  desired: KernelState,
  devices: readonly LinkName[],
): RenamedDevice[] {
  return devices.flatMap(name => {
    const wish = desired.get(keyOf({ type: 'link', value: { name } }));
    const link = renamedDevice(seen, wish, undefined);
    return link === undefined ? [] : [{ name, found: link.name }];
  });
}

/** As it will be when they have their names again. */
export function withNamesBack(state: KernelState, renamed: readonly RenamedDevice[]): KernelState {
  const names = new Map(renamed.map(({ name, found }) => [found, name]));
  return stateOf([...state.values()].map(object => withNameBack(object, names)));
}

export function namingSteps(renamed: readonly RenamedDevice[], actual: KernelState): Step[] {
  return renamed.flatMap(({ name, found }): Step[] => {
    const key = keyOf({ type: 'link', value: { name } });
    const object = actual.get(key);
    const differences = [{ field: 'name', desired: name, actual: found, fixed: false }];
    return object === undefined ? [] : [{ verb: 'replace', key, object, differences }];
  });
}

function withNameBack(object: KernelObject, names: ReadonlyMap<LinkName, LinkName>): KernelObject {
  const { type, value } = object;
  if (type === 'link') return { type, value: { ...value, name: names.get(value.name) ?? value.name } };
  if (value.dev === undefined) return object;
  return { type, value: { ...value, dev: names.get(value.dev) ?? value.dev } } as KernelObject;
}
