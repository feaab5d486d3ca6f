import process from 'node:process';
import { commandLine, endProcess, identify, type ProcessIdentity, processesInNetns } from '../sys/process.ts';
import { checkName } from './lab-plan.ts';
import { hostDirectory, labNames, type ProcessRecord, removeState, runningProcesses } from './lab-state.ts';
import { deleteNamespaces, namespacesOf, netnsPath } from './namespaces.ts';
import { requirePrivileges } from './requirements.ts';

export interface Removal {
  /** False when there was nothing to take away. */
  readonly found: boolean;
  /** What still runs in a namespace of the lab although the lab did not start it: it keeps its network till it ends. */
  readonly strangers: readonly string[];
}

/** A daemon stops within milliseconds, etcd within a second; who makes a lab takes it down itself. */
const graceMs = 5_000;
const makerGraceMs = 20_000;

/**
 * Takes a lab away, whatever state it is in: ends what was recorded as started for it, deletes its namespaces
 * (their devices go with them) and its files. Nothing happens when there is none.
 * @throws WeftError `lab-name`, `lab-privileges`, `program-missing`, `program-failed`
 */
export async function takeDown(lab: string): Promise<Removal> {
  checkName(lab);
  const found = labNames().includes(lab) || namespacesOf(lab).length > 0;
  if (!found) return { found, strangers: [] };
  requirePrivileges('weft lab down');
  await endMaker(lab);
  await Promise.all(others(lab).map(record => endProcess(record, graceMs)));
  await Promise.all(unrecorded(lab).map(daemon => endProcess(daemon, graceMs)));
  const strangers = namespacesOf(lab).flatMap(strangersIn);
  await deleteNamespaces(lab);
  removeState(lab);
  return { found, strangers };
}

/** First, so that it does not go on making what is taken away here. */
async function endMaker(lab: string): Promise<void> {
  const makers = runningProcesses(lab).filter(record => isMaker(record) && record.pid !== process.pid);
  await Promise.all(makers.map(record => endProcess(record, makerGraceMs)));
}

function others(lab: string): ProcessRecord[] {
  return runningProcesses(lab).filter(record => !isMaker(record));
}

/** Daemons of the lab's hosts that were started in the very moment in which the one who starts them was killed. */
function unrecorded(lab: string): ProcessIdentity[] {
  const start = ` run -iface eth0 -subnet-file ${hostDirectory(lab, 'host')}`;
  const isDaemon = (pid: number): boolean => commandLine(pid).includes(start);
  return namespacesOf(lab)
    .flatMap(netns => processesInNetns(netnsPath(netns)))
    .filter(isDaemon)
    .flatMap(pid => identify(pid) ?? []);
}

function isMaker(record: ProcessRecord): boolean {
  return record.role === 'maker';
}

function strangersIn(netns: string): string[] {
  return processesInNetns(netnsPath(netns)).map(pid => `process ${pid} in ${netns}: ${commandLine(pid)}`);
}
