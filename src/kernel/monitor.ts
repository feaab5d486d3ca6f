/** `ip monitor`, decoded. */
import { NetlinkMonitor } from '../sys/netlink-monitor.ts';
import type { Address } from '../wire/address.ts';
import type { Link } from '../wire/link.ts';
import type { FdbEntry, Neighbour } from '../wire/neighbour.ts';
import type { NetlinkMessage } from '../wire/netlink.ts';
import type { NextHop } from '../wire/next-hop.ts';
import { noticesButOwn } from '../wire/notice-filter.ts';
import type { Route } from '../wire/route.ts';
import { RTM, RTNLGRP } from '../wire/rtnetlink.ts';
import { addresses } from './addresses.ts';
import { fdb } from './fdb.ts';
import { links } from './links.ts';
import { neighbours } from './neighbours.ts';
import { nextHops } from './next-hops.ts';
import { routes } from './routes.ts';

export type MonitoredObject =
  | { readonly type: 'link'; readonly value: Link }
  | { readonly type: 'address'; readonly value: Address }
  | { readonly type: 'route'; readonly value: Route }
  | { readonly type: 'nexthop'; readonly value: NextHop }
  | { readonly type: 'neighbour'; readonly value: Neighbour }
  | { readonly type: 'fdb'; readonly value: FdbEntry };

export type KernelEvent =
  /** The object is there, new or changed. */
  | { readonly type: 'present'; readonly object: MonitoredObject; readonly by: number }
  /** `by` is the netlink port that asked for it, as a rule a process id; 0 for the kernel itself. */
  | { readonly type: 'gone'; readonly object: MonitoredObject; readonly by: number }
  /** Events were lost: take a snapshot. */
  | { readonly type: 'overrun' };

export interface MonitorOptions {
  readonly netns?: string | undefined;
  /** Kinds of object to hear of. Default: all. */
  readonly objects?: ReadonlyArray<MonitoredObject['type']> | undefined;
  readonly receiveBufferBytes?: number | undefined;
  /** The netlink port of a socket that knows what it adds: of its routes, neighbours, next hops and links only the end is told. */
  readonly exceptBy?: number | undefined;
  onEvent(event: KernelEvent): void;
}

export interface KernelMonitor {
  /** Until `resume` nothing is told; what happens meanwhile is told then, or `overrun`. */
  pause(): void;
  resume(): void;
  close(): void;
}

/** `bridge fdb` events come with the neighbours' group, in another family. */
const groupsOf: Readonly<Record<MonitoredObject['type'], readonly number[]>> = {
  link: [RTNLGRP.LINK],
  address: [RTNLGRP.IPV4_IFADDR, RTNLGRP.IPV6_IFADDR],
  route: [RTNLGRP.IPV4_ROUTE, RTNLGRP.IPV6_ROUTE],
  nexthop: [RTNLGRP.NEXTHOP],
  neighbour: [RTNLGRP.NEIGH],
  fdb: [RTNLGRP.NEIGH],
};

/**
 * Calls `onEvent` for every change from now on.
 * @throws WeftError `netns-missing`, `syscall-failed`, `netlink-group`
 */
export function monitor(options: MonitorOptions): KernelMonitor {
  const wanted = options.objects ?? (Object.keys(groupsOf) as Array<MonitoredObject['type']>);
  return NetlinkMonitor.open({
    netns: options.netns,
    receiveBufferBytes: options.receiveBufferBytes,
    filter: options.exceptBy === undefined ? undefined : noticesButOwn(options.exceptBy),
    groups: [...new Set(wanted.flatMap(type => groupsOf[type]))],
    onMessage: message => {
      const event = understand(message);
      if (event !== undefined && event.type !== 'overrun' && !wanted.includes(event.object.type)) return;
      if (event !== undefined) options.onEvent(event);
    },
    onOverrun: () => options.onEvent({ type: 'overrun' }),
  });
}

/** What cannot be read is a lost event; an error here would end the program, because nobody could catch it. */
function understand(message: NetlinkMessage): KernelEvent | undefined {
  try {
    return decodeEvent(message);
  } catch {
    return { type: 'overrun' };
  }
}

/**
 * One rtnetlink notice as an event; undefined for what is none of ours.
 * @throws WeftError when its bytes make no sense
 */
export function decodeEvent(message: NetlinkMessage): KernelEvent | undefined {
  const object = decodeObject(message);
  if (object === undefined) return undefined;
  return { type: isDeletion(message.type) ? 'gone' : 'present', object, by: message.portId };
}

function decodeObject(message: NetlinkMessage): MonitoredObject | undefined {
  switch (message.type) {
    case RTM.NEWLINK:
    case RTM.DELLINK:
      return tagged('link', links.decode(message));
    case RTM.NEWADDR:
    case RTM.DELADDR:
      return tagged('address', addresses.decode(message));
    case RTM.NEWROUTE:
    case RTM.DELROUTE:
      return tagged('route', routes.decode(message));
    case RTM.NEWNEXTHOP:
    case RTM.DELNEXTHOP:
      return tagged('nexthop', nextHops.decode(message));
    case RTM.NEWNEIGH:
    case RTM.DELNEIGH:
      return tagged('fdb', fdb.decode(message)) ?? tagged('neighbour', neighbours.decode(message));
    default:
      return undefined;
  }
}

function tagged<T extends string, V>(type: T, value: V | undefined): { type: T; value: V } | undefined {
  return value === undefined ? undefined : { type, value };
}

/** NEW, DEL, GET follow each other from a multiple of four on. */
function isDeletion(type: number): boolean {
  return (type & 3) === 1;
}
