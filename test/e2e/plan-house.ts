/** What `weft plan` says on a host, and what a shell makes of it. */
import assert from 'node:assert/strict';
import { CommandError } from '../support/command.ts';
import { eventually } from '../support/eventually.ts';
import type { WeftHost } from '../support/weft-host.ts';

export interface Planned {
  readonly code: number;
  readonly text: string;
  readonly stderr: string;
}

/** With the flags that the host's daemon has. */
export async function planOn(host: WeftHost, ...flags: readonly string[]): Promise<Planned> {
  return await said(host, ['bin/weft', 'plan', ...host.flags, ...flags]);
}

export async function said(host: WeftHost, command: readonly string[]): Promise<Planned> {
  try {
    return { code: 0, text: await host.run(command), stderr: '' };
  } catch (error) {
    if (!(error instanceof CommandError) || error.exitCode === undefined) throw error;
    return { code: error.exitCode, text: error.stdout, stderr: error.stderr };
  }
}

export function commandsOf({ text }: Planned): string[] {
  return text.split('\n').filter(line => line !== '' && !line.startsWith('#'));
}

/** What the comments say, each on a line however it was wrapped: all of them on one. */
export function proseOf({ text }: Planned): string {
  const comments = text.split('\n').filter(line => line.startsWith('# '));
  return comments.map(line => line.slice(2)).join(' ');
}

/** As it is printed, by a shell that ends at the first failure. */
export async function execute(host: WeftHost, { text }: Planned): Promise<void> {
  await host.run(['sh', '-ec', text]);
}

export async function assertEmpty(host: WeftHost, what: string, ...flags: readonly string[]): Promise<void> {
  const plan = await planOn(host, ...flags);
  assert.deepEqual(commandsOf(plan), [], what);
  assert.match(plan.text, /^# nothing to do: \d+ peers?, \d+ objects are as they shall be$/m, what);
  assert.equal(plan.code, 0, what);
}

/** Waits until the daemon has finished, firewall and all. */
export async function eventuallyEmpty(host: WeftHost): Promise<void> {
  await eventually(`${host.name}'s plan to be empty`, async () => (await planOn(host)).code === 0);
  await assertEmpty(host, host.name);
}
