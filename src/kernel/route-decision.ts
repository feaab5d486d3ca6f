/** The kernel's own answer to where a packet goes. */
import type { IpAddress } from '../base/ip.ts';
import { NetlinkError } from '../sys/netlink-error.ts';
import type { NetlinkSocket, Outcome } from '../sys/netlink-socket.ts';
import { decodeRoute, type Route } from '../wire/route.ts';
import { type RouteQuestion, routeQuestion } from '../wire/route-question.ts';
import type { Dev, IfIndex } from '../wire/rtnetlink.ts';

export type KernelDecision<D extends Dev = IfIndex> =
  | {
      readonly type: 'way';
      /** The one way of this packet, with its gateway, device and source. */
      readonly way: Route<D>;
      /** As it stands in the table; undefined when the kernel went by none, or is too old to say. */
      readonly entry: Route<D> | undefined;
      readonly source: IpAddress | undefined;
    }
  /** `errno` by name: ENETUNREACH when no route leads there, EACCES for prohibit, EXDEV by the reverse path filter, ... */
  | { readonly type: 'refused'; readonly errno: string };

/** `ip route get`, with everything that may matter. @throws NetlinkError for what is no answer to the question */
export async function decideRoute(socket: NetlinkSocket, question: RouteQuestion): Promise<KernelDecision> {
  const [decision, match] = await socket.requestAll([
    routeQuestion(question, 'decision'),
    routeQuestion(question, 'entry'),
  ]);
  const way = routeOf(decision);
  if (way === undefined) {
    if (decision?.ok === false && decision.error instanceof NetlinkError)
      return { type: 'refused', errno: decision.error.errnoName };
    throw decision?.ok === false ? decision.error : new TypeError('the kernel gave no route and no reason');
  }
  const entry = routeOf(match);
  return {
    type: 'way',
    way,
    entry: entry?.cloned === true ? undefined : entry,
    source: way.preferredSource,
  };
}

function routeOf(outcome: Outcome | undefined): Route | undefined {
  return outcome?.ok === true && outcome.reply !== undefined ? decodeRoute(outcome.reply) : undefined;
}
