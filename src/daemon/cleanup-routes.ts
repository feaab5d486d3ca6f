/** Routes of ours on devices of others: to peers on the link, which need no tunnel. See docs/adr/0016-routes-on-the-underlay.md. */
import { weftProtocol } from '../backend/direct-route.ts';
import { everything, type Prefix, prefixCovers } from '../base/prefix.ts';
import { links } from '../kernel/links.ts';
import { snapshot } from '../kernel/snapshot.ts';
import { diff, type Step } from '../state/diff.ts';
import { type KernelObject, type LinkName, stateOf } from '../state/kernel-object.ts';
import type { NetlinkSocket } from '../sys/netlink-socket.ts';
import type { Route } from '../wire/route.ts';

/**
 * The protocol number is the proof: it is nobody else's, and whoever writes it by hand means us.
 * @param own devices of ours, whose routes go with them
 * @throws NetlinkError
 */
export async function readDirectRoutes(
  socket: NetlinkSocket,
  own: readonly LinkName[],
): Promise<Array<Route<LinkName>>> {
  const others = (await links.list(socket)).map(({ name }) => name).filter(name => !own.includes(name));
  const { state } = await snapshot(socket, [], others);
  return [...state.values()].flatMap(object => (isDirect(object) ? [object.value] : []));
}

export function routeSteps(found: ReadonlyArray<Route<LinkName>>): Step[] {
  return diff(new Map(), stateOf(found.map(value => ({ type: 'route', value }))));
}

export function isWithin({ dst }: Route<LinkName>, networks: readonly Prefix[]): boolean {
  return networks.some(network => prefixCovers(network, dst));
}

function isDirect(object: KernelObject): object is Extract<KernelObject, { type: 'route' }> {
  if (object.type !== 'route') return false;
  const { protocol, gateway, dst } = object.value;
  return protocol === weftProtocol && gateway !== undefined && dst !== everything[4] && dst !== everything[6];
}
