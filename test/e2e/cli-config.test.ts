import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { testScope } from '../support/leaks.ts';
import { createNetns } from '../support/netns.ts';
import { temporaryFolder, weft } from './cli-weft.ts';

const small = '{"Network":"10.5.0.0/24","Backend":{"Type":"vxlan"}}';

const effective = `{
  "EnableIPv4": true,
  "EnableIPv6": false,
  "EnableNFTables": false,
  "Network": "10.5.0.0/24",
  "SubnetLen": 26,
  "SubnetMin": "10.5.0.64",
  "SubnetMax": "10.5.0.192",
  "Backend": {
    "Type": "vxlan"
  }
}
`;

test('config check prints a valid config with its defaults, from stdin or a file', async t => {
  const file = path.join(await temporaryFolder(testScope(t)), 'net.json');
  await writeFile(file, small);
  const expected = { code: 0, stdout: effective, stderr: '' };
  assert.deepEqual(await weft(['config', 'check', '-'], { input: small }), expected);
  assert.deepEqual(await weft(['config', 'check', file]), expected);
});

test('config check warns of what is valid but hardly meant', async () => {
  const input = '{"Network":"10.5.0.0/24","SubnetLenght":26,"Backend":{"Type":"vxlan"}}';
  const { code, stdout, stderr } = await weft(['config', 'check', '-'], { input });
  assert.equal(code, 0);
  assert.equal(stdout, effective);
  assert.match(stderr, /^weft: warning: .*SubnetLenght.*SubnetLen/s);
});

test('config check warns of a route of this host that overlaps the network', async t => {
  const host = await createNetns(testScope(t), 'host');
  await host.ipBatch([
    'link add near type veth peer name far',
    'address add 10.5.0.1/25 dev near',
    'link set near up',
    'link set far up',
  ]);
  const { code, stderr } = await weft(['config', 'check', '-'], { input: small, enter: host.enter });
  assert.equal(code, 0);
  assert.equal(
    stderr,
    'weft: warning: Network 10.5.0.0/24 overlaps the route 10.5.0.0/25 dev near of this host\n',
  );
});

test('config check refuses an invalid config with 1', async () => {
  for (const input of ['', 'nonsense', '[]', '{"Network":"10.5.0.0/31"}', '{"Network":7}']) {
    const { code, stdout, stderr } = await weft(['config', 'check', '-'], { input });
    assert.equal(code, 1, input);
    assert.equal(stdout, '');
    assert.match(stderr, /^weft: /);
  }
});

test('config put writes to a directory, config get reads it back, and changes are told', async t => {
  const folder = await temporaryFolder(testScope(t));
  const registry = ['-registry', `dir:${folder}/weft`];
  const get = (from = registry) => weft(['config', 'get', ...from]);
  const put = (input: string) => weft(['config', 'put', '-', ...registry], { input });

  assert.match((await get()).stderr, /^weft: \S+\/weft: there is no such folder$/m);
  const missing = await get(['-registry', `dir:${folder}`]);
  assert.equal(missing.code, 1);
  assert.match(
    missing.stderr,
    /holds no network config\n {2}what to do: write one with `weft config put FILE`/,
  );

  const created = await put(`\n${small}\n`);
  assert.equal(created.code, 0, created.stderr);
  assert.equal(created.stderr, '');
  assert.match(
    created.stdout,
    /room for 3 hosts, backend vxlan\n.*\n {2}Network: 10\.5\.0\.0\/24 \(new\)\n/s,
  );
  assert.deepEqual(await get(), { code: 0, stdout: `${small}\n`, stderr: '' });

  assert.match((await put(small)).stdout, /holds exactly this config already/);

  const changed = await put('{"Network":"10.5.0.0/24","Backend":{"Type":"vxlan","VNI":7}}');
  assert.equal(changed.code, 0);
  assert.match(changed.stdout, /\n {2}Backend\.VNI: 7 \(new\)\n$/);
  assert.match(
    changed.stderr,
    /hosts follow Backend\.VNI at once where they can[\s\S]*do not reach each other/,
  );

  const refused = await put('{"Network":"10.5.0.0/31"}');
  assert.equal(refused.code, 1);
  assert.match((await get()).stdout, /"VNI":7/);
});

test('config put and get find the registry by FLANNELD_ variables as well', async t => {
  const folder = await temporaryFolder(testScope(t));
  const env = { FLANNELD_REGISTRY: `dir:${folder}/weft` };
  assert.equal((await weft(['config', 'put', '-'], { input: small, env })).code, 0);
  assert.deepEqual(await weft(['config', 'get'], { env }), { code: 0, stdout: `${small}\n`, stderr: '' });
});

test('config put and get work on etcd, with its user and password, and say what fails', async t => {
  const scope = testScope(t);
  const host = await createNetns(scope, 'etcd');
  const folder = await temporaryFolder(scope);
  const url = 'http://127.0.0.1:2379';
  const etcd = await host.start([
    ...['etcd', '--data-dir', `${folder}/etcd`, '--listen-peer-urls', 'http://127.0.0.1:2380'],
    ...['--listen-client-urls', url, '--advertise-client-urls', url],
  ]);
  // Killed here rather than with its namespace, so that it no longer writes when its folder goes.
  scope.defer('etcd', async () => {
    await etcd.kill();
  });
  const etcdctl = (args: string) => host.run(`etcdctl ${args}`, { env: { ETCDCTL_API: '3' } });
  await etcd.waitFor('healthy etcd', async () => (await etcdctl('endpoint health')) !== undefined);

  const env = { FLANNELD_ETCD_ENDPOINTS: url };
  const call = (args: readonly string[], more = {}, input = '') =>
    weft(['config', ...args], { env: { ...env, ...more }, input, enter: host.enter });

  const missing = await call(['get']);
  assert.equal(missing.code, 1);
  assert.match(missing.stderr, /^weft: etcd .*\/coreos\.com\/network.* holds no network config\n/);

  assert.equal((await call(['put', '-'], {}, small)).code, 0);
  assert.equal(await etcdctl('get --print-value-only /coreos.com/network/config'), `${small}\n`);
  assert.deepEqual(await call(['get']), { code: 0, stdout: `${small}\n`, stderr: '' });

  assert.equal((await call(['put', '-etcd-prefix', '/other', '-'], {}, small)).code, 0);
  assert.equal(await etcdctl('get --print-value-only /other/config'), `${small}\n`);

  for (const step of ['user add root:hunter2', 'user grant-role root root', 'auth enable'])
    await etcdctl(step);
  const password = { FLANNELD_ETCD_PASSWORD: 'hunter2' };
  assert.equal((await call(['get', '-etcd-username', 'root'], password)).stdout, `${small}\n`);
  for (const wrong of [{}, { FLANNELD_ETCD_PASSWORD: 'hunter3' }]) {
    const { code, stdout, stderr } = await call(['get', '-etcd-username', 'root'], wrong);
    assert.equal(code, 1);
    assert.equal(stdout, '');
    assert.match(stderr, /^weft: .*\n/);
    assert.doesNotMatch(stderr, /hunter|\n +at /);
  }
});
