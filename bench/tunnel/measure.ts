/** What one pair of hosts can do, by iperf3 and ping. */
import { readFile } from 'node:fs/promises';
import type { Scope } from '../../src/base/scope.ts';
import { eventually } from '../../test/support/eventually.ts';
import type { Contender } from './contenders.ts';

const tcpSeconds = 2;
const floodSeconds = 1;
/** Offered at a time; 0: as many as can be sent. Too many leave no time to receive any. */
const floods = [0, 100_000, 200_000, 400_000];
const pacedSeconds = 3;
/** A packet of 64 bytes: IPv4 and UDP take 28. */
const smallPayloadBytes = 36;
export const pacedMegabits = 500;
const ticksPerSecond = 100;

/** The other side of all the rest, until the scope ends. */
export async function serve(scope: Scope, { to, address }: Contender): Promise<void> {
  const server = await to.start(['iperf3', '--server', '--forceflush']);
  scope.defer('iperf3', async () => void (await server.kill()));
  await server.waitForOutput(/listening/);
  await eventually(address, () => to.run(['ping', '-c1', '-W1', address]));
}

/** Gbit/s that arrived. */
export async function tcpGigabits(contender: Contender, streams: number): Promise<number> {
  const { sum_received } = await iperf(contender, ['-t', `${tcpSeconds}`, '-P', `${streams}`]);
  return (sum_received?.bits_per_second ?? Number.NaN) / 1e9;
}

/** Packets of 64 bytes that arrive, per second: the most, whatever the number that is sent. */
export async function smallPackets(contender: Contender): Promise<number> {
  const arrived: number[] = [];
  for (const perSecond of floods) {
    const bits = perSecond * smallPayloadBytes * 8;
    const flags = ['-u', '-b', `${bits}`, '-l', `${smallPayloadBytes}`, '-t', `${floodSeconds}`];
    const { sum } = await iperf(contender, flags);
    arrived.push(sum === undefined ? 0 : (sum.packets - sum.lost_packets) / sum.seconds);
  }
  return Math.max(...arrived);
}

/** Mean of many, in milliseconds. */
export async function meanRttMs({ from, address }: Contender): Promise<number> {
  const said = await from.run(['ping', '-q', '-c', '200', '-i', '0.003', '-W', '2', address]);
  return Number(/= [\d.]+\/([\d.]+)\//.exec(said)?.[1]);
}

/** Of a core, while TCP is held at 500 Mbit/s: the busier of the two programs. */
export async function pacedCpu(contender: Contender): Promise<number> {
  const before = await Promise.all(contender.pids.map(cpuSeconds));
  const { sum_received } = await iperf(contender, ['-b', `${pacedMegabits}M`, '-t', `${pacedSeconds}`]);
  const after = await Promise.all(contender.pids.map(cpuSeconds));
  const reached = (sum_received?.bits_per_second ?? 0) / 1e6;
  // Who does not keep up would look frugal.
  if (reached < pacedMegabits * 0.95) return Number.NaN;
  return Math.max(...after.map((seconds, index) => (seconds - (before[index] ?? 0)) / pacedSeconds));
}

interface IperfEnd {
  readonly sum_received?: { readonly bits_per_second: number };
  readonly sum?: { readonly packets: number; readonly lost_packets: number; readonly seconds: number };
}

async function iperf({ from, address }: Contender, flags: readonly string[]): Promise<IperfEnd> {
  const said = await from.run(['iperf3', '--json', '--client', address, ...flags]);
  return (JSON.parse(said) as { readonly end: IperfEnd }).end;
}

/** User and system time of a process, all its threads: fields 14 and 15 of proc_pid_stat(5). */
async function cpuSeconds(pid: number): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).replace(/^.*\) /, '').split(' ');
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}
