/** Devices of ours that lost their name, or what they were made on: they still carry packets, and are not thrown away. */
import { WeftError } from '../base/errors.ts';
import type { Applied } from '../kernel/apply.ts';
import { links } from '../kernel/links.ts';
import { compare } from '../state/compare.ts';
import type { KernelObject, KernelState, LinkName, ObjectKey } from '../state/kernel-object.ts';
import type { NetlinkSocket } from '../sys/netlink-socket.ts';
import type { Link } from '../wire/link.ts';

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
  let spared: Map<ObjectKey, KernelObject> | undefined;
  const failed: Array<Applied['failed'][number]> = [];
  for (const [key, object] of actual) {
    const wish = desired.get(key);
    if (object.type !== 'link' || wish?.type !== 'link' || wish.value.kind?.kind !== 'vxlan') continue;
    const { dev } = wish.value.kind;
    if (dev === undefined || hasLower(dev)) continue;
    if (!compare(wish, object).some(difference => difference.fixed)) continue;
    spared ??= new Map(actual);
    spared.set(key, { type: 'link', value: { ...object.value, kind: wish.value.kind } });
    const error = new WeftError('device-missing', `there is no network device ${dev}`);
    failed.push({ step: { verb: 'add', key, object: wish }, error });
  }
  return { actual: spared ?? actual, failed };
}
