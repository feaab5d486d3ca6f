/** Routes of ours behind one that somebody has put before them (`ip route prepend`): they are there, and lead nowhere. */
import { prefixFamily } from '../base/prefix.ts';
import { routes } from '../kernel/routes.ts';
import { modelOf, namesOf } from '../kernel/snapshot.ts';
import { compare } from '../state/compare.ts';
import type { Step } from '../state/diff.ts';
import { keyOf } from '../state/kernel-object.ts';
import type { NetlinkSocket } from '../sys/netlink-socket.ts';
import type { Link } from '../wire/link.ts';
import { mainTable } from '../wire/route.ts';

/**
 * While ours is there it cannot replace the one before it: it goes first, as the daemon does it (kernel/apply.ts). IPv6 has
 * no order among routes that are alike.
 * @throws NetlinkError
 */
export async function unhidingSteps(
  socket: NetlinkSocket,
  all: readonly Link[],
  steps: readonly Step[],
): Promise<Step[]> {
  const replaced = new Map(steps.filter(isRouteReplaced).map(({ key, object }) => [key, object]));
  if (replaced.size === 0) return [...steps];
  const nameOf = namesOf(all);
  const hidden = new Set(
    (await routes.list(socket, { table: mainTable, family: 4 }))
      .map(value => modelOf({ type: 'route', value }, nameOf))
      .map(object => ({ key: keyOf(object), object }))
      .filter(({ key, object }) => {
        const wish = replaced.get(key);
        return wish !== undefined && compare(wish, object).length === 0;
      })
      .map(({ key }) => key),
  );
  return steps.flatMap((step): Step[] => {
    if (!isRouteReplaced(step) || !hidden.has(step.key)) return [step];
    return [{ verb: 'delete', key: step.key, object: step.object, differences: [behind] }, step];
  });
}

const behind = { field: 'order', desired: 'first', actual: 'behind another', fixed: true } as const;

function isRouteReplaced({ verb, object }: Step): boolean {
  return verb === 'replace' && object.type === 'route' && prefixFamily(object.value.dst) === 4;
}
