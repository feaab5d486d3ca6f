import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import process from 'node:process';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { describeError, hasCode } from '../../../src/base/errors.ts';
import { runPostStartup, runPreStartup, tellOfPeer } from '../../../src/daemon/extension-commands.ts';
import { parseLeaseAttrs } from '../../../src/lease/lease-attrs.ts';
import { parseSubnetKey } from '../../../src/lease/subnet-key.ts';
import { scriptFolder } from '../../support/scripts.ts';
import { hostOf } from '../backend/hosts.ts';
import { carried, commandsOf, rememberingLog } from './extension-house.ts';

const { signal } = new AbortController();
const tools = { log: rememberingLog(), signal };

/** Writes down what it was given, exactly, next to itself. */
const scribe = `cd "\${0%/*}"
for word in "$@"; do printf '%s\\0' "$word"; done > words
for name in NETWORK SUBNET IPV6SUBNET PUBLIC_IP PUBLIC_IPV6; do
  eval "printf '%s=%s\\n' $name \\"\\\${$name-unset}\\""
done > variables
cat > input`;

function setVariables(t: TestContext, variables: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(variables)) {
    process.env[name] = value;
    t.after(() => delete process.env[name]);
  }
}

test('PostStartupCommand is told of this host', async t => {
  const folder = scriptFolder(t);
  const options = { Type: 'extension', PostStartupCommand: `${folder.script('up', scribe)} now` };
  await runPostStartup(commandsOf(options), hostOf(options), tools);
  assert.equal(folder.read('words'), 'now\0');
  assert.equal(folder.read('input'), '\n');
  assert.deepEqual(folder.read('variables').trim().split('\n'), [
    'NETWORK=10.2.0.0/16',
    'SUBNET=10.2.1.0/24',
    'IPV6SUBNET=',
    'PUBLIC_IP=192.0.2.1',
    'PUBLIC_IPV6=2001:db8::1',
  ]);
});

const peers = [
  [carried(14, 'a key'), ['unset', '10.2.14.0/24', 'unset', '192.0.2.14', 'unset'], 'a key\n'],
  [
    carried(15, undefined, { PublicIPv6: '2001:db8::15' }),
    ['unset', '10.2.15.0/24', 'fd00:2:0:15::/64', '192.0.2.15', '2001:db8::15'],
    '\n',
  ],
] as const;
test("a peer's command is told of the peer, and of nothing that is ours by accident", async t => {
  setVariables(t, { IPV6SUBNET: 'ours', PUBLIC_IPV6: 'ours', SUBNET: 'ours' });
  const folder = scriptFolder(t);
  const script = folder.script('tell', scribe);
  const commands = commandsOf({ SubnetAddCommand: script, SubnetRemoveCommand: `${script} gone` });
  for (const name of ['SubnetAddCommand', 'SubnetRemoveCommand'] as const) {
    for (const [peer, values, input] of peers) {
      await tellOfPeer(name, commands, peer, tools);
      const read = folder.read('variables').trim().split('\n');
      assert.deepEqual(
        read.map(line => line.slice(line.indexOf('=') + 1)),
        values,
      );
      assert.equal(folder.read('input'), input);
      assert.equal(folder.read('words'), name === 'SubnetAddCommand' ? '' : 'gone\0');
    }
  }
});

test('a command that is not wanted is not run', async () => {
  const commands = commandsOf({});
  assert.equal(await runPreStartup(commands, tools), undefined);
  await runPostStartup(commands, hostOf({ Type: 'extension' }), tools);
  await tellOfPeer('SubnetAddCommand', commands, carried(14), tools);
});

test('PreStartupCommand reads one newline, and what it prints on both streams is published, trimmed', async t => {
  const folder = scriptFolder(t);
  const script = folder.script('key', 'cat >&2; echo "  the key "; echo >&2');
  const output = await runPreStartup(commandsOf({ PreStartupCommand: script }), tools);
  assert.equal(output, 'the key');
});

test('a PreStartupCommand or PostStartupCommand that fails is fatal, and says why', async t => {
  const folder = scriptFolder(t);
  const script = folder.script('fail', 'echo no tunnel here; exit 7');
  const isFailure = (error: unknown): boolean =>
    hasCode(error, 'extension-command-failed') &&
    /StartupCommand .*\/fail failed.*status 7: no tunnel here/.test(describeError(error));
  const commands = commandsOf({ PreStartupCommand: script, PostStartupCommand: script });
  await assert.rejects(runPreStartup(commands, tools), isFailure);
  await assert.rejects(runPostStartup(commands, hostOf({ Type: 'extension' }), tools), isFailure);
  const long = folder.script('long', 'head -c 20000 /dev/zero | tr "\\0" x');
  await assert.rejects(runPreStartup(commandsOf({ PreStartupCommand: long }), tools), error =>
    hasCode(error, 'extension-output-too-long'),
  );
});

test('a command has a time limit', async () => {
  const commands = commandsOf({ SubnetAddCommand: 'sleep 1000', CommandTimeout: 1 });
  await assert.rejects(tellOfPeer('SubnetAddCommand', commands, carried(14), tools), error =>
    hasCode(error, 'program-timeout'),
  );
});

test('variables are filled in within their words, which stay one word each', async t => {
  const folder = scriptFolder(t);
  const script = folder.script('add', scribe);
  setVariables(t, { WEFT_TEST_WORDS: 'two words; $SUBNET $(touch x)', WEFT_TEST_SCRIPT: script });
  const command = `$WEFT_TEST_SCRIPT $WEFT_TEST_WORDS \${SUBNET},$PUBLIC_IP $WEFT_TEST_UNSET $ $$ $1 \${ a$`;
  await tellOfPeer('SubnetAddCommand', commandsOf({ SubnetAddCommand: command }), carried(14), tools);
  assert.deepEqual(folder.read('words').split('\0').slice(0, -1), [
    'two words; $SUBNET $(touch x)',
    '10.2.14.0/24,192.0.2.14',
    '',
    '$',
    '$$',
    '$1',
    `\${`,
    'a$',
  ]);
});

test("which program runs is not a peer's to say", async () => {
  await assert.rejects(
    tellOfPeer('SubnetAddCommand', commandsOf({ SubnetAddCommand: '$SUBNET' }), carried(14), tools),
    error => hasCode(error, 'program-missing'),
  );
});

const attacks = [
  '$(touch x)',
  '`touch x`',
  '; touch x',
  '&& touch x',
  '| touch x',
  '\ntouch x\n',
  '"; touch x; "',
  "'; touch x; '",
  '--help',
  '-c touch x',
  '\0touch x',
  `$SUBNET \${PUBLIC_IP} $HOME`,
  '../../../bin/touch',
  '\u2028touch x',
];
test('what a peer publishes is input and nothing else: no argument, no program, no shell (GHSA-vchx-5pr6-ffx2)', async t => {
  const folder = scriptFolder(t);
  const commands = commandsOf({ SubnetAddCommand: `${folder.script('add', scribe)} to $SUBNET` });
  const add = async (data: string): Promise<void> => {
    await tellOfPeer('SubnetAddCommand', commands, carried(14, data), tools);
    assert.equal(folder.read('input'), `${data}\n`);
    assert.equal(folder.read('words'), 'to\x0010.2.14.0/24\0');
    assert.ok(!existsSync(`${folder.path}/x`) && !existsSync('x'));
  };
  for (const data of attacks) await add(data);
  await fc.assert(fc.asyncProperty(fc.string({ unit: 'binary' }), add), { numRuns: 25 });
});

test('what would reach a command as a variable is an address and a subnet, or no lease at all', () => {
  for (const attack of attacks) {
    assert.throws(() => parseLeaseAttrs(JSON.stringify({ PublicIP: attack })), attack);
    assert.throws(() => parseLeaseAttrs(JSON.stringify({ PublicIP: `192.0.2.2${attack}` })), attack);
    assert.throws(() => parseLeaseAttrs(JSON.stringify({ PublicIPv6: `fe80::1${attack}` })), attack);
    assert.equal(parseSubnetKey(`10.2.14.0-24${attack}`), undefined, attack);
  }
});

test('what a command prints is in the log, line by line, with its peer, and not without end', async t => {
  const folder = scriptFolder(t);
  const run = async (script: string) => {
    const log = rememberingLog();
    const commands = commandsOf({ SubnetAddCommand: script });
    await tellOfPeer('SubnetAddCommand', commands, carried(14), { log, signal });
    return { told: log.told, lines: log.told.filter(({ level }) => level === 'info') };
  };
  const { lines } = await run(folder.script('talk', 'echo one; echo two >&2'));
  assert.deepEqual(lines.map(({ message }) => message).sort(), [
    'SubnetAddCommand: one',
    'SubnetAddCommand: two',
  ]);
  assert.ok(lines.every(({ fields }) => fields['peer'] === '10.2.14.0/24'));
  const long = await run(folder.script('recite', 'seq 1 1000'));
  assert.equal(long.lines.length, 200);
  assert.equal(long.told.filter(({ level }) => level === 'warn').length, 1);
});
