/** Reads all that a status tells of one network: registry and kernel, the daemon, and the devices' counters. */
import { hasCode, WeftError } from '../base/errors.ts';
import { ask } from '../control/ask.ts';
import { controlPath } from '../control/control-path.ts';
import { type LiveStatus, parseLiveStatus, statusQuestion } from '../control/live-status.ts';
import type { LinkName } from '../state/kernel-object.ts';
import type { HostStatus } from '../view/host-status.ts';
import type { LinkStatistics } from '../wire/link-statistics.ts';
import type { PlacedNetwork } from './each-network.ts';
import { type DaemonFacts, probeName, type ToldStatus } from './told-status.ts';

/** Chosen: a daemon that lives answers in milliseconds, one that is starting with thousands of peers a little later. */
const daemonPatienceMs = 1000;

/** @throws NetlinkError; the signal's reason */
export async function readStatus({ name, options, tools }: PlacedNetwork): Promise<ToldStatus> {
  const { readHostStatus, withoutDaemon } = await import('../view/host-status.ts');
  const found = await readHostStatus(options, tools);
  // Only now: of thousands of peers two pictures at a time would be more memory, and an answer is a matter of milliseconds.
  const { live, mute } = await askDaemon(options.subnetFile, tools.signal);
  const runs = live !== undefined || mute === 'hangs' || (await holdsLock(found, tools.netns));
  const nowMs = Date.now();
  return {
    ...(runs ? found : withoutDaemon(found)),
    ...{ network: name, nowMs, daemon: { runs, live, mute } },
    leaseEndsMs: (await leaseEnd(found, tools, nowMs)) ?? live?.network?.lease.expiresMs,
    statistics: await readStatistics(found, tools),
    probes: new Map((live?.network?.probes ?? []).map(facts => [probeName(facts), facts])),
  };
}

async function askDaemon(
  subnetFile: string,
  signal: AbortSignal,
): Promise<{ readonly live: LiveStatus | undefined; readonly mute: DaemonFacts['mute'] }> {
  const at = { path: controlPath(subnetFile) };
  try {
    const said = await ask({ at, question: statusQuestion, patienceMs: daemonPatienceMs, signal });
    return { live: parseLiveStatus(said), mute: undefined };
  } catch (error) {
    signal.throwIfAborted();
    return { live: undefined, mute: muteBecause(error) };
  }
}

function muteBecause(error: unknown): DaemonFacts['mute'] {
  if (hasCode(error, 'door-silent')) return 'hangs';
  const { code } = ((error as Error).cause ?? {}) as NodeJS.ErrnoException;
  // That of a daemon that was killed refuses in the same way: the locks tell.
  return code === 'EACCES' ? 'refuses' : undefined;
}

/** Whoever has a device of the network in hand holds its lock, in the namespace of the device. */
async function holdsLock({ locks }: HostStatus, netns: string | undefined): Promise<boolean> {
  const [{ instancePrefix }, { heldUnixNames }, { inNetns }] = await Promise.all([
    import('../control/instance-name.ts'),
    import('../sys/unix-name.ts'),
    import('../sys/netns.ts'),
  ]);
  const read = (): readonly string[] => heldUnixNames(instancePrefix);
  const held = netns === undefined ? read() : inNetns(netns, read);
  return locks.some(name => held.includes(instancePrefix + name));
}

/** What the registry says of its own accord; undefined where it says nothing. */
async function leaseEnd(
  { lease }: HostStatus,
  { registry, signal }: PlacedNetwork['tools'],
  nowMs: number,
): Promise<number | undefined> {
  if (lease?.key === undefined || lease.permanent) return undefined;
  try {
    const seconds = await registry.remaining(lease.key, { signal });
    return seconds === undefined ? undefined : nowMs + seconds * 1000;
  } catch (error) {
    if (signal.aborted || !(error instanceof WeftError)) throw error;
    return undefined;
  }
}

async function readStatistics(
  { host }: HostStatus,
  { socket }: PlacedNetwork['tools'],
): Promise<ReadonlyMap<LinkName, LinkStatistics>> {
  const { readLinkStatistics } = await import('../kernel/link-statistics.ts');
  return await readLinkStatistics(
    socket,
    host.devices.map(({ name }) => name),
  );
}
