import assert from 'node:assert/strict';
import { access, chmod, cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import type { Scope } from '../../src/base/scope.ts';
import { testScope } from '../support/leaks.ts';
import { launcher, packageRoot, temporaryFolder, weft } from './cli-weft.ts';

const { version } = JSON.parse(await readFile(path.join(packageRoot, 'package.json'), 'utf8'));

const answered: ReadonlyArray<readonly [args: string, stdout: RegExp, stderr: RegExp]> = [
  ['--version', new RegExp(`^${version}\n$`), /^$/],
  ['version', new RegExp(`^${version}\n$`), /^$/],
  ['run -version', /^$/, new RegExp(`^${version}\n$`)],
  ['--help', /^Usage: weft .*\n {2}run .*\nExamples:\n/s, /^$/],
  ['help config', /^Usage: weft config .*\n {2}put .*\nExamples:\n/s, /^$/],
  ['run -h', /^Usage: weft run .*\n {2}-etcd-endpoints .*\nExamples:\n/s, /^$/],
  ['run --help', /^Usage: weft run /, /^$/],
  ['help run', /^Usage: weft run .*\nExamples:\n/s, /^$/],
  ['config --help', /^Usage: weft config .*\nExamples:\n/s, /^$/],
  ['config check -h', /^Usage: weft config check .*\nExamples:\n/s, /^$/],
  ['config get -h', /^Usage: weft config get .*\n {2}-registry .*\nExamples:\n/s, /^$/],
  ['config put -h', /^Usage: weft config put .*\n {2}-registry .*\nExamples:\n/s, /^$/],
  ['docker-opts --help', /^Usage: weft docker-opts .*\nExamples:\n/s, /^$/],
  ['version --help', /^Usage: weft version .*\nExamples:\n/s, /^$/],
  ['help', /^Usage: weft COMMAND\n.*\n {2}run .*\nExamples:\n/s, /^$/],
  ['help lab up', /^Usage: weft lab up .*\n {2}--hosts N .*\nExamples:\n/s, /^$/],
  ['help config put', /^Usage: weft config put .*\n {2}-registry .*\nExamples:\n/s, /^$/],
  ['lab exec --help', /^Usage: weft lab exec .*\nExit codes: .* N that of\s+the command\n$/s, /^$/],
  ['completion -h', /^Usage: weft completion .* bash\|zsh\|fish\n/s, /^$/],
];

test('help and version are answered on the right stream, in lines of at most 100 columns', async () => {
  for (const [args, stdout, stderr] of answered) {
    const said = await weft(args.split(' '));
    assert.match(said.stdout, stdout, args);
    assert.match(said.stderr, stderr, args);
    assert.equal(said.code, 0, args);
    for (const line of said.stdout.split('\n')) assert.ok(line.length <= 100, line);
  }
});

test('the help of weft fits one screen', async () => {
  const { stdout } = await weft(['--help']);
  assert.ok(stdout.split('\n').length <= 48, stdout);
});

const refused: ReadonlyArray<readonly [args: string, code: number, stderr: string]> = [
  [
    'rn',
    2,
    "weft: unknown command 'rn'; did you mean run?\n  what to do: `weft --help` lists the commands\n",
  ],
  [
    'config ptu',
    2,
    "weft: unknown command 'ptu'; did you mean put?\n  what to do: `weft config --help` lists the commands\n",
  ],
  [
    'help cofnig',
    2,
    'weft: weft has no command "cofnig"; did you mean config?\n  what to do: `weft --help` lists the commands\n',
  ],
  [
    'help lab uup',
    2,
    'weft: weft lab has no command "uup"; did you mean up?\n  what to do: `weft lab --help` lists the commands\n',
  ],
  [
    'lab up --hots 3',
    2,
    "weft: unknown option '--hots'; did you mean --hosts?\n  what to do: `weft lab up --help` shows how it is used\n",
  ],
  [
    '--verson',
    2,
    "weft: unknown option '--verson'; did you mean --version?\n  what to do: `weft --help` lists the commands\n",
  ],
  [
    'run -etcd-endpoint http://10.0.0.1:2379',
    2,
    'weft: -etcd-endpoint: unknown flag; did you mean -etcd-endpoints?\n  what to do: `weft run -h` shows how it is used\n',
  ],
  [
    'run --ip-masq=maybe',
    2,
    'weft: -ip-masq: expected true or false, got "maybe"\n  what to do: `weft run -h` shows how it is used\n',
  ],
  ['config check a b', 2, 'weft: unexpected argument b\n  what to do: weft config check FILE|-\n'],
  ['config check', 2, 'weft: expected a FILE, or - for stdin\n  what to do: weft config check FILE|-\n'],
  [
    'config check -x a',
    2,
    'weft: -x: unknown flag\n  what to do: `weft config check -h` shows how it is used\n',
  ],
  [
    'run -subnet-lease-renew-margin=0 -- -x',
    1,
    'weft: -subnet-lease-renew-margin: expected 1 to 1439, got "0"\n',
  ],
  ['config check -- -x y', 2, 'weft: unexpected argument y\n  what to do: weft config check FILE|-\n'],
  ['config get a', 2, 'weft: unexpected argument a\n  what to do: weft config get [flags]\n'],
  ['run -subnet-lease-renew-margin=0', 1, 'weft: -subnet-lease-renew-margin: expected 1 to 1439, got "0"\n'],
  [
    'run -kube-subnet-mgr',
    1,
    'weft: -kube-subnet-mgr: not supported yet\n  what to do: leave the flag out and keep config and leases in etcd, with -etcd-endpoints\n',
  ],
  [
    'config check /no/such/file',
    1,
    "weft: reading /no/such/file failed: ENOENT: no such file or directory, open '/no/such/file'\n",
  ],
];

test('what is asked wrongly or fails says so, says what to do, and ends with its code', async () => {
  for (const [args, code, stderr] of refused) {
    assert.deepEqual(await weft(args.split(' ')), { code, stdout: '', stderr }, args);
  }
});

test('a bare weft shows its help on stderr and ends with 2', async () => {
  const { code, stdout, stderr } = await weft([]);
  assert.equal(code, 2);
  assert.equal(stdout, '');
  assert.match(stderr, /^Usage: weft /);
});

test('WEFT_DEBUG adds the stack trace', async () => {
  const { stderr } = await weft(['run', '-x'], { env: { WEFT_DEBUG: '1' } });
  assert.match(
    stderr,
    /^weft: -x: unknown flag\n.*\nWeftError: -x: unknown flag\n +at .*\ncaused by .* +at parseFlags /s,
  );
});

test('output that nobody reads to its end is no failure', async () => {
  const piped = ['sh', '-c', '"$0" run -h | head -n 1'];
  assert.deepEqual(await weft([], { enter: piped }), {
    code: 0,
    stdout: 'Usage: weft run [flags]\n',
    stderr: '',
  });
});

test('the launcher starts from any folder, through links, by a relative path and without PATH', async t => {
  const scope = testScope(t);
  const folder = await temporaryFolder(scope);
  await mkdir(path.join(folder, 'node_modules/.bin'), { recursive: true });
  await symlink(packageRoot, path.join(folder, 'node_modules/weft'));
  await symlink('../weft/bin/weft', path.join(folder, 'node_modules/.bin/weft'));
  await symlink(path.join(folder, 'node_modules/.bin/weft'), path.join(folder, 'twice'));
  const ways = [
    { program: path.join(folder, 'node_modules/.bin/weft'), cwd: '/' },
    { program: path.join(folder, 'node_modules/weft/bin/weft'), cwd: '/' },
    { program: './twice', cwd: folder },
    { program: 'weft', enter: ['sh'], cwd: path.dirname(launcher) },
    { program: launcher, enter: ['/usr/bin/env', '-i'], cwd: '/' },
    { program: launcher, env: { PATH: '' }, cwd: '/' },
  ];
  for (const way of ways) {
    assert.deepEqual(
      await weft(['version'], way),
      { code: 0, stdout: `${version}\n`, stderr: '' },
      way.program,
    );
  }
});

/** A copy of the package without node_modules, so that the launcher finds no pinned Node. */
async function barePackage(scope: Scope): Promise<{ program: string; path: string }> {
  const folder = await temporaryFolder(scope);
  await mkdir(path.join(folder, 'weft/bin'), { recursive: true });
  await mkdir(path.join(folder, 'path'));
  await cp(launcher, path.join(folder, 'weft/bin/weft'));
  await symlink(path.join(packageRoot, 'src'), path.join(folder, 'weft/src'));
  return { program: path.join(folder, 'weft/bin/weft'), path: path.join(folder, 'path') };
}

test('without the pinned Node the launcher takes a node on PATH that is new enough', async t => {
  const bare = await barePackage(testScope(t));
  await symlink(process.execPath, path.join(bare.path, 'node'));
  const said = await weft(['version'], { program: bare.program, env: { PATH: bare.path } });
  assert.deepEqual(said, { code: 0, stdout: `${version}\n`, stderr: '' });
});

test('without any Node that is new enough the launcher names what it found and what to do', async t => {
  const bare = await barePackage(testScope(t));
  const remedy =
    '  what to do: run `npm ci` in the package, which brings its own Node, or put Node 22.18 or newer first on PATH\n';
  const call = () => weft(['version'], { program: bare.program, env: { PATH: bare.path } });
  assert.deepEqual(await call(), {
    code: 1,
    stdout: '',
    stderr: `weft: no Node.js found: neither the pinned one in node_modules nor \`node\` on PATH\n${remedy}`,
  });
  const node = path.join(bare.path, 'node');
  for (const old of ['v18.20.4', 'v20.19.0', 'v22.17.1']) {
    await writeFile(node, `#!/bin/sh\necho ${old}\n`);
    await chmod(node, 0o755);
    assert.deepEqual(await call(), {
      code: 1,
      stdout: '',
      stderr: `weft: Node.js 22.18 or newer is needed; the only one found is ${node}, ${old}\n${remedy}`,
    });
  }
});

test('who only looks makes no folder for a registry that is not there, and says that it is not', async t => {
  const folder = path.join(await temporaryFolder(testScope(t)), 'leases');
  for (const args of ['status', 'plan', 'doctor', 'config get']) {
    const { stdout, stderr, code } = await weft([...args.split(' '), '-registry', `dir:${folder}`]);
    assert.match(stdout + stderr, /leases: there is no such folder$/m, args);
    assert.notEqual(code, 0, args);
    await assert.rejects(access(folder), { code: 'ENOENT' }, args);
  }
  assert.match((await weft(['trace', '192.0.2.1', '-registry', `dir:${folder}`])).stdout, /this host/);
  await assert.rejects(access(folder), { code: 'ENOENT' });
});
