/** Do this host and the others agree about the time? Certificates, directories of leases and logs depend on it. */
import type { Check } from '../check.ts';
import { counted } from '../counted.ts';
import { type Finding, ok, skip, warn } from '../finding.ts';
import type { ProbedPeer } from '../peer-probes.ts';
import type { Scene } from '../scene.ts';

export const clock: Check = { name: 'clock', title: 'clock', look };

/** Chosen: synchronised clocks differ by less than a tenth of a second, and no answer takes so long. */
const mostMs = 5000;

async function look(scene: Scene): Promise<Finding | Finding[]> {
  if (scene.options.peerPort === 0) return skip('-peer-port is 0: no peer can be asked for its time');
  const { peers } = await scene.probes();
  const hosts = hostsIn(peers);
  if (hosts.length === 0)
    return skip('no peer tells its time: none of their daemons answers at its peer door');
  const off = hosts.filter(({ aheadMs }) => Math.abs(aheadMs) > mostMs);
  if (off.length === 0)
    return ok(`its time is that of ${counted(hosts.length, 'peer')} within ${mostMs / 1000} s`);
  return isOurs(hosts, off) ? ourClock(off) : off.map(theirClock);
}

export interface HostTime {
  readonly address: string;
  readonly subnet: string;
  /** The peer's clock before ours; negative: behind. */
  readonly aheadMs: number;
}

/** Each host once, whatever families it has. */
function hostsIn(peers: readonly ProbedPeer[]): HostTime[] {
  const hosts = new Map<string, HostTime>();
  for (const { address, subnet, lease, door } of peers) {
    if (door.kind !== 'hello') continue;
    const name = lease.attrs.publicIp ?? address;
    if (!hosts.has(name)) hosts.set(name, { address: name, subnet, aheadMs: door.aheadMs });
  }
  return [...hosts.values()];
}

/** It is we who are wrong when most of the others agree that we are, on the same side. */
export function isOurs(hosts: readonly HostTime[], off: readonly HostTime[]): boolean {
  const ahead = off.filter(({ aheadMs }) => aheadMs > 0).length;
  return hosts.length > 1 && Math.max(ahead, off.length - ahead) * 2 > hosts.length;
}

function ourClock(off: readonly HostTime[]): Finding {
  const [first] = off;
  const aheadMs = first?.aheadMs ?? 0;
  const side = aheadMs > 0 ? 'behind' : 'ahead of';
  return warn(`this host's clock is ${durationText(aheadMs)} ${side} that of its peers`, {
    evidence: off.slice(0, 5).map(timeText),
    remedy: { commands: [], text: synchronise },
  });
}

function theirClock(host: HostTime): Finding {
  const side = host.aheadMs > 0 ? 'ahead of' : 'behind';
  return warn(`the clock of ${host.address} is ${durationText(host.aheadMs)} ${side} ours`, {
    evidence: [timeText(host)],
    remedy: { commands: [], text: synchronise, on: host.address },
    peer: host.subnet,
  });
}

const synchronise = 'let an NTP client set it: `chronyc makestep`, or `timedatectl set-ntp true`';

function timeText({ address, aheadMs }: HostTime): string {
  const theirs = new Date(Date.now() + aheadMs).toISOString();
  return `${address}: ${theirs} there when it is ${new Date().toISOString()} here`;
}

function durationText(milliseconds: number): string {
  const seconds = Math.round(Math.abs(milliseconds) / 1000);
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
}
