/**
 * What a test leaves behind fails it. `testScope(t)` is how a kernel or e2e test begins: a Scope that is closed when
 * the test ends, after which everything must be as before.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import process from 'node:process';
import { Scope } from '../../src/base/scope.ts';
import { ownCgroups } from './cgroups.ts';
import { ownerMark } from './command.ts';
import { eventually } from './eventually.ts';
import { ownNamePrefix } from './netns.ts';

/** A test, a suite, or `node:test` itself (for what a whole file shares): anything with an `after` hook. */
export interface Owner {
  after(close: () => Promise<void>): void;
}

/** A scope that closes after the test; the test then fails if a namespace, process or device of it is left. */
export function testScope(owner: Owner): Scope {
  const before = takeInventory();
  const scope = new Scope();
  owner.after(async () => {
    await scope.close();
    await assertNoLeaks(before);
  });
  return scope;
}

/** What can be left behind, one readable line each. */
export type Inventory = ReadonlySet<string>;

/**
 * The namespaces, processes and cgroups that are this test process's, and the devices in the sandbox's own network namespace
 * (where no test has any business).
 */
export function takeInventory(): Inventory {
  const cgroups = [...ownCgroups()].map(name => `cgroup ${name}`);
  return new Set([...ownNamespaces(), ...ownProcesses(), ...cgroups, ...sandboxLinks()]);
}

/**
 * Gives what is dying some time to be gone.
 * @throws AssertionError naming what is there now and was not `before`
 */
export async function assertNoLeaks(before: Inventory, timeoutMs = 5_000): Promise<void> {
  const extra = () => [...takeInventory()].filter(item => !before.has(item));
  await eventually('a clean machine', () => extra().length === 0, { timeoutMs }).catch(() => {
    assert.deepEqual(extra(), [], 'left behind');
  });
}

function ownNamespaces(): string[] {
  return readdirSync('/run/netns')
    .filter(name => name.startsWith(ownNamePrefix))
    .map(name => `network namespace ${name}`);
}

function ownProcesses(): string[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter(pid => readProc(pid, 'environ').split('\0').includes(ownerMark))
    .map(pid => `process ${pid}: ${readProc(pid, 'cmdline').replaceAll('\0', ' ').trim()}`);
}

function sandboxLinks(): string[] {
  return readdirSync('/sys/class/net').map(name => `link ${name} in the sandbox's own namespace`);
}

/** Empty for a process that is gone. */
function readProc(pid: string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
}
