/** Why a packet does not take the route that it should, in words, and what to do. */
import { shellWord } from '../base/shell-word.ts';
import type { LinkName } from '../state/kernel-object.ts';
import type { Decision, Flow, Way } from '../state/lookup.ts';
import { mainTable, type Route } from '../wire/route.ts';
import { tableText } from '../wire/rule-text.ts';
import { command, type Remedy } from './hop.ts';
import { mendRoute } from './mend-route.ts';
import { linkOf } from './view.ts';
import type { Walk } from './walk.ts';

/** net/ipv4/fib_frontend.c fib_validate_source; newer kernels say EINVAL of whatever they refuse (inet_rtm_getroute). */
export function wrongSource(
  { view }: Walk,
  { source, iif }: Flow,
  errno: string,
): { cause: string; remedy: Remedy } {
  const filters = ['all', iif].map(name => Number(view.settings.get(`net/ipv4/conf/${name}/rp_filter`) ?? 0));
  if (errno === 'EXDEV' || Math.max(...filters) === 1) {
    return {
      cause: `the reverse path filter drops it: an answer to ${source} would not leave by ${iif}`,
      remedy: command('', `sysctl -w ${shellWord(`net/ipv4/conf/${iif}/rp_filter=2`)}`),
    };
  }
  return {
    cause: `the kernel takes no packet from ${source} that comes in by ${iif}: it is an address of this host, or none of a host`,
    remedy: command('see who else has that address'),
  };
}

export function refusal(
  walk: Walk,
  flow: Flow,
  model: Decision,
  wanted: Route<LinkName> | undefined,
): { cause: string; remedy: Remedy } {
  const remedy = mendRoute(walk, flow, wanted);
  if (model.type === 'refused') {
    const whose =
      model.route === undefined
        ? `rule ${model.rule.priority}`
        : `the route in table ${tableText(model.route.table ?? mainTable)}`;
    return { cause: `${whose} refuses it: ${model.verdict}`, remedy };
  }
  const absent = wanted === undefined ? undefined : lack(walk, wanted);
  return { cause: absent ?? `no route leads to ${flow.destination}`, remedy };
}

/** Why the planned route does not take the packet. */
export function misled(
  walk: Walk,
  wanted: Route<LinkName>,
  route: Route<LinkName> | undefined,
  way: Way,
): string {
  const absent = lack(walk, wanted);
  if (absent !== undefined) return `${absent}; this takes the packet instead`;
  const table = route?.table ?? mainTable;
  if (
    route?.dst === wanted.dst &&
    table === mainTable &&
    (route.metric ?? 0) === (wanted.metric ?? route.metric ?? 0)
  )
    return `it leads ${wayText(way)} instead of ${wayText({ dev: wanted.dev ?? '', gateway: wanted.gateway })}`;
  if (table !== mainTable)
    return `table ${tableText(table)} takes the packet, before the route to ${wanted.dst}`;
  return `it takes the packet from the route to ${wanted.dst}, which leads ${wayText({ dev: wanted.dev ?? '', gateway: wanted.gateway })}`;
}

/** What is not there of that which the plan wants; undefined when the route is. */
function lack({ view }: Walk, { dst, dev = '' }: Route<LinkName>): string | undefined {
  const link = linkOf(view, dev);
  if (link === undefined) return `there is no device ${dev}`;
  if (!link.up) return `${dev} is down, and its routes are gone`;
  const present = view.tables.routes.some(route => route.dst === dst && route.table === mainTable);
  return present ? undefined : `the route to ${dst} is missing`;
}

export function wayText({ dev, gateway }: Way): string {
  return gateway === undefined ? `onto ${dev}` : `to ${gateway} on ${dev}`;
}
