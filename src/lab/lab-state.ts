/**
 * What a lab leaves on disk while it stands, so that another process can list it and take it down:
 *
 *     /run/weft/lab/NAME/lab.json             its shape, and whether it is complete
 *                       /processes/PID.json   what was started for it, one file each
 *                       /registry/            with --registry dir: the hosts' common registry
 *                       /etcd/, etcd.log      with --registry etcd
 *                       /host1/subnet.env     written by the host's daemon
 *                       /host1/weft.log       what that daemon says
 */
import { mkdirSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import process from 'node:process';
import { WeftError } from '../base/errors.ts';
import { parseSubnetEnv, type SubnetEnv } from '../lease/subnet-env.ts';
import { readFileIfThere, writeFileAtomic } from '../sys/files.ts';
import { identify, isRunning, type ProcessIdentity } from '../sys/process.ts';
import { labBackends } from './lab-network.ts';
import { defaultShape, type LabShape, labFamilies } from './lab-plan.ts';

export interface LabRecord {
  readonly shape: LabShape;
  /** False while it is being made, and for good when that was cut short. */
  readonly complete: boolean;
}

export interface ProcessRecord extends ProcessIdentity {
  /** `maker`, `etcd`, `weft on host1`, `exec on host1/c1`. */
  readonly role: string;
}

const root = '/run/weft/lab';

export const stateDirectory = (lab: string): string => `${root}/${lab}`;
export const hostDirectory = (lab: string, host: string): string => `${root}/${lab}/${host}`;
export const subnetFile = (lab: string, host: string): string => `${hostDirectory(lab, host)}/subnet.env`;
export const daemonLog = (lab: string, host: string): string => `${hostDirectory(lab, host)}/weft.log`;

/** Takes the name for a new lab; false when it is taken. Of several that try at once one succeeds. */
export function claimLab(shape: LabShape): boolean {
  mkdirSync(root, { recursive: true, mode: 0o755 });
  try {
    mkdirSync(stateDirectory(shape.name), { mode: 0o755 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
  mkdirSync(processDirectory(shape.name));
  recordProcess(shape.name, 'maker', process.pid);
  writeRecord({ shape, complete: false });
  return true;
}

export function writeRecord(record: LabRecord): void {
  writeFileAtomic(recordFile(record.shape.name), `${JSON.stringify(record, undefined, 2)}\n`);
}

/**
 * The record of a lab: undefined when there is no lab, `half-made` when its making was cut short before there was any.
 * @throws WeftError `lab-state` for a file that is not that lab's
 */
export function readRecord(lab: string): LabRecord | 'half-made' | undefined {
  const path = recordFile(lab);
  const text = readFileIfThere(path);
  if (text === undefined) return labNames().includes(lab) ? 'half-made' : undefined;
  const record = parseRecord(text);
  if (record?.shape.name === lab) return record;
  const found = record === undefined ? 'something else' : `that of lab ${record.shape.name}`;
  throw new WeftError('lab-state', `expected the record of lab ${lab} in ${path}, found ${found}`, {
    remedy: `weft lab down --name ${lab}`,
  });
}

/** All labs that there are, made or half made. */
export function labNames(): string[] {
  return namesIn(root).sort();
}

/** Notes a process that just started, so that `down` may end it; without effect when it is gone already. */
export function recordProcess(lab: string, role: string, pid: number): void {
  const identity = identify(pid);
  if (identity === undefined) return;
  const record: ProcessRecord = { ...identity, role };
  writeFileAtomic(processFile(lab, pid), `${JSON.stringify(record)}\n`);
}

export function forgetProcess(lab: string, pid: number): void {
  rmSync(processFile(lab, pid), { force: true });
}

/** The recorded processes that still run. */
export function runningProcesses(lab: string): ProcessRecord[] {
  return namesIn(processDirectory(lab))
    .flatMap(name => parseProcess(readFileIfThere(`${processDirectory(lab)}/${name}`) ?? '') ?? [])
    .filter(isRunning);
}

/** What the host's daemon wrote; undefined before it has. */
export function readSubnetFile(lab: string, host: string): SubnetEnv | undefined {
  const text = readFileIfThere(subnetFile(lab, host));
  return text === undefined ? undefined : parseSubnetEnv(text);
}

/** Removes all files of the lab, and the directories above that are empty then. */
export function removeState(lab: string): void {
  rmSync(stateDirectory(lab), { recursive: true, force: true });
  for (const directory of [root, '/run/weft']) {
    try {
      rmdirSync(directory);
    } catch {
      return;
    }
  }
}

const recordFile = (lab: string): string => `${stateDirectory(lab)}/lab.json`;
const processDirectory = (lab: string): string => `${stateDirectory(lab)}/processes`;
const processFile = (lab: string, pid: number): string => `${processDirectory(lab)}/${pid}.json`;

function parseRecord(text: string): LabRecord | undefined {
  const record = parseJson(text) as Partial<LabRecord> | undefined;
  // What a lab of an earlier version does not name is as it was then.
  const { name, hosts, containersPerHost, registry, backend, family, probing } = {
    ...defaultShape,
    ...record?.shape,
  };
  if (typeof name !== 'string' || typeof hosts !== 'number' || typeof containersPerHost !== 'number')
    return undefined;
  if (registry !== 'dir' && registry !== 'etcd') return undefined;
  if (!labBackends.includes(backend) || !labFamilies.includes(family)) return undefined;
  if (typeof probing !== 'boolean') return undefined;
  const shape = { name, hosts, containersPerHost, registry, backend, family, probing };
  return { shape, complete: record?.complete === true };
}

function parseProcess(text: string): ProcessRecord | undefined {
  const record = parseJson(text) as Partial<ProcessRecord> | undefined;
  const { pid, startTicks, role } = record ?? {};
  if (!Number.isInteger(pid) || !Number.isInteger(startTicks) || typeof role !== 'string') return undefined;
  return { pid: pid as number, startTicks: startTicks as number, role };
}

function parseJson(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
