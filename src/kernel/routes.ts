import type { IpAddress } from '../base/ip.ts';
import type { NetlinkSocket } from '../sys/netlink-socket.ts';
import {
  decodeRoute,
  type Route,
  type RouteFilter,
  routeDump,
  routeGet,
  routeRequest,
} from '../wire/route.ts';
import { type ObjectVerbs, verbsOf } from './verbs.ts';

export interface RouteVerbs extends ObjectVerbs<Route, RouteFilter> {
  /** `ip route get DESTINATION`: the kernel's own decision. @throws NetlinkError `netlink-enetunreach` */
  get(socket: NetlinkSocket, destination: IpAddress): Promise<Route>;
}

/**
 * `ip route add|replace|delete 10.2.14.0/24 via 10.2.14.0 dev flannel.1 onlink`,
 * `ip route show dev flannel.1`, `ip route get 10.2.14.3`:
 *
 *     await routes.replace(socket, {
 *       dst: parsePrefix('10.2.14.0/24'), gateway: parseIp('10.2.14.0'), dev: 7, onlink: true,
 *     });
 */
export const routes: RouteVerbs = {
  ...verbsOf<Route, RouteFilter>({ request: routeRequest, dump: routeDump, decode: decodeRoute }),
  async get(socket, destination) {
    const reply = await socket.request(routeGet(destination));
    const route = reply === undefined ? undefined : decodeRoute(reply);
    if (route === undefined) throw new TypeError(`the kernel gave no route to ${destination}`);
    return route;
  },
};
