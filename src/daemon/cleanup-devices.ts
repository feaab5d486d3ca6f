/** Our devices and what dies with them: see docs/adr/0005-what-is-ours.md. */
import type { IpAddress } from '../base/ip.ts';
import type { OwnLink } from '../host/own-links.ts';
import { snapshot } from '../kernel/snapshot.ts';
import { diff, type Step } from '../state/diff.ts';
import { deviceOf, type KernelObject, stateOf } from '../state/kernel-object.ts';
import type { NetlinkSocket } from '../sys/netlink-socket.ts';

export interface OwnDevice {
  readonly link: OwnLink;
  /** The device and what somebody, not the kernel, put on it. */
  readonly objects: readonly KernelObject[];
}

/** @throws NetlinkError */
export async function readDevices(socket: NetlinkSocket, found: readonly OwnLink[]): Promise<OwnDevice[]> {
  const { state } = await snapshot(
    socket,
    found.map(link => link.name),
  );
  const made = [...state.values()].filter(isMade);
  return found.map(link => ({ link, objects: made.filter(object => deviceOf(object) === link.name) }));
}

export function addressesOf({ objects }: OwnDevice): IpAddress[] {
  return objects.flatMap(object => (object.type === 'address' ? [object.value.local] : []));
}

/** One by one, although the device takes all with it: so the list of what goes is the list of what is done. */
export function deviceSteps({ objects }: OwnDevice): Step[] {
  return diff(new Map(), stateOf(objects));
}

/** False for what the kernel keeps on any device by itself: link-local addresses, learnt neighbours, groups. */
function isMade(object: KernelObject): boolean {
  switch (object.type) {
    case 'address':
      return object.value.scope !== 'link';
    case 'route':
      return object.value.protocol !== 'kernel';
    case 'neighbour':
      return object.value.state === 'permanent';
    case 'fdb':
      return object.value.dst !== undefined;
    case 'link':
    case 'nexthop':
      return true;
  }
}
