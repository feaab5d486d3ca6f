import assert from 'node:assert/strict';
import { test } from 'node:test';
import { launcher, weft } from './cli-weft.ts';

/** Runs weft at a terminal of its own. */
async function atTerminal(args: string, columns: number, env: Record<string, string>): Promise<string> {
  const command = `stty cols ${columns}; ${launcher} ${args}`;
  const said = await weft(['-qec', command, '/dev/null'], {
    program: 'script',
    env: { TERM: 'xterm', ...env },
  });
  return said.stdout.replaceAll('\r', '');
}

function isColoured(text: string): boolean {
  return text.includes('\x1b[');
}

const colours: ReadonlyArray<readonly [env: Record<string, string>, terminal: boolean, pipe: boolean]> = [
  [{}, true, false],
  [{ NO_COLOR: '1' }, false, false],
  [{ NO_COLOR: '1', FORCE_COLOR: '1' }, false, false],
  [{ CLICOLOR: '0' }, false, false],
  [{ TERM: 'dumb' }, false, false],
  [{ FORCE_COLOR: '1' }, true, true],
  [{ CLICOLOR_FORCE: '1' }, true, true],
];

test('help is coloured on a terminal only, unless the environment says otherwise', async () => {
  for (const [env, terminal, pipe] of colours) {
    for (const args of ['--help', 'run -h', 'lab up --help', 'help cleanup']) {
      const piped = await weft(args.split(' '), { env });
      const found = [isColoured(await atTerminal(args, 80, env)), isColoured(piped.stdout)];
      assert.deepEqual(found, [terminal, pipe], `${args} with ${JSON.stringify(env)}`);
      // Node itself warns of these two together.
      if (env['NO_COLOR'] === undefined) assert.equal(piped.stderr, '');
    }
  }
});

test('help is as wide as the terminal, and never over 100 columns', async () => {
  for (const [terminal, widest] of [
    [60, 60],
    [80, 80],
    [100, 100],
    [200, 100],
  ] as const) {
    const lines = (await atTerminal('run -h', terminal, { NO_COLOR: '1' })).split('\n');
    const examples = lines.indexOf('Examples:');
    const longest = Math.max(
      ...lines
        .slice(0, examples)
        .filter(line => !/\S{28}/.test(line))
        .map(line => line.length),
    );
    assert.ok(longest <= widest && longest > widest - 20, `${longest} at ${terminal}`);
  }
});

test('help of a command and help before a command are the same', async () => {
  for (const name of ['run', 'config', 'config put', 'lab', 'lab exec', 'completion', 'version']) {
    const [behind, before] = await Promise.all([
      weft([...name.split(' '), '--help']),
      weft(['help', ...name.split(' ')]),
    ]);
    assert.deepEqual(before, behind, name);
    assert.match(before.stdout, new RegExp(`^Usage: weft ${name}\\b`));
  }
});
