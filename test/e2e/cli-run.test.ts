import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testScope } from '../support/leaks.ts';
import { createNetns } from '../support/netns.ts';
import { launcher, temporaryFolder, weft } from './cli-weft.ts';

const secrets = ['-etcd-username=weft', '-etcd-password=hunter2'];

test('weft run tells its options without the password, waits for a config, and ends with 0 on SIGTERM', async t => {
  const scope = testScope(t);
  const host = await createNetns(scope, 'host');
  const registry = `dir:${await temporaryFolder(scope)}/weft`;
  const daemon = await host.start([
    launcher,
    'run',
    ...secrets,
    '-v=1',
    '-registry',
    registry,
    '-iface',
    'lo',
  ]);
  await daemon.waitForOutput(/ info {2}weft starts .*registry=dir:/);
  await daemon.waitForOutput(/ warn {2}waiting for the network config: /);
  assert.deepEqual(await daemon.stop(), { code: 0, signal: null });
  assert.ok(!daemon.output.includes('hunter2'));
  assert.ok(!daemon.output.includes('\x1b'), 'no colours off a terminal');
  assert.equal(daemon.stdout, '');
});

test('weft run hides passwords of etcd in what it logs and in what it fails with', async t => {
  const host = await createNetns(testScope(t), 'host');
  const args = ['run', ...secrets, '-etcd-endpoints', 'http://weft:hunter2@127.0.0.1:2379'];
  const { code, stderr } = await weft(args, { enter: host.enter });
  assert.equal(code, 1);
  assert.match(stderr, /etcdUsername=weft etcdPassword=\*\*\*/);
  assert.doesNotMatch(stderr, /hunter2/);
});

test('with -log-format json every line on stderr is JSON, the last error too', async t => {
  const host = await createNetns(testScope(t), 'host');
  const args = ['run', '-log-format=json', '-etcd-endpoints', 'nonsense://', 'leftover'];
  const { code, stderr } = await weft(args, { enter: host.enter, env: { FLANNELD_V: 'x' } });
  assert.equal(code, 1);
  const entries = stderr
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line));
  assert.deepEqual(
    entries.map(entry => entry.level),
    ['info', 'warn', 'warn', 'error'],
  );
  assert.match(entries[1].msg, /^FLANNELD_V: expected an integer/);
  assert.match(entries[2].msg, /leftover/);
  assert.equal(entries[3].code, 'etcd-endpoint-invalid');
});
