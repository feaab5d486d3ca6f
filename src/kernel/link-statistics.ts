import { NetlinkError } from '../sys/netlink-error.ts';
import type { NetlinkSocket } from '../sys/netlink-socket.ts';
import { linkGet } from '../wire/link.ts';
import { decodeLinkStatistics, type LinkStatistics } from '../wire/link-statistics.ts';

/**
 * `ip -s link show NAME` for each: the counters of those that are there, by name.
 * @throws NetlinkError, WeftError when the kernel cannot be asked
 */
export async function readLinkStatistics(
  socket: NetlinkSocket,
  names: readonly string[],
): Promise<ReadonlyMap<string, LinkStatistics>> {
  const found = new Map<string, LinkStatistics>();
  const outcomes = await socket.requestAll(names.map(name => linkGet({ name })));
  for (const [index, name] of names.entries()) {
    const outcome = outcomes[index];
    if (outcome?.ok === false && !isMissing(outcome.error)) throw outcome.error;
    const statistics = outcome?.ok ? outcome.reply && decodeLinkStatistics(outcome.reply) : undefined;
    if (statistics !== undefined) found.set(name, statistics);
  }
  return found;
}

function isMissing(error: Error): boolean {
  return error instanceof NetlinkError && error.errnoName === 'ENODEV';
}
