/** Which flags a command takes over from the daemon that runs here. The daemons only look like such: none of it does anything. */
import assert from 'node:assert/strict';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { type TestContext, test } from 'node:test';
import type { Scope } from '../../src/base/scope.ts';
import type { Environment } from '../../src/cli/flag-environment.ts';
import { withFlagsOfDaemon } from '../../src/cli/flags-of-daemon.ts';
import { runFlags } from '../../src/cli/run-flags.ts';
import { traceFlags } from '../../src/cli/trace-options.ts';
import { inNetns } from '../../src/sys/netns.ts';
import { processOrigin } from '../../src/sys/process-origin.ts';
import { processesHere } from '../../src/sys/process-status.ts';
import { eventually } from '../support/eventually.ts';
import { testScope } from '../support/leaks.ts';
import { createNetns } from '../support/netns.ts';
import { skipWithoutRealRoot } from '../support/privilege.ts';

interface Started {
  readonly env?: Readonly<Record<string, string>>;
  /** Where, below the house. */
  readonly folder?: string;
  /** What to put before the program. */
  readonly wrap?: readonly string[];
}

interface House {
  readonly path: string;
  start(args: readonly string[], started?: Started): Promise<number>;
  /** What is put in front of the arguments, and what is said of it. */
  taken(
    args?: readonly string[],
    environment?: Environment,
    table?: typeof runFlags | typeof traceFlags,
  ): { readonly flags: readonly string[]; readonly notes: readonly string[] };
}

async function createHouse(t: TestContext): Promise<House> {
  const scope = testScope(t);
  const netns = await createNetns(scope, 'flags');
  const path = createFolder(scope);
  return {
    path,
    start: async (args, { env = {}, folder = '.', wrap = [] } = {}) => {
      const argv = [process.execPath, `${path}/src/cli/main.ts`, 'run', ...args];
      const inFolder = ['env', '-C', join(path, folder), ...Object.entries(env).map(pair => pair.join('='))];
      const daemon = await netns.start([...wrap, ...inFolder, ...argv]);
      const isIt = (words: readonly string[]): boolean => words.join('\0') === argv.join('\0');
      await daemon.waitFor('its command line', () =>
        inNetns(netns.path, () => processesHere(isIt).length > 0),
      );
      return daemon.pid;
    },
    taken: (args = [], environment = {}, table = runFlags) => {
      const notes: string[] = [];
      const all = inNetns(netns.path, () =>
        withFlagsOfDaemon(table, args, environment, note => notes.push(note)),
      );
      assert.deepEqual(all.slice(all.length - args.length), args, 'what is given stays, and comes last');
      return { flags: all.slice(0, all.length - args.length), notes };
    },
  };
}

function createFolder(scope: Scope): string {
  const path = mkdtempSync(join(tmpdir(), 'weft-flags-'));
  chmodSync(path, 0o755);
  scope.defer('folder', () => rmSync(path, { recursive: true }));
  for (const folder of ['src/cli', 'elsewhere']) mkdirSync(join(path, folder), { recursive: true });
  writeFileSync(join(path, 'src/cli/main.ts'), 'setTimeout(() => {}, 600_000);\n');
  return path;
}

test('what is not given is taken from the daemon that runs here, and a note says what, without values', async t => {
  const house = await createHouse(t);
  assert.deepEqual(house.taken(), { flags: [], notes: [] }, 'no daemon');
  const pid = await house.start([
    ...[
      '-etcd-endpoints',
      'http://192.0.2.1:2379',
      '-etcd-password',
      'secret',
      '--iface',
      'eth0',
      '-iface=eth1',
    ],
    ...['-ip-masq', '-public-ip', '', '-healthz-port', '8081', '-etcd-prefix', '/coreos.com/network'],
  ]);
  assert.deepEqual(house.taken(['-v', '1']), {
    flags: [
      '-etcd-endpoints=http://192.0.2.1:2379',
      ...['-etcd-password=secret', '-iface=eth0', '-iface=eth1', '-ip-masq=true'],
    ],
    notes: [
      `-etcd-endpoints -etcd-password -iface -ip-masq as given to weft run, pid ${pid}, which runs here`,
    ],
  });
  const ofTrace = house.taken(['10.2.3.4'], {}, traceFlags).flags;
  assert.deepEqual(ofTrace, ['-etcd-endpoints=http://192.0.2.1:2379', '-etcd-password=secret']);
});

test('arguments and variables come first, the daemon’s variables count, and its relative paths are its own', async t => {
  const house = await createHouse(t);
  const env = { FLANNELD_ETCD_ENDPOINTS: 'http://192.0.2.1:2379', FLANNELD_IFACE: 'eth7' };
  const args = ['-subnet-file', 'run/one.env', '-etcd-cafile=ca.pem', '-ip-masq', '-registry', 'dir:leases'];
  await house.start(args, { env, folder: 'elsewhere' });
  const there = join(house.path, 'elsewhere');
  const { flags } = house.taken(['-ip-masq=false'], { FLANNELD_IFACE: 'eth1' });
  assert.deepEqual(flags, [
    `-registry=dir:${there}/leases`,
    '-etcd-endpoints=http://192.0.2.1:2379',
    `-etcd-cafile=${there}/ca.pem`,
    `-subnet-file=${there}/run/one.env`,
  ]);
});

test('nothing is taken when it is another network that is asked about, or another daemon', async t => {
  const house = await createHouse(t);
  await house.start(['-etcd-endpoints', 'http://192.0.2.1:2379', '-iface', 'eth0']);
  for (const args of [
    ['-etcd-endpoints', 'http://192.0.2.9:2379'],
    ['-etcd-prefix', '/other'],
    ['-registry', 'dir:/leases'],
    ['-subnet-file', '/run/other.env'],
    ['-networks', 'red'],
    ['-no-such-flag'],
    ['-h'],
  ]) {
    assert.deepEqual(house.taken(args), { flags: [], notes: [] }, args.join(' '));
  }
  assert.deepEqual(house.taken([], { FLANNELD_ETCD_PREFIX: '/other' }).flags, []);
  const same = house.taken([
    '-etcd-endpoints',
    'http://192.0.2.1:2379',
    '-subnet-file=/run/flannel/subnet.env',
  ]);
  assert.deepEqual(same.flags, ['-iface=eth0']);
  const { flags } = house.taken(['-iface-regex', '^wg']);
  assert.deepEqual(
    flags,
    ['-etcd-endpoints=http://192.0.2.1:2379'],
    'an interface was asked for, in another way',
  );
});

test('of several daemons the one is taken that what is given is about, and none when it is not clear', async t => {
  const house = await createHouse(t);
  await house.start(['-etcd-prefix', '/red', '-subnet-file', '/run/red.env', '-iface', 'eth0']);
  await house.start(['-etcd-prefix', '/blue', '-subnet-file', '/run/blue.env', '-iface', 'eth1']);
  const { flags, notes } = house.taken();
  assert.deepEqual(flags, []);
  assert.match(notes[0] ?? '', /^several daemons run here, pids \d+, \d+: by -subnet-file one is chosen/);
  assert.deepEqual(house.taken(['-subnet-file', '/run/blue.env']).flags, [
    '-etcd-prefix=/blue',
    '-iface=eth1',
  ]);
  assert.deepEqual(house.taken(['-etcd-prefix', '/red']).flags, ['-subnet-file=/run/red.env', '-iface=eth0']);
});

test('a daemon of another version, with leases from Kubernetes, or with a flag that only Go understands, is none to take flags from', async t => {
  const house = await createHouse(t);
  await house.start(['-iface', 'eth0', '-flag-to-come=1']);
  await house.start(['-iface', 'eth1', '-kube-subnet-mgr']);
  await house.start(['-iface-regex', '(?P<name>eth)']);
  assert.deepEqual(house.taken(), { flags: [], notes: [] });
});

const asNobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
const netAdmin = ['--inh-caps=+net_admin', '--ambient-caps=+net_admin'];

for (const [who, wrap, flags] of [
  ['nobody', asNobody, []],
  // With all capabilities, in a user namespace of its own.
  ['nobody as root', [...asNobody, 'unshare', '--user', '--map-root-user'], []],
  // The user of a unit, who may change the network.
  ['a user with CAP_NET_ADMIN', [...asNobody, ...netAdmin], ['-iface=eth0']],
] as const) {
  test(`what ${who} says is ${flags.length > 0 ? 'believed' : 'no reason to believe it'}`, {
    skip: skipWithoutRealRoot,
  }, async t => {
    const house = await createHouse(t);
    await house.start(['-iface', 'eth0'], { wrap });
    assert.deepEqual(house.taken().flags, flags);
  });
}

for (const flag of [
  '-registry=dir:/srv/trap',
  '-etcd-keyfile=/etc/shadow',
  '-subnet-file=/x',
  '-networks=x',
]) {
  test(`such a user does not say which files root opens: ${flag}`, {
    skip: skipWithoutRealRoot,
  }, async t => {
    const house = await createHouse(t);
    await house.start([flag, '-iface', 'eth0'], { wrap: [...asNobody, ...netAdmin] });
    assert.deepEqual(house.taken(), { flags: [], notes: [] });
  });
}

test('a program of another name, or one that lends its owner’s rights, is none to believe', async t => {
  const scope = testScope(t);
  const netns = await createNetns(scope, 'programs');
  const program = join(createFolder(scope), 'node');
  copyFileSync('/bin/sleep', program);
  const { pid } = await netns.start([program, '600']);
  await eventually('it to run', () => processOrigin(pid, /^node/) !== undefined);
  assert.equal(processOrigin(pid, /^flanneld/), undefined);
  chmodSync(program, 0o4755);
  assert.equal(processOrigin(pid, /^node/), undefined);
});
