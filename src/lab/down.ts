import process from 'node:process';
import { commandLine, endProcess, processesInNetns } from '../sys/process.ts';
import { checkName } from './lab-plan.ts';
import { labNames, type ProcessRecord, removeState, runningProcesses } from './lab-state.ts';
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

function isMaker(record: ProcessRecord): boolean {
  return record.role === 'maker';
}

function strangersIn(netns: string): string[] {
  return processesInNetns(netnsPath(netns)).map(pid => `process ${pid} in ${netns}: ${commandLine(pid)}`);
}
