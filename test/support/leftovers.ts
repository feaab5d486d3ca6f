/**
 * The last act of a test run, inside the sandbox: says what all the tests together have left behind, and fails if
 * that is anything. `testScope` of leaks.ts finds the guilty test; this finds what no scope was asked to guard.
 */
import { readdirSync, readFileSync } from 'node:fs';
import process from 'node:process';
import { eventually } from './eventually.ts';

/** Pid 1 is the sandbox's shell. */
function processes(): string[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name) && name !== '1' && Number(name) !== process.pid)
    .map(pid => ({ pid, commandLine: commandLine(pid) }))
    .filter(({ commandLine }) => commandLine !== '')
    .map(({ pid, commandLine }) => `process ${pid}: ${commandLine}`);
}

/** Empty for what is gone, and for what has ended and is not buried yet. */
function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
  } catch {
    return '';
  }
}

/** Undefined when the sandbox could not give the tests a private one. */
const temporary = process.env['TMPDIR'];

function leftovers(): string[] {
  return [
    ...processes(),
    ...readdirSync('/run/netns').map(name => `network namespace ${name}`),
    ...readdirSync('/sys/class/net')
      .filter(name => name !== 'lo')
      .map(name => `link ${name}`),
    ...readdirSync('/run/flannel').map(name => `file /run/flannel/${name}`),
    ...(temporary === undefined ? [] : readdirSync(temporary).map(name => `file ${temporary}/${name}`)),
  ];
}

await eventually('a clean sandbox', () => leftovers().length === 0, { timeoutMs: 3_000 }).catch(() => {
  process.stderr.write(
    `left behind by the tests:\n${leftovers()
      .map(item => `  ${item}\n`)
      .join('')}`,
  );
  process.exitCode = 1;
});
