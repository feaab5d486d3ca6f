/**
 * Two namespaces for one question: does the iproute2 line of a request make what the request makes? The same is done
 * to both from the beginning, so that devices have the same numbers (`if3`) in both.
 */
import assert from 'node:assert/strict';
import type { Scope } from '../../src/base/scope.ts';
import { NetlinkSocket } from '../../src/sys/netlink-socket.ts';
import type { NetlinkRequest } from '../../src/wire/netlink.ts';
import { eventually } from '../support/eventually.ts';
import { createNetns, type Netns } from '../support/netns.ts';

export interface Side {
  readonly netns: Netns;
  /** Opened in the namespace, closed with the scope. */
  readonly socket: NetlinkSocket;
}

export interface Pair {
  /** Where our requests go. */
  readonly ours: Side;
  /** Where iproute2 does the same. */
  readonly theirs: Side;
}

/** A namespace with a socket in it. @param setup lines for `ip -batch` */
export async function openSide(scope: Scope, label: string, setup: readonly string[] = []): Promise<Side> {
  const netns = await createNetns(scope, label);
  if (setup.length > 0) await netns.ipBatch(setup);
  return {
    netns,
    socket: scope.own(`netlink socket of ${label}`, NetlinkSocket.open({ netns: netns.path })),
  };
}

export async function openPair(scope: Scope, setup: readonly string[] = []): Promise<Pair> {
  return { ours: await openSide(scope, 'ours', setup), theirs: await openSide(scope, 'theirs', setup) };
}

/** Sends the request to one side and has a shell run its line on the other. */
export async function both({ ours, theirs }: Pair, request: NetlinkRequest): Promise<void> {
  await ours.socket.request(request);
  await theirs.netns.run(['sh', '-c', request.what()]);
}

/**
 * Runs one command on both sides until both say the same, and gives it: states such as a carrier follow a change
 * somewhat later. Bridges show running timers, which are left out.
 */
export async function sameText({ ours, theirs }: Pair, command: string): Promise<string> {
  return await eventually(`the same from ${command}`, async () => {
    const texts = await Promise.all([ours.netns.run(command), theirs.netns.run(command)]);
    const [one = '', other] = texts.map(text => text.replace(/_timer +[0-9.]+/g, '_timer'));
    assert.equal(one, other, command);
    return one;
  });
}

/** Reads with our own decoder from both sides until both say the same, and gives it. */
export async function sameValue<T>(
  { ours, theirs }: Pair,
  read: (socket: NetlinkSocket) => Promise<T>,
): Promise<T> {
  const { value } = await eventually('the same value on both sides', async () => {
    const [one, other] = await Promise.all([read(ours.socket), read(theirs.socket)]);
    assert.deepEqual(one, other);
    return { value: one };
  });
  return value;
}

/**
 * A veth pair, up, on which nothing comes by itself, neither addresses nor the neighbours that group reports leave
 * behind: v0 has number 3, v1 has 2.
 */
export const cable: readonly string[] = [
  'link add v0 address 0a:00:00:00:00:a0 type veth peer name v1 address 0a:00:00:00:00:a1',
  'link set v0 addrgenmode none multicast off',
  'link set v1 addrgenmode none multicast off',
  'link set v1 up',
  'link set v0 up',
];

/** iproute2's lines, without the blanks at their ends. */
export function linesOf(text: string): string[] {
  return text
    .split('\n')
    .map(line => line.trimEnd())
    .filter(line => line !== '');
}
