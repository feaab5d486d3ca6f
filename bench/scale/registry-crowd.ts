/** Many fake hosts in a few processes, as one thing. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Scope } from '../../src/base/scope.ts';
import type { HostsReport, HostsTask } from './registry-messages.ts';

export interface Crowd {
  /** Tells all processes, and adds up their answers. */
  tell(task: HostsTask): Promise<HostsReport>;
  /** Asks until `holds`. @throws Error with the last answer when that takes too long */
  until(what: string, holds: (report: HostsReport) => boolean): Promise<HostsReport>;
}

/** Enough for a few; each process takes memory and turns of its own. */
const hostsPerProcess = 500;
const patienceMs = 600_000;

/** Hosts that do nothing yet; the scope ends them. */
export function gather(scope: Scope, hosts: number, url: string, prefix: string): Crowd {
  const file = path.join(import.meta.dirname, 'registry-hosts.ts');
  const children: ChildProcess[] = [];
  const ended = new AbortController();
  for (let first = 0; first < hosts; first += hostsPerProcess) {
    const count = Math.min(hostsPerProcess, hosts - first);
    const child = fork(file, [url, prefix, String(first), String(count)]);
    child.once('exit', status => ended.abort(new Error(`a process of hosts has ended: ${status}`)));
    children.push(child);
  }
  scope.defer('processes of hosts', () => void children.map(child => child.kill('SIGKILL')));
  const tell = async (task: HostsTask): Promise<HostsReport> => {
    const answers = children.map(async child => {
      const answer = once(child, 'message', { signal: ended.signal });
      child.send(task);
      const [report] = (await answer) as [HostsReport];
      return report;
    });
    return (await Promise.all(answers)).reduce(sum);
  };
  const until: Crowd['until'] = async (what, holds) => {
    for (const endMs = performance.now() + patienceMs; ; ) {
      const report = await tell({ do: 'report' });
      if (holds(report)) return report;
      if (performance.now() > endMs)
        throw new Error(`${what}: not within ${patienceMs} ms: ${JSON.stringify(report)}`);
      await sleep(20);
    }
  };
  return { tell, until };
}

function sum(one: HostsReport, other: HostsReport): HostsReport {
  return {
    leased: one.leased + other.leased,
    renewed: one.renewed + other.renewed,
    failed: one.failed + other.failed,
    events: one.events + other.events,
    snapshots: one.snapshots + other.snapshots,
    connected: one.connected + other.connected,
    least: Math.min(one.least, other.least),
    heardMs: [...one.heardMs, ...other.heardMs],
    renewalsMs: [...one.renewalsMs, ...other.renewalsMs],
  };
}
