/** The daemon's control socket, and what `weft status` makes of it. */
import assert from 'node:assert/strict';
import { lstatSync } from 'node:fs';
import process from 'node:process';
import { after, test } from 'node:test';
import type { Daemon } from '../support/daemon.ts';
import { eventually } from '../support/eventually.ts';
import { testScope } from '../support/leaks.ts';
import { type Cluster, createCluster, joinAll, leaseOf, usualConfig } from '../support/weft-cluster.ts';
import type { WeftHost } from '../support/weft-host.ts';
import { createUnderlay } from '../support/weft-underlay.ts';
import { eventuallyEmpty, said } from './plan-house.ts';

const underlay = await createUnderlay(testScope({ after }));
const socket = '/run/flannel/subnet.sock';

function socketOn(host: WeftHost, path = socket) {
  return lstatSync(host.file(path), { throwIfNoEntry: false });
}

async function eventuallyAsked(host: WeftHost, path = socket): Promise<void> {
  await eventually(`${path} on ${host.name}`, () => socketOn(host, path)?.isSocket());
}

async function textOn(host: WeftHost, ...flags: readonly string[]): Promise<string> {
  return (await said(host, ['bin/weft', 'status', ...host.flags, ...flags])).text;
}

interface LiveJson {
  readonly version: string;
  readonly pid: number;
  readonly startedAt: string;
  readonly ready: boolean;
  readonly reason: string | null;
  readonly waiting: { readonly message: string } | null;
  readonly registry: { readonly connected: boolean; readonly staleSince: string | null } | null;
  readonly lease: { readonly held: boolean; readonly expiresAt: string | null } | null;
  readonly repairs: {
    readonly counts: Readonly<Record<string, number>>;
    readonly last: ReadonlyArray<{ readonly command: string; readonly by: string | null }>;
  } | null;
  readonly troubles: ReadonlyArray<{ readonly message: string; readonly count: number }> | null;
}

interface NetworkJson {
  readonly lease: { readonly expiresAt: string | null } | null;
  readonly daemon: {
    readonly running: boolean;
    readonly mute: string | null;
    readonly live: LiveJson | null;
  };
  readonly host: {
    readonly devices: ReadonlyArray<{ readonly name: string; readonly sent: { readonly bytes: number } }>;
  };
}

async function jsonOn(host: WeftHost, ...flags: readonly string[]): Promise<NetworkJson> {
  const { networks } = JSON.parse(await textOn(host, '-json', ...flags)) as { networks: NetworkJson[] };
  assert.ok(networks[0]);
  return networks[0];
}

/** What a peer whose daemon answers says of itself, asked until `check` is content. */
async function liveUntil(
  host: WeftHost,
  what: string,
  check: (live: LiveJson) => boolean,
): Promise<LiveJson> {
  return await eventually(what, async () => {
    const { live } = (await jsonOn(host)).daemon;
    return live !== null && check(live) && live;
  });
}

/** A host of its own network, and its daemon. */
async function joined(scope: ReturnType<typeof testScope>): Promise<[Cluster, WeftHost, Daemon]> {
  const cluster = await createCluster(scope, underlay);
  const [host] = await cluster.addHosts('a');
  const weft = await host.join();
  await eventuallyAsked(host);
  return [cluster, host, weft];
}

test('a daemon answers before it has a lease, tells what it waits for, and takes its socket with it', async t => {
  const cluster = await createCluster(testScope(t), underlay, { config: undefined });
  const [a] = await cluster.addHosts('a');
  const weft = await a.startWeft();
  const live = await liveUntil(a, 'a word of the config', ({ waiting }) => waiting !== null);
  assert.equal(live.ready, false);
  assert.equal(live.registry, null);
  assert.match(live.waiting?.message ?? '', /^waiting for the network config: /);
  const text = await textOn(a);
  assert.match(text, /^daemon {6}weft \S+, pid \d+, up \d+ s, not ready: no lease yet$/m);
  assert.match(text, /^troubles {4}(\S+ )?\d\d:\d\d(:\d\d)? waiting for the network config: /m);
  await cluster.put('config', usualConfig);
  await liveUntil(a, 'the daemon to be ready', ({ ready, waiting }) => ready && waiting === null);
  const mode = (socketOn(a)?.mode ?? 0) & 0o777;
  assert.equal(mode.toString(8), '660');
  await weft.stop();
  assert.equal(socketOn(a), undefined);
});

test('of a daemon that runs its age, its lease and the bytes of its device are told', async t => {
  const [, a] = await joined(testScope(t));
  await eventuallyEmpty(a);
  const text = await textOn(a);
  assert.match(text, /^lease {7}subnets\/\S+, expires in 24 h$/m);
  assert.match(text, /^device {6}flannel\.1 up, MTU 1450, [0-9a-f:]{17}\n {12}in \S+ k?B, out /m);
  assert.match(text, /^daemon {6}weft \S+, pid \d+, up \d+ s, ready$/m);
  const { lease, daemon, host } = await jsonOn(a);
  const day = 24 * 3600 * 1000;
  for (const at of [lease?.expiresAt, daemon.live?.lease?.expiresAt]) {
    const left = Date.parse(at ?? '') - Date.now();
    assert.ok(left > day - 600_000 && left < day + 60_000, `${at}`);
  }
  assert.equal(daemon.live?.lease?.held, true);
  assert.ok(Number.isInteger(host.devices[0]?.sent.bytes));
});

test('without the daemon the registry tells how long the lease lives', async t => {
  const [, a, weft] = await joined(testScope(t));
  await weft.stop();
  assert.match(await textOn(a), /^lease {7}subnets\/\S+, expires in 24 h unless the daemon renews it$/m);
  assert.match((await jsonOn(a)).lease?.expiresAt ?? '', /^\d{4}-\d\d-\d\dT/);
});

test('a repair is told with its command and who undid it', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const hosts = await cluster.addHosts('a', 'b');
  const [a, b] = hosts;
  await joinAll(cluster, hosts);
  await eventuallyEmpty(a);
  const { subnet } = await leaseOf(cluster, b);
  await a.run(`ip route delete ${subnet}`);
  const live = await liveUntil(a, 'a repair', ({ repairs }) => (repairs?.counts['route'] ?? 0) > 0);
  const [last] = live.repairs?.last ?? [];
  assert.match(last?.command ?? '', new RegExp(`^ip route add ${subnet} via \\S+ dev flannel.1 onlink$`));
  assert.match(last?.by ?? '', /^pid \d+/);
  assert.deepEqual(live.troubles, [], 'what was put right is no trouble');
  assert.match(
    await textOn(a, '-watch=false').then(text => text.replace(/\n {12}/g, ' ')),
    /^repairs {5}1 repair, last \S+ `ip route add .*`, undone by pid \d+/m,
  );
});

test('a registry that is away is told with the time since when', async t => {
  const scope = testScope(t);
  const house = await createUnderlay(scope);
  const cluster = await createCluster(scope, house);
  const hosts = await cluster.addHosts('a', 'b');
  const [a] = hosts;
  await joinAll(cluster, hosts);
  await eventuallyEmpty(a);
  const beforeMs = Date.now();
  await house.etcd.stop();
  const live = await liveUntil(a, 'stale knowledge', ({ registry }) => registry?.connected === false);
  const since = Date.parse(live.registry?.staleSince ?? '');
  assert.ok(since >= beforeMs - 1000 && since <= Date.now(), live.registry?.staleSince ?? '');
  const told = await said(a, ['bin/weft', 'status', ...a.flags]);
  assert.equal(told.code, 1);
  assert.match(
    told.text.replace(/\n {12}/g, ' '),
    /does not answer; what the daemon knows is stale since [\d: -]+ \(\d+ (s|min)\)$/m,
  );
  assert.match(told.text, /^1 peer: 1 programmed/m, 'what leads there, the kernel tells');
});

test('what a killed daemon left is replaced by the next one', async t => {
  const [, a, weft] = await joined(testScope(t));
  const { ino } = socketOn(a) ?? {};
  await weft.kill();
  assert.equal(socketOn(a)?.ino, ino, 'it is still there');
  assert.equal((await jsonOn(a)).daemon.running, false);
  await a.join();
  const live = await liveUntil(a, 'an answer', ({ ready }) => ready);
  assert.notEqual(socketOn(a)?.ino, ino);
  assert.ok(Date.parse(live.startedAt) <= Date.now());
});

test('a second daemon with the same subnet file leaves the first its socket', async t => {
  const [, a, first] = await joined(testScope(t));
  const { ino } = socketOn(a) ?? {};
  const other = await createCluster(testScope(t), underlay, { config: undefined });
  const second = await a.startWeft(['-etcd-prefix', other.prefix]);
  await second.waitForOutput(/no control socket, .*another daemon answers there/);
  assert.equal(socketOn(a)?.ino, ino);
  assert.equal((await jsonOn(a)).daemon.live?.pid, await pidOn(a, first));
  await first.stop();
  await liveUntil(a, 'the second to take the place of the first', ({ waiting }) => waiting !== null);
  await second.stop();
  assert.equal(socketOn(a), undefined);
});

/** As the host's own pid namespace numbers it. */
async function pidOn(host: WeftHost, daemon: Daemon): Promise<number> {
  const status = await host.run([process.execPath, '-e', innerPid, `${daemon.pid}`], {});
  return Number(status);
}

const innerPid = `
const { readdirSync, readFileSync } = require('node:fs');
const runs = pid => readFileSync('/proc/' + pid + '/cmdline', 'utf8').split('\\0').includes('run');
process.stdout.write(String(readdirSync('/proc').filter(pid => /^\\d+$/.test(pid) && runs(pid)).map(Number)[0]));
`;

test('a file that is no socket is left as it is, and the daemon goes on without', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const [a] = await cluster.addHosts('a');
  await a.run(['sh', '-c', `echo precious > ${socket}`]);
  const weft = await a.join();
  assert.match(weft.output, /no control socket, .*it is no socket of ours/);
  assert.equal(await a.readFile(socket), 'precious\n');
  const { daemon } = await jsonOn(a);
  assert.deepEqual([daemon.running, daemon.live], [true, null]);
});

test('a socket that somebody removed is there again', async t => {
  const [, a] = await joined(testScope(t));
  await a.run(['rm', socket]);
  await eventuallyAsked(a);
  await liveUntil(a, 'an answer', ({ ready }) => ready);
});

test('a daemon that is stopped is said to hang', async t => {
  const [, a, weft] = await joined(testScope(t));
  weft.signal('SIGSTOP');
  const told = await said(a, ['bin/weft', 'status', ...a.flags]);
  assert.equal(told.code, 1);
  assert.match(told.text, /^daemon {6}runs, but does not answer$/m);
  assert.equal((await jsonOn(a)).daemon.mute, 'hangs');
  weft.signal('SIGCONT');
});

test('a user who may not ask the daemon is told so, and all else', async t => {
  const [, a] = await joined(testScope(t));
  await eventuallyEmpty(a);
  const nobody = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups', '--'];
  const { code, text } = await said(a, [...nobody, 'bin/weft', 'status', ...a.flags]);
  assert.equal(code, 0, text);
  assert.match(text, /^daemon {6}runs, and tells more to root and to its own group$/m);
  assert.match(text, /^kernel {6}all \d+ objects are as they shall be$/m);
});

test('weft cleanup removes the socket of a killed daemon, and not that of one which lives', async t => {
  const [, a, weft] = await joined(testScope(t));
  await weft.kill();
  const dry = await a.run(['bin/weft', 'cleanup', '-dry-run']);
  assert.match(dry, /^rm \/run\/flannel\/subnet\.sock$/m);
  assert.ok(socketOn(a));
  await a.run(['bin/weft', 'cleanup']);
  assert.equal(socketOn(a), undefined);
  const other = await createCluster(testScope(t), underlay, { config: undefined });
  await a.startWeft(['-etcd-prefix', other.prefix]);
  await eventuallyAsked(a);
  assert.doesNotMatch(await a.run(['bin/weft', 'cleanup']), /subnet\.sock/);
  assert.ok(socketOn(a));
});

test('each of several networks has a socket of its own', async t => {
  const cluster = await createCluster(testScope(t), underlay, { config: undefined });
  const [a] = await cluster.addHosts('a');
  const config = { ...(JSON.parse(usualConfig) as object), Backend: { Type: 'vxlan', VNI: 7 } };
  await cluster.put('red/config', JSON.stringify(config));
  const weft = await a.startWeft(['-networks', 'red,blue']);
  for (const name of ['red', 'blue']) await eventuallyAsked(a, `/run/flannel/networks/${name}.sock`);
  const [red, blue] = await eventually('red to be ready, and blue to wait', async () => {
    const text = await textOn(a, '-networks', 'red,blue', '-json');
    const { networks } = JSON.parse(text) as { networks: NetworkJson[] };
    const lives = networks.map(({ daemon }) => daemon.live);
    return lives[0]?.ready === true && lives[1]?.waiting != null && lives;
  });
  assert.equal(red?.waiting, null);
  assert.match(blue?.waiting?.message ?? '', /config/);
  await weft.stop();
  assert.equal(socketOn(a, '/run/flannel/networks/red.sock'), undefined);
});

test('-watch tells it again and again, through an outage, until it is interrupted', async t => {
  const scope = testScope(t);
  const house = await createUnderlay(scope);
  const cluster = await createCluster(scope, house);
  const [a] = await cluster.addHosts('a');
  await a.join();
  await eventuallyEmpty(a);
  await liveUntil(a, 'an answer', ({ ready }) => ready);
  const watching = await a.start(['bin/weft', 'status', ...a.flags, '-watch', '-interval', '1']);
  const json = await a.start(['bin/weft', 'status', ...a.flags, '-watch', '-interval', '1', '-json']);
  await watching.waitForOutput(/(# \d{4}-\S+Z\n\ninterface[\s\S]*){2}/);
  await json.waitForOutput(/\n.*\n/);
  assert.doesNotMatch(watching.stdout, /does not answer/);
  assert.ok(!watching.stdout.includes('\x1b'));
  await house.etcd.stop();
  await watching.waitForOutput(/does not answer/);
  watching.signal('SIGINT');
  assert.equal((await watching.exited).code, 1, watching.output);
  json.signal('SIGINT');
  await json.exited;
  const documents = json.stdout.trimEnd().split('\n');
  assert.ok(documents.length >= 2);
  for (const document of documents) {
    assert.equal((JSON.parse(document) as { readonly version: number }).version, 1);
  }
});
