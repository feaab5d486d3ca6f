import { type KernelObject, type KernelState, type LinkName, stateOf } from '../state/kernel-object.ts';
import type { NetlinkSocket } from '../sys/netlink-socket.ts';
import { addresses } from './addresses.ts';
import type { Below } from './below.ts';
import { links } from './links.ts';
import { modelOf } from './snapshot.ts';

/**
 * Reads the devices named in `devices` with their addresses, and nothing of what they carry for each peer: what a host
 * wants to know before it joins costs the same in a network of any size. Devices that do not exist are simply absent.
 * @param below where the devices that ours are made on are; ours unless given
 * @throws NetlinkError
 */
export async function deviceState(
  socket: NetlinkSocket,
  devices: readonly LinkName[],
  below?: Pick<Below, 'socket'> | undefined,
): Promise<KernelState> {
  const all = await links.list(socket);
  const of = nameIn(all);
  const lower = below && nameIn(await links.list(below.socket));
  const objects: KernelObject[] = [];
  for (const link of all.filter(({ name }) => devices.includes(name))) {
    objects.push(modelOf({ type: 'link', value: link }, of, lower));
    for (const address of await addresses.list(socket, { dev: link.index }))
      objects.push(modelOf({ type: 'address', value: address }, of, lower));
  }
  return stateOf(objects);
}

function nameIn(all: ReadonlyArray<{ readonly index: number; readonly name: LinkName }>) {
  const names = new Map(all.map(({ index, name }) => [index, name]));
  return (index: number): LinkName => names.get(index) ?? `if${index}`;
}
