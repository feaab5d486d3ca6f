/** A ping every 5 ms, to see what a packet sees while daemons come and go. */
import assert from 'node:assert/strict';
import { eventually } from './eventually.ts';
import type { Netns } from './netns.ts';

export interface Ping {
  /** Waits for `count` answers more than there are now. */
  more(count: number): Promise<void>;
  /** Ends it, and gives what has not been answered among the packets before the last answer. */
  stop(): Promise<PingResult>;
}

export interface PingResult {
  /** Number of the last packet that was answered; the first is 1. */
  readonly answered: number;
  readonly lost: readonly number[];
}

/** Starts the ping, and waits for the first answers. */
export async function startPing(from: Netns, address: string): Promise<Ping> {
  const ping = await from.start(['ping', '-n', '-i', '0.005', address]);
  const answers = (): Set<number> =>
    new Set([...ping.stdout.matchAll(/icmp_seq=(\d+) ttl=/g)].map(match => Number(match[1])));
  const more = async (count: number): Promise<void> => {
    const goal = answers().size + count;
    await ping.waitFor(`${count} more answers from ${address}`, () => answers().size >= goal);
  };
  await more(20);
  return {
    more,
    stop: async () => {
      ping.signal('SIGINT');
      await eventually('end of the ping', () => ping.exit);
      const seen = answers();
      const answered = Math.max(...seen);
      const lost = Array.from({ length: answered }, (_, index) => index + 1).filter(seq => !seen.has(seq));
      return { answered, lost };
    },
  };
}

/** Ends the ping, and says how many packets there were. @throws AssertionError when one was lost */
export async function assertNothingLost(ping: Ping): Promise<string> {
  await ping.more(20);
  const { answered, lost } = await ping.stop();
  assert.deepEqual(lost, [], `lost of ${answered} packets`);
  return `${answered} packets, none lost`;
}
