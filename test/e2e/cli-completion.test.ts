import assert from 'node:assert/strict';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import type { Scope } from '../../src/base/scope.ts';
import { defaultShape } from '../../src/lab/lab-plan.ts';
import { claimLab, stateDirectory, writeRecord } from '../../src/lab/lab-state.ts';
import { run } from '../support/command.ts';
import { testScope } from '../support/leaks.ts';
import { bash, type Completer, fish, searchPath, zsh } from './cli-shells.ts';
import { packageRoot, temporaryFolder, weft } from './cli-weft.ts';

/** What is offered behind `line`, without the part of the word that is there for good (`-log-format=`). */
const cases: ReadonlyArray<readonly [line: string, ...offered: string[]]> = [
  ['weft ru', 'run'],
  ['weft con', 'config'],
  ['weft config ', 'check', 'get', 'put'],
  ['weft help lab d', 'demo', 'down'],
  ['weft completion ', 'bash', 'fish', 'zsh'],
  ['weft run -log-f', '-log-format'],
  ['weft run --log-f', '--log-format'],
  ['weft run -log-format ', 'auto', 'json', 'text'],
  ['weft run -log-format=', 'auto', 'json', 'text'],
  ['weft run --log-format=j', 'json'],
  ['weft run -ip-masq=', 'false', 'true'],
  ['weft run -iface ', 'lo'],
  ['weft run -iface lo -ifac', '-iface', '-iface-can-reach', '-iface-regex'],
  ['weft run -etcd-endpoints http://10.0.0.1:2379 --log-f', '--log-format'],
  ['weft run -etcd-endpoints=http://10.0.0.1:2379 -etcd-p', '-etcd-password', '-etcd-prefix'],
  ['weft run -registry ', 'dir:', 'etcd'],
  ['weft run -registry dir:st', 'store'],
  ['weft run -registry=dir:st', 'store'],
  ['weft run -subnet-file n', 'net.json'],
  ['weft run --subnet-file=n', 'net.json'],
  ['weft config put ', 'net.json', 'store', 'two words'],
  ['weft docker-opts -f t', 'two words'],
  ['weft lab up --ba', '--backend'],
  ['weft lab up --backend ', 'host-gw', 'udp', 'vxlan', 'vxlan-direct'],
  ['weft lab up --family=4', '4', '46'],
  ['weft lab down --name ', 'lab', 'other'],
  ['weft lab exec ', 'host1', 'host1/c1', 'host2', 'host2/c1', 'switch'],
  ['weft lab exec --name other h', 'host1'],
  ['weft lab exec host1 -- nsent', 'nsenter'],
  [path.join(packageRoot, 'bin/weft lab ex'), 'exec'],
];

/** A folder with some files, and two labs as their state folder shows them. */
async function surroundings(scope: Scope): Promise<string> {
  const folder = await temporaryFolder(scope);
  await mkdir(path.join(folder, 'store'));
  for (const file of ['net.json', 'two words']) await writeFile(path.join(folder, file), '');
  const labs = [defaultShape, { ...defaultShape, name: 'other', hosts: 1, containersPerHost: 0 }];
  for (const shape of labs) {
    assert.ok(claimLab(shape), shape.name);
    scope.defer(shape.name, () => rm(stateDirectory(shape.name), { recursive: true }));
    writeRecord({ shape, complete: true });
  }
  return folder;
}

async function completesAll(completer: Completer): Promise<void> {
  for (const [line, ...offered] of cases) {
    const before = line.split(' ').slice(0, -1);
    const [, stays = ''] = /^(.*[=:])?/.exec(line.slice(before.join(' ').length + 1)) ?? [];
    const words = await completer(line);
    assert.deepEqual(words.slice(0, before.length), before, line);
    const found = words.slice(before.length).map(word => {
      return (word.startsWith(stays) ? word.slice(stays.length) : word).replace(/\/$/, '');
    });
    assert.deepEqual(found.sort(), offered, line);
  }
}

test('bash at a terminal completes commands, flags, values, files and labs', async t => {
  const scope = testScope(t);
  await completesAll(await bash(scope, await surroundings(scope)));
});

test('zsh at a terminal completes commands, flags, values, files and labs', async t => {
  const scope = testScope(t);
  await completesAll(await zsh(scope, await surroundings(scope)));
});

test('fish completes commands, flags, values, files and labs', async t => {
  const scope = testScope(t);
  await completesAll(fish(await surroundings(scope)));
});

/** Words as bash cuts them, the last one to be completed; COMP_LINE, if any; what COMPREPLY then holds. */
const calls: ReadonlyArray<readonly [words: readonly string[], line: string, ...reply: string[]]> = [
  [['weft', 'ru'], '', 'run'],
  [['weft', 'lab', ''], 'weft lab ', 'up', 'ls', 'exec', 'down', 'demo'],
  [['weft', 'run', '-log-format', '=', 'j'], 'weft run -log-format=j', 'json'],
  [['weft', 'run', '-log-format', '=', 'j'], '', 'json'],
  [['weft', 'run', '-log-format=j'], '', '-log-format=json'],
  [['weft', 'run', '-log-format', '='], '', 'auto', 'text', 'json'],
  [['weft', 'run', '-registry', 'd'], '', 'dir:'],
  [['weft', 'run', '-etcd-username', '=', '--log-f'], 'weft run -etcd-username= --log-f', '--log-format'],
  [['weft', 'run', '-etcd-endpoints', 'http', ':', '//h', ':', '1', '--log-f'], '', '--log-format'],
];

test('the function of the bash script answers whether bash has cut words at = and : or not', async () => {
  const { stdout: script } = await weft(['completion', 'bash']);
  const call = `
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
    _weft
    printf '%s\\n' "\${COMPREPLY[@]}"
  `;
  for (const [words, line, ...reply] of calls) {
    const env = { PATH: searchPath, COMP_LINE: line };
    const said = await run(['bash', '--norc', '-uc', script + call, 'bash', ...words], { env });
    assert.deepEqual(said.trim().split('\n'), reply, words.join(' '));
  }
});

test('zsh finds the script by itself in a folder of fpath', async t => {
  const scope = testScope(t);
  const completer = await zsh(
    scope,
    await temporaryFolder(scope),
    'fpath=($SITE_FUNCTIONS $fpath); compinit -u -D',
  );
  assert.deepEqual(await completer('weft config p'), ['weft', 'config', 'put']);
  assert.deepEqual(await completer('weft run -log-format=j'), ['weft', 'run', '-log-format=json']);
});

test('zsh says what to do when its completion system is not there yet', async () => {
  const script = path.join(packageRoot, 'share/zsh/site-functions/_weft');
  assert.equal(
    await run(['zsh', '-f', '-c', 'source $1 2>&1', 'zsh', script]),
    'weft: call compinit before this script is read (autoload -U compinit && compinit)\n',
  );
});

test('what cannot be completed is answered with nothing, and says nothing', async () => {
  for (const words of [
    ['nonsense', ''],
    ['config', 'nonsense', ''],
    ['run', '-etcd-prefix', ''],
  ]) {
    const said = await weft(['__complete', ...words]);
    assert.deepEqual(said, { code: 0, stdout: 'nothing\t\n', stderr: '' }, words.join(' '));
  }
});

test('another shell is refused, with those that there are', async () => {
  assert.deepEqual(await weft(['completion', 'tcsh']), {
    code: 2,
    stdout: '',
    stderr:
      "weft: command-argument value 'tcsh' is invalid for argument 'shell'. Allowed choices are bash, zsh,\n      fish.\n  what to do: `weft completion --help` shows how it is used\n",
  });
});
