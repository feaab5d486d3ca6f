/** Devices of ours that lost their name, or what they were made on: they still carry packets, and are not thrown away. */
import { WeftError } from '../base/errors.ts';
import type { Applied } from '../kernel/apply.ts';
import { links } from '../kernel/links.ts';
import type { Snapshot } from '../kernel/snapshot.ts';
import { compare } from '../state/compare.ts';
import type { KernelObject, KernelState, LinkName, ObjectKey } from '../state/kernel-object.ts';
import type { NetlinkSocket } from '../sys/netlink-socket.ts';
import type { Link } from '../wire/link.ts';
import type { IfIndex } from '../wire/rtnetlink.ts';

/**
 * The device of ours that lost its name to nobody: the one that had it when it had the number `index`, or, of what an
 * earlier run left, the VTEP with the MAC that our lease publishes.
 */
export function renamedDevice(
  { links: all }: Snapshot,
  wish: KernelObject | undefined,
  index: IfIndex | undefined,
): Link | undefined {
  if (wish?.type !== 'link' || all.has(wish.value.name)) return undefined;
  const { kind: wanted, mac } = wish.value;
  return [...all.values()].find(({ kind, ...link }) => {
    const isVtep = kind.kind === 'vxlan' && wanted?.kind === 'vxlan' && kind.vni === wanted.vni;
    return link.index === index || (isVtep && mac !== undefined && link.mac === mac);
  });
}

/** Gives a device its name back; false when the kernel does not allow it. */
export async function takeNameBack(socket: NetlinkSocket, link: Link, name: LinkName): Promise<boolean> {
  try {
    await links.set(socket, link, { name });
    return true;
  } catch {
    // Older kernels rename no device that is up: making the device fails as well then, and is reported.
    return false;
  }
}

/**
 * `actual` with those devices as they should be that cannot be put right, only made anew, and not even that, because
 * what they would be made on is not there; and the reasons.
 */
export function spareDevices(
  desired: KernelState,
  actual: KernelState,
  hasLower: (name: LinkName) => boolean,
): { readonly actual: KernelState; readonly failed: Applied['failed'] } {
  const spared = new Map<ObjectKey, KernelObject>(actual);
  const failed: Array<Applied['failed'][number]> = [];
  for (const [key, object] of actual) {
    const wish = desired.get(key);
    if (object.type !== 'link' || wish?.type !== 'link' || wish.value.kind?.kind !== 'vxlan') continue;
    const { dev } = wish.value.kind;
    if (dev === undefined || hasLower(dev)) continue;
    if (!compare(wish, object).some(difference => difference.fixed)) continue;
    spared.set(key, { type: 'link', value: { ...object.value, kind: wish.value.kind } });
    const error = new WeftError('device-missing', `there is no network device ${dev}`);
    failed.push({ step: { verb: 'add', object: wish }, error });
  }
  return { actual: spared, failed };
}
