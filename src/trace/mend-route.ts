/** Which commands make a packet take the planned route: tried out on the tables as they were read. */

import type { LinkName, ObjectType } from '../state/kernel-object.ts';
import { type Flow, lookupRoute, type RoutingTables } from '../state/lookup.ts';
import { linkCommand, routeCommand } from '../wire/iproute2.ts';
import { mainTable, type Route } from '../wire/route.ts';
import type { Rule } from '../wire/rule.ts';
import { ruleDeleteCommand } from '../wire/rule-text.ts';
import { command, type Remedy } from './hop.ts';
import type { KernelView } from './view.ts';
import { linkOf } from './view.ts';
import type { Walk } from './walk.ts';
import { plannedCommands, type Wish } from './wish.ts';

/** Obstacles beyond this number are for people. */
const mostObstacles = 8;

export function mendRoute(
  { view, wish, network }: Walk,
  flow: Flow,
  wanted: Route<LinkName> | undefined,
): Remedy {
  if (wanted === undefined) {
    const unread = network.unread === undefined ? '' : ': the registry, which knows it, could not be read';
    return command(`give the host a route to it${unread}`);
  }
  const isPlanned = wish !== undefined && wanted === wish.route;
  const missing = isPlanned ? missingCommands(view, wish, wanted) : ownCommands(view, wanted);
  return command('', ...missing, ...obstacles(view.tables, flow, wanted));
}

/** Also what went together with it: a device that is gone, was down, or lost its last address has lost much. */
function missingCommands(view: KernelView, wish: Wish, wanted: Route<LinkName>): string[] {
  const device = linkOf(view, wanted.dev);
  const isOurs = wish.backend.devices.includes(wanted.dev ?? '');
  if (device?.up === false && !isOurs)
    return [
      linkCommand('change', { name: device.name, up: true }),
      ...plannedCommands(wish, view, ['route']),
    ];
  const types: ObjectType[] = ['address', 'fdb', 'neighbour', 'route'];
  return plannedCommands(wish, view, device?.up === true ? types : ['link', ...types]);
}

/** For a route that no plan makes: that of a bridge, which came with the bridge's address. */
function ownCommands({ tables }: KernelView, wanted: Route<LinkName>): string[] {
  const isThere = tables.routes.some(
    ({ dst, dev, table }) => dst === wanted.dst && dev === wanted.dev && table === mainTable,
  );
  return isThere ? [] : [routeCommand('add', wanted)];
}

/** What still takes the packet when the planned route is there, one after the other. */
function obstacles(tables: RoutingTables, flow: Flow, wanted: Route<LinkName>): string[] {
  const planned: Route<LinkName> = {
    type: 'unicast',
    table: mainTable,
    tos: 0,
    metric: flow.family === 6 ? 1024 : 0,
    ...wanted,
  };
  const isPlanned = ({ dst, table, metric }: Route<LinkName>): boolean =>
    dst === planned.dst && table === planned.table && (metric ?? 0) === planned.metric;
  let now: RoutingTables = {
    ...tables,
    routes: [planned, ...tables.routes.filter(route => !isPlanned(route))],
    usable: new Set([...tables.usable, wanted.dev ?? '']),
  };
  const commands: string[] = [];
  while (commands.length < mostObstacles) {
    const decision = lookupRoute(now, flow);
    if (decision.type === 'route' && decision.route === planned) return commands;
    if (!('rule' in decision)) return commands;
    const { rule, route } = decision;
    if (route === undefined || !isOriginal(rule)) {
      commands.push(ruleDeleteCommand(rule));
      now = { ...now, rules: now.rules.filter(one => one !== rule) };
    } else {
      commands.push(routeCommand('delete', route));
      now = { ...now, routes: now.routes.filter(one => one !== route) };
    }
  }
  return commands;
}

/** The three that every namespace begins with. */
function isOriginal({ priority, action, source, destination }: Rule): boolean {
  return (
    [0, 32766, 32767].includes(priority) &&
    action.type === 'lookup' &&
    source === undefined &&
    destination === undefined
  );
}
