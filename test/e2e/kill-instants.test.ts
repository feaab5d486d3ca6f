/**
 * `kill -9` at any instant: what is right is never taken away, and what a life left undone, the next one does.
 *
 *     WEFT_KILLS=500 WEFT_KILL_SEED=7 npm test -- test/e2e/kill-instants.test.ts
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { silentLog } from '../../src/base/log.ts';
import { type KernelEvent, monitor } from '../../src/kernel/monitor.ts';
import { openDirectoryRegistry } from '../../src/registry/directory.ts';
import type { Registry } from '../../src/registry/registry.ts';
import { systemClock } from '../../src/sys/clock.ts';
import { seeded } from '../kernel/repair-damages.ts';
import type { Daemon } from '../support/daemon.ts';
import { createHost, type Host } from '../support/host.ts';
import { testScope } from '../support/leaks.ts';
import { createNetns, joinByCable } from '../support/netns.ts';
import { leaseText } from '../support/weft-cluster.ts';
import { startPing } from '../support/weft-ping.ts';

const kills = Number(process.env['WEFT_KILLS'] ?? 48);
const seed = Number(process.env['WEFT_KILL_SEED'] ?? Date.now() & 0xffff);

const far = { subnet: '10.2.200.0/24', publicIp: '192.0.2.2', mac: '0a:00:00:00:00:c8' };
const network =
  '{"Network":"10.2.0.0/16","SubnetMin":"10.2.1.0","SubnetMax":"10.2.1.0","Backend":{"Type":"vxlan"}}';

interface Scene {
  readonly host: Host;
  readonly registry: Registry;
  start(): Promise<Daemon>;
  /** Address of the far host's container end, which answers as long as what leads there is right. */
  readonly farAddress: string;
}

/** A host with a directory registry, and a far host that was put together by hand. */
async function createScene(t: TestContext): Promise<Scene> {
  const scope = testScope(t);
  const folder = await mkdtemp(path.join(tmpdir(), 'registry-'));
  scope.defer(folder, () => rm(folder, { recursive: true }));
  const host = await createHost(scope, 'a');
  const other = await createNetns(scope, 'b');
  await joinByCable(
    { netns: host.netns, address: '192.0.2.1/24' },
    { netns: other, address: `${far.publicIp}/24` },
  );
  const registry = await openDirectoryRegistry({
    ...{ path: folder, clock: systemClock, random: Math.random, log: silentLog },
  });
  scope.defer('registry', () => registry.close());
  await registry.put('config', network);
  await registry.put('subnets/10.2.200.0-24', leaseText(far));
  const start = (): Promise<Daemon> =>
    host.start(['bin/weft', 'run', '-registry', `dir:${folder}`, '-iface', 'eth0']);
  const first = await start();
  await first.waitForOutput(/ ready /);
  const mac = /link\/ether (\S+)/.exec(await host.netns.run('ip link show flannel.1'))?.[1];
  await other.ipBatch([
    `link add flannel.1 address ${far.mac} type vxlan id 1 dev eth0 local ${far.publicIp} dstport 8472 nolearning`,
    'link set flannel.1 up',
    'address add 10.2.200.0/32 dev flannel.1',
    'address add 10.2.200.1/32 dev lo',
    `neigh add 10.2.1.0 lladdr ${mac} dev flannel.1 nud permanent`,
    'route add 10.2.1.0/24 via 10.2.1.0 dev flannel.1 onlink',
  ]);
  await other.run(`bridge fdb add ${mac} dev flannel.1 dst 192.0.2.1 self permanent`);
  await first.kill();
  return { host, registry, start, farAddress: '10.2.200.1' };
}

test(`killed at ${kills} random instants, a daemon never takes away what is right (seed ${seed})`, async t => {
  const { host, start, farAddress } = await createScene(t);
  const random = seeded(seed);
  const right = await show(host);
  const taken: string[] = [];
  const listening = monitor({ netns: host.netns.path, onEvent: event => taken.push(...removals(event)) });
  t.after(() => listening.close());
  const ping = await startPing(host.netns, farAddress);
  // By the time a daemon takes to be ready, so that all of its life is covered on a slow machine as well.
  const wholeMs = await measure(start);
  for (let kill = 0; kill < kills; kill++) {
    const weft = await start();
    await sleep(random() * wholeMs * 1.2);
    await weft.kill();
    assert.equal(await show(host), right, `kill ${kill}\n${weft.output}`);
  }
  await ping.more(20);
  const { answered, lost } = await ping.stop();
  assert.deepEqual(lost, [], `of ${answered} packets`);
  assert.deepEqual(taken, []);
  t.diagnostic(
    `${kills} kills within ${Math.round(wholeMs * 1.2)} ms of the start: ${answered} packets, none lost`,
  );
});

test(`killed in its first life at random instants, a daemon leaves what the next one completes (seed ${seed})`, async t => {
  const { host, start, farAddress } = await createScene(t);
  const random = seeded(seed);
  const right = await show(host);
  const wholeMs = await measure(start);
  const rounds = Math.ceil(kills / 8);
  for (let round = 0; round < rounds; round++) {
    await host.run('rm -f /run/flannel/subnet.env');
    await host.netns.run('ip link delete flannel.1');
    for (let kill = 0; kill < 3; kill++) {
      const weft = await start();
      await sleep((0.4 + random() * 0.7) * wholeMs);
      await weft.kill();
    }
    const last = await start();
    await last.waitForOutput(/ ready /);
    assert.equal(await show(host), right, last.output);
    assert.match(await host.readFile('/run/flannel/subnet.env'), /^FLANNEL_SUBNET=10\.2\.1\.1\/24$/m);
    await host.netns.run(`ping -n -c1 -W5 ${farAddress}`);
    await last.kill();
  }
  t.diagnostic(`${rounds * 3} kills of first lives`);
});

test(`killed while 300 peers come and go, the next life of a daemon finishes the work (seed ${seed})`, async t => {
  const { host, registry, start, farAddress } = await createScene(t);
  const random = seeded(seed);
  const versions = new Map<number, number>();
  const churn = async (): Promise<void> => {
    await Promise.all(
      Array.from({ length: 300 }, async (_, index) => {
        const version = versions.has(index) && random() < 0.3 ? undefined : Math.floor(random() * 4);
        const peer = peerOf(index, version ?? 0);
        if (version === undefined) versions.delete(index);
        else versions.set(index, version);
        if (version === undefined) await registry.delete(peer.key);
        else await registry.put(peer.key, leaseText(peer.facts));
      }),
    );
  };
  const ping = await startPing(host.netns, farAddress);
  const wholeMs = await measure(start);
  const rounds = Math.ceil(kills / 6);
  for (let round = 0; round < rounds; round++) {
    // Some of it before the daemon starts, so that there is a large batch, and some while it runs.
    await churn();
    for (let kill = 0; kill < 4; kill++) {
      const weft = await start();
      await sleep((0.5 + random() * 0.6) * wholeMs);
      await weft.kill();
    }
    const last = await start();
    await last.waitForOutput(/ ready /);
    const changing = churn();
    await sleep(random() * 50);
    await last.kill();
    await changing;
    const finisher = await start();
    await finisher.waitForOutput(/ ready /);
    assert.deepEqual(await routesTo(host), wanted(versions), finisher.output);
    assert.deepEqual(await entries(host), wantedEntries(versions));
    await finisher.kill();
  }
  await ping.more(20);
  const { answered, lost } = await ping.stop();
  assert.deepEqual(lost, [], `of ${answered} packets`);
  t.diagnostic(`${rounds * 6} kills among changes of 300 peers: ${answered} packets, none lost`);
});

async function measure(start: () => Promise<Daemon>): Promise<number> {
  const startMs = performance.now();
  const weft = await start();
  await weft.waitForOutput(/ ready /, { intervalMs: 2 });
  const wholeMs = performance.now() - startMs;
  await weft.kill();
  return wholeMs;
}

function peerOf(index: number, version: number) {
  const [high, low] = [index >> 6, index & 63];
  const octets = `${high + 16}.${low * 4}`;
  const subnet = `10.2.${16 + (index >> 1)}.${(index & 1) * 128}/25`;
  const hex = (value: number): string => value.toString(16).padStart(2, '0');
  const facts = {
    subnet,
    publicIp: `192.0.${octets}`,
    mac: `0a:00:00:0${version & 1}:${hex(high)}:${hex(low)}`,
  };
  if (version > 1) facts.publicIp = `198.18.${octets}`;
  return { facts, key: `subnets/${subnet.replace('/', '-')}` };
}

function wanted(versions: ReadonlyMap<number, number>): string[] {
  const peers = [...versions].map(([index, version]) => peerOf(index, version).facts);
  return [...peers, far].map(({ subnet }) => `${subnet} via ${subnet.replace(/\/.*/, '')} onlink`).sort();
}

function wantedEntries(versions: ReadonlyMap<number, number>): string[] {
  const peers = [...[...versions].map(([index, version]) => peerOf(index, version).facts), far];
  return [
    ...peers.map(({ subnet, mac }) => `${subnet.replace(/\/.*/, '')} lladdr ${mac} PERMANENT`),
    ...peers.map(({ mac, publicIp }) => `${mac} dst ${publicIp} self permanent`),
  ].sort();
}

async function routesTo({ netns }: Host): Promise<string[]> {
  return linesOf(await netns.run('ip route show dev flannel.1'));
}

async function entries({ netns }: Host): Promise<string[]> {
  const texts = await Promise.all([
    netns.run('ip neigh show dev flannel.1'),
    netns.run('bridge fdb show dev flannel.1'),
  ]);
  return linesOf(texts.join(''));
}

function linesOf(text: string): string[] {
  const lines = text.split('\n').map(line => line.trim());
  return lines.filter(Boolean).sort();
}

async function show({ netns }: Host): Promise<string> {
  const commands = [
    ...['ip -d link show flannel.1', 'ip -4 address show dev flannel.1', 'ip route'],
    ...['ip neigh show dev flannel.1', 'bridge fdb show dev flannel.1'],
  ];
  const text = await netns.run(['sh', '-c', `{ ${commands.join('; ')}; true; } 2>&1`]);
  return linesOf(text.replace(/^\d+: /gm, '')).join('\n');
}

/** What was taken away, of neighbours only those that somebody set. */
function removals(event: KernelEvent): string[] {
  if (event.type !== 'gone') return [];
  const { type, value } = event.object;
  if (type === 'neighbour' && value.state !== 'permanent') return [];
  return [`${type} ${JSON.stringify(value)}`];
}
