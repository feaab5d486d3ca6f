/** A lab's network namespaces: `ip netns` makes and deletes them, netlink fills them. */
import { closeSync, readdirSync } from 'node:fs';
import { WeftError } from '../base/errors.ts';
import { links } from '../kernel/links.ts';
import { run } from '../sys/exec.ts';
import { NetlinkSocket } from '../sys/netlink-socket.ts';
import { openNetns } from '../sys/netns.ts';
import type { Link } from '../wire/link.ts';
import type { NetlinkRequest } from '../wire/netlink.ts';
import { isNetnsOf } from './lab-plan.ts';

export const netnsPath = (netns: string): string => `/run/netns/${netns}`;

/** @throws WeftError `program-failed` when one exists; some of the others may then be there */
export async function addNamespaces(names: readonly string[]): Promise<void> {
  // One call: two first calls of `ip netns add` at once get in each other's way when they mount /run/netns.
  await run(['ip', '-batch', '-'], { input: names.map(name => `netns add ${name}\n`).join('') });
}

/** Deletes all namespaces of the lab, whatever its size; their devices go with them. */
export async function deleteNamespaces(lab: string): Promise<void> {
  const names = namespacesOf(lab);
  if (names.length === 0) return;
  await run(['ip', '-force', '-batch', '-'], { input: names.map(name => `netns delete ${name}\n`).join('') });
}

/** The namespaces of this lab that exist. */
export function namespacesOf(lab: string): string[] {
  try {
    return readdirSync('/run/netns').filter(name => isNetnsOf(lab, name));
  } catch {
    return [];
  }
}

/** Runs `work` with a netlink socket of the namespace, which is closed afterwards. */
export async function withNetlink<T>(netns: string, work: (socket: NetlinkSocket) => Promise<T>): Promise<T> {
  const socket = NetlinkSocket.open({ netns: netnsPath(netns) });
  try {
    return await work(socket);
  } finally {
    socket.close();
  }
}

/** Runs `work` with a descriptor of the namespace, to put a link into. */
export async function withNetnsFd<T>(netns: string, work: (fd: number) => Promise<T>): Promise<T> {
  const fd = openNetns(netnsPath(netns));
  try {
    return await work(fd);
  } finally {
    closeSync(fd);
  }
}

/** Sends all requests at once. @throws NetlinkError the first refusal */
export async function requestEach(socket: NetlinkSocket, requests: readonly NetlinkRequest[]): Promise<void> {
  for (const outcome of await socket.requestAll(requests)) if (!outcome.ok) throw outcome.error;
}

/** @throws WeftError `link-missing` */
export async function linkNamed(socket: NetlinkSocket, name: string): Promise<Link> {
  const link = await links.get(socket, name);
  if (link !== undefined) return link;
  throw new WeftError('link-missing', `expected a device ${name} in this namespace, found none`);
}

/** The request that switches a device on. */
export function upRequest({ index, name }: Pick<Link, 'index' | 'name'>): NetlinkRequest {
  return links.requests.set(index, { name, up: true });
}

/** The loopback device has index 1 in every namespace (include/net/net_namespace.h LOOPBACK_IFINDEX). */
export const loopback = { index: 1, name: 'lo' } as const;
