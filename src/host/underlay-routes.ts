import type { UnderlayRoute } from '../backend/backend.ts';
import { prefixCovers, prefixLength } from '../base/prefix.ts';
import type { Route } from '../wire/route.ts';
import type { Dev } from '../wire/rtnetlink.ts';

/**
 * Which of the main table's routes tell what is on the link of interface `external`: those without a gateway over it, and
 * those more specific that lead elsewhere. A table with the routes of half the Internet gives as few as any other.
 */
export function underlayRoutes<D extends Dev>(routes: ReadonlyArray<Route<D>>, external: D): UnderlayRoute[] {
  const rank = ({ metric = 0 }: Route<D>): number => metric;
  const best = new Map<string, Route<D>>();
  for (const route of routes) {
    const known = best.get(route.dst);
    if (known === undefined || rank(route) < rank(known)) best.set(route.dst, route);
  }
  const isDirect = ({ dev, gateway, type = 'unicast', multipath, nextHopId }: Route<D>): boolean =>
    dev === external &&
    gateway === undefined &&
    type === 'unicast' &&
    multipath === undefined &&
    nextHopId === undefined;
  const direct = [...best.values()].filter(isDirect);
  return [...best.values()]
    .filter(route => direct.some(({ dst }) => prefixCovers(dst, route.dst)))
    .map(route => ({ dst: route.dst, onLink: isDirect(route) }))
    .sort((one, other) => prefixLength(other.dst) - prefixLength(one.dst) || (one.dst < other.dst ? -1 : 1));
}
