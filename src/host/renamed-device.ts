/** Devices of ours to which somebody gave another name. */
import type { Snapshot } from '../kernel/snapshot.ts';
import type { KernelObject } from '../state/kernel-object.ts';
import type { Link } from '../wire/link.ts';
import type { IfIndex } from '../wire/rtnetlink.ts';

/**
 * The device of ours that lost its name to nobody: the one that had it when it had the number `index`, or, of what an
 * earlier run left, the VTEP with the MAC that our lease publishes.
 */
export function renamedDevice(
  { links: all }: Pick<Snapshot, 'links'>,
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
