/**
 * The cgroups that container engines in tests make. cgroups are not namespaced away as all else in the sandbox is,
 * so their names say which run they belong to, and the runner removes what is left of its own and of dead runs.
 */
import { existsSync, readdirSync, rmdirSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { eventually } from './eventually.ts';

const root = '/sys/fs/cgroup';

const ownPrefix = `weft-${process.env['WEFT_TEST_RUN'] ?? 0}-${process.pid}-`;

/** A cgroup name (for every hierarchy) that no other test file in this or another run has. */
export function uniqueCgroup(label: string): string {
  return `${ownPrefix}${label}`;
}

/** The names of the cgroups that there are of this test process. */
export function ownCgroups(): Set<string> {
  const directories = cgroupsNamed(name => name.startsWith(ownPrefix));
  return new Set(directories.map(directory => path.basename(directory)));
}

/**
 * Removes a cgroup and all below from every hierarchy; waits until the processes in it, which must be dying, are
 * gone.
 */
export async function removeCgroup(name: string): Promise<void> {
  for (const directory of cgroupsNamed(entry => entry === name)) {
    await eventually(`removal of ${directory}`, () => {
      if (existsSync(directory)) removeTree(directory);
      return true;
    });
  }
}

/** Removes the cgroups of the test run that has this pid, and of all runs whose process is no more. */
export async function sweepCgroups(runPid: number): Promise<void> {
  const isDead = (pid: string | undefined) => pid === `${runPid}` || (pid && !existsSync(`/proc/${pid}`));
  const dead = cgroupsNamed(name => Boolean(isDead(/^weft-(\d+)-/.exec(name)?.[1])));
  for (const name of new Set(dead.map(directory => path.basename(directory)))) await removeCgroup(name);
}

/** cgroup v1 has a directory per controller, each with the same names below; v2 has a single tree. */
function cgroupsNamed(matches: (name: string) => boolean): string[] {
  return ['', ...directories(root)].flatMap(controller =>
    directories(path.join(root, controller))
      .filter(matches)
      .map(name => path.join(root, controller, name)),
  );
}

function removeTree(directory: string): void {
  for (const child of directories(directory)) removeTree(path.join(directory, child));
  rmdirSync(directory);
}

function directories(parent: string): string[] {
  if (!existsSync(parent)) return [];
  return readdirSync(parent, { withFileTypes: true })
    .filter(entry => entry.isDirectory())
    .map(entry => entry.name);
}
