/** What a process costs, as the kernel counts it. */
import { readdirSync, readFileSync } from 'node:fs';
import type { Daemon } from '../../test/support/daemon.ts';
import type { WeftHost } from '../../test/support/weft-host.ts';
import { pinnedNode } from '../machine.ts';

export interface Memory {
  /** VmRSS: the program's own file, shared with all its like, among it. */
  readonly rssMegabytes: number;
  /** VmHWM: the most that it ever was. */
  readonly peakMegabytes: number;
}

export function memoryOf({ pid }: Daemon): Memory {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  // Kibibytes, though proc(5) writes kB.
  const megabytes = (name: string): number =>
    (Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1]) * 1024) / 1e6;
  return { rssMegabytes: megabytes('VmRSS'), peakMegabytes: megabytes('VmHWM') };
}

/** Of JavaScript's objects that are in use, garbage gone: asks the inspector of a daemon on this host. */
export async function heapMegabytes(daemon: Daemon, host: WeftHost): Promise<number> {
  daemon.signal('SIGUSR1');
  const bytes = await host.netns.run([pinnedNode(), 'bench/scale/heap-in-use.ts']);
  return Number(bytes) / 1e6;
}

export interface Activity {
  /** Of all its threads. */
  readonly cpuMs: number;
  /** How often one of them went to sleep, and so was woken. */
  readonly wakeups: number;
}

/** Since the process began; of threads that live. */
export function activityOf({ pid }: Daemon): Activity {
  const threads = readdirSync(`/proc/${pid}/task`).map(thread => `/proc/${pid}/task/${thread}`);
  let [cpuMs, wakeups] = [0, 0];
  for (const thread of threads) {
    const [nanoseconds] = readFileSync(`${thread}/schedstat`, 'utf8').split(' ');
    cpuMs += Number(nanoseconds) / 1e6;
    const status = readFileSync(`${thread}/status`, 'utf8');
    wakeups += Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)?.[1]);
  }
  return { cpuMs, wakeups };
}
