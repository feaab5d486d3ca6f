/** `weft doctor`: what people read, and that it needs neither daemon, registry, lease nor root to say something. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { testScope } from '../support/leaks.ts';
import { createCluster, joinAll, leaseOf } from '../support/weft-cluster.ts';
import type { WeftHost } from '../support/weft-host.ts';
import { createUnderlay } from '../support/weft-underlay.ts';
import { complaintsOf, doctorOn, namesOf } from './gallery/doctor-on.ts';
import { type Planned, said } from './plan-house.ts';

const underlay = await createUnderlay(testScope({ after }));

async function doctor(host: WeftHost, ...flags: readonly string[]): Promise<Planned> {
  return await said(host, ['bin/weft', 'doctor', ...host.flags, ...flags]);
}

/** Lines that are longer than a terminal of 80 columns, but for commands, which are to be copied. */
function tooLong({ text }: Planned): string[] {
  return text.split('\n').filter(line => line.length > 80 && !line.startsWith(' '.repeat(8)));
}

test('a healthy host: nothing is wrong, a line for each check, exit code 0', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const [a, b] = await cluster.addHosts('a', 'b');
  await joinAll(cluster, [a, b]);
  await a.addContainer();
  await b.addContainer();
  const told = await eventually('a to be well', async () => {
    const now = await doctor(a);
    assert.equal(now.code, 0, now.text);
    return now;
  });
  assert.match(told.text, /\n\nnothing is wrong; \d+ checks in \d+ ms\n$/);
  assert.match(told.text, /^ok {4}forwarding: net\.ipv4\.ip_forward is 1/m);
  assert.doesNotMatch(told.text, /FAIL|WARN|could not be looked at/);
  assert.deepEqual(tooLong(told), []);
  for (const name of [b.address, (await leaseOf(cluster, b)).subnet]) {
    const { code, text } = await doctor(a, '-peer', name);
    assert.equal(code, 0, text);
  }
  const unknown = await doctor(a, '-peer', '203.0.113.1');
  assert.equal(unknown.code, 2);
  assert.match(unknown.stderr, /no peer is, or has, 203\.0\.113\.1/);
  assert.equal((await doctor(a, '-peer', 'that one')).code, 2);
  assert.equal((await doctor(a, '-no-such-flag')).code, 2);
});

test('what is wrong comes first, with the commands that mend it, which a shell takes as they are printed', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const [a, b] = await cluster.addHosts('a', 'b');
  const [weft] = await joinAll(cluster, [a, b]);
  await weft?.kill();
  await a.run('sysctl -qw net.ipv4.ip_forward=0');
  const told = await doctor(a);
  assert.equal(told.code, 1);
  assert.match(told.text, /^FAIL {2}forwarding: [^\n]*net\.ipv4\.ip_forward is 0/);
  assert.match(told.text, /\n\d+ failures?(, \d+ warnings?)?; \d+ checks in \d+ ms\n$/);
  assert.deepEqual(tooLong(told), []);
  const [, commands = ''] = /mend it:\n((?: {8}\S.*\n)+)/.exec(told.text) ?? [];
  await a.run(['sh', '-ec', commands]);
  assert.doesNotMatch((await doctor(a)).text, /ip_forward is 0/);
  const { text } = await doctor(a, '-verbose');
  assert.match(text, /^ok {4}forwarding: .*\(\d+ ms\)$/m);
});

test('with the registry away it says so, and looks at all that needs none', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const [a, b] = await cluster.addHosts('a', 'b');
  await joinAll(cluster, [a, b]);
  const away = ['-etcd-endpoints', 'http://192.0.2.10:1'];
  const told = await doctorOn(a, away);
  assert.ok(namesOf(complaintsOf(told)).includes('registry'), JSON.stringify(complaintsOf(told)));
  const verdicts = told.networks[0]?.checks.map(({ name, verdict }) => [name, verdict] as const);
  assert.equal(new Map(verdicts).get('ip-forward'), 'ok');
  const unopened = await doctorOn(a, [
    '-etcd-cafile',
    '/nowhere/ca.pem',
    '-etcd-endpoints',
    'https://192.0.2.10:1',
  ]);
  assert.ok(namesOf(complaintsOf(unopened)).includes('registry'));
});

test('a host that is no member yet is told what it lacks', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const [a] = await cluster.addHosts('a');
  const complaints = complaintsOf(await doctorOn(a));
  const names = namesOf(complaints);
  assert.ok(names.includes('daemon') || names.includes('lease'), JSON.stringify(complaints));
  assert.ok(complaints.every(({ remedy }) => remedy !== null));
});

test('without root it looks at what it can, and says that root sees more', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const [a, b] = await cluster.addHosts('a', 'b');
  await joinAll(cluster, [a, b]);
  const drop = [
    'setpriv',
    '--reuid=65534',
    '--regid=65534',
    '--clear-groups',
    '--inh-caps=-all',
    '--bounding-set=-all',
  ];
  const told = await said(a, [...drop, 'bin/weft', 'doctor', ...a.flags]);
  assert.ok(told.code < 2, told.stderr);
  assert.match(told.text, /could not be had; root sees more\n$/);
  assert.match(told.text, /^ok {4}forwarding: net\.ipv4\.ip_forward is 1/m);
  assert.doesNotMatch(told.text, /mistake of Weft's own/);
});

test('several networks: each is told of, and a namespace that is not there hides no other', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const [a] = await cluster.addHosts('a');
  const told = await doctorOn(a, ['-networks', 'red,blue@nowhere']);
  assert.deepEqual(
    told.networks.map(({ network, verdict }) => [network, verdict]),
    [
      ['red', 'fail'],
      ['blue', 'fail'],
    ],
  );
  const [, blue] = told.networks;
  assert.deepEqual(
    blue?.checks.map(({ name }) => name),
    ['namespace'],
  );
  assert.deepEqual(blue?.checks[0]?.findings[0]?.remedy?.commands, ['ip netns add nowhere']);
});
