/** What all rtnetlink objects share (kernel include/uapi/linux/rtnetlink.h, include/linux/socket.h). */
import type { Family } from '../base/ip.ts';
import { type NetlinkRequest, NLM_F } from './netlink.ts';

/** An interface's number in its network namespace. */
export type IfIndex = number;

/** Where values name a device: by number on the wire, by name in the model of the kernel. */
export type Dev = IfIndex | string;

export const AF = { UNSPEC: 0, INET: 2, BRIDGE: 7, INET6: 10 } as const;

export const familyNumber: Readonly<Record<Family, number>> = { 4: AF.INET, 6: AF.INET6 };

/** Message types: each object has NEW, DEL, GET in this order. */
export const RTM = {
  NEWLINK: 16,
  DELLINK: 17,
  GETLINK: 18,
  NEWADDR: 20,
  DELADDR: 21,
  GETADDR: 22,
  NEWROUTE: 24,
  DELROUTE: 25,
  GETROUTE: 26,
  NEWNEIGH: 28,
  DELNEIGH: 29,
  GETNEIGH: 30,
  NEWNEXTHOP: 104,
  DELNEXTHOP: 105,
  GETNEXTHOP: 106,
} as const;

/** Multicast groups of monitors (enum rtnetlink_groups). */
export const RTNLGRP = {
  LINK: 1,
  NEIGH: 3,
  IPV4_IFADDR: 5,
  IPV4_ROUTE: 7,
  IPV6_IFADDR: 9,
  IPV6_ROUTE: 11,
  NEXTHOP: 32,
} as const;

/** iproute2's verbs for changing an object. */
export type Verb = 'add' | 'replace' | 'change' | 'append' | 'delete';

/** Header flags that make the kernel act as iproute2's verb says. */
export const verbFlags: Readonly<Record<Verb, number>> = {
  add: NLM_F.REQUEST | NLM_F.ACK | NLM_F.CREATE | NLM_F.EXCL,
  replace: NLM_F.REQUEST | NLM_F.ACK | NLM_F.CREATE | NLM_F.REPLACE,
  change: NLM_F.REQUEST | NLM_F.ACK | NLM_F.REPLACE,
  append: NLM_F.REQUEST | NLM_F.ACK | NLM_F.CREATE | NLM_F.APPEND,
  delete: NLM_F.REQUEST | NLM_F.ACK,
};

export function dumpRequest(type: number, body: Uint8Array, what: () => string): NetlinkRequest {
  return { type, flags: NLM_F.REQUEST | NLM_F.DUMP, body, what };
}

export function getRequest(type: number, body: Uint8Array, what: () => string): NetlinkRequest {
  return { type, flags: NLM_F.REQUEST | NLM_F.ACK, body, what };
}
