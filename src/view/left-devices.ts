/** The devices that an earlier run may have left, without what is on them but their addresses: that may be much. */
import { leftDevices } from '../host/former-backends.ts';
import { addresses } from '../kernel/addresses.ts';
import { links } from '../kernel/links.ts';
import { modelOf, namesOf } from '../kernel/snapshot.ts';
import { type KernelState, type LinkName, stateOf } from '../state/kernel-object.ts';
import type { ViewTools } from './network-view.ts';

/** @param more names of further devices, such as those of the backend */
export async function readLeftDevices(
  { socket, below }: Pick<ViewTools, 'socket' | 'below'>,
  more: readonly LinkName[],
): Promise<KernelState> {
  const all = await links.list(socket);
  const named = namesOf(all);
  const namedBelow = below && namesOf(await links.list(below.socket));
  const names = new Set([...more, ...leftDevices(all)]);
  const wanted = all.filter(({ name }) => names.has(name));
  const indexes = new Set(wanted.map(({ index }) => index));
  const on = (await addresses.list(socket)).filter(({ dev }) => indexes.has(dev));
  return stateOf([
    ...wanted.map(value => modelOf({ type: 'link', value }, named, namedBelow)),
    ...on.map(value => modelOf({ type: 'address', value }, named)),
  ]);
}
