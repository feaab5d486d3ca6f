/** Somebody undoes every repair: the daemon gives in neither to him nor to the temptation to be as fast. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Scope } from '../../src/base/scope.ts';
import { links } from '../../src/kernel/links.ts';
import { type KernelEvent, monitor } from '../../src/kernel/monitor.ts';
import { NetlinkSocket } from '../../src/sys/netlink-socket.ts';
import { eventually } from '../support/eventually.ts';
import { testScope } from '../support/leaks.ts';
import { createNetns, type Netns } from '../support/netns.ts';
import { damageOf, shellOf } from './repair-damages.ts';
import { dev, expected, Life, observed, targetOf, underlayLines } from './repair-model.ts';

const peers = [10, 11, 12].map(octet => ({ octet, version: 0 }));

interface Fighting {
  readonly scope: Scope;
  readonly netns: Netns;
  readonly life: Life;
}

async function begin(t: TestContext): Promise<Fighting> {
  const scope = testScope(t);
  const netns = await createNetns(scope, 'host');
  await netns.ipBatch(underlayLines);
  const life = Life.start(netns, peers);
  scope.defer('daemon', () => life.end());
  await life.reconciler.settled();
  assert.deepEqual(await observed(netns), expected(peers));
  return { scope, netns, life };
}

/** Undoes what `isRepair` recognises, as soon as a monitor of its own tells of it; counts the repairs. */
function startOpponent(
  { scope, netns }: Fighting,
  isRepair: (event: KernelEvent) => boolean,
  undo: (socket: NetlinkSocket) => Promise<void>,
): { repairs: number; stop(): void } {
  const socket = scope.own('socket of the opponent', NetlinkSocket.open({ netns: netns.path }));
  const opponent = { repairs: 0, stop: () => listening.close() };
  const listening = monitor({
    netns: netns.path,
    onEvent: event => {
      if (!isRepair(event)) return;
      opponent.repairs++;
      undo(socket).catch(() => {});
    },
  });
  scope.defer('monitor of the opponent', () => listening.close());
  return opponent;
}

const isLink = (event: KernelEvent): boolean => event.type !== 'overrun' && event.object.type === 'link';

/** Each sees its own kind of repair and destroys it. */
const fights: ReadonlyArray<{
  readonly over: string;
  readonly begin: string;
  isRepair(event: KernelEvent): boolean;
  undo(netns: Netns): Promise<unknown>;
}> = [
  {
    over: 'a route',
    begin: `ip route delete 10.2.10.0/24`,
    isRepair: event =>
      event.type === 'present' && event.object.type === 'route' && event.object.value.dst === '10.2.10.0/24',
    undo: netns => netns.run('ip route delete 10.2.10.0/24'),
  },
  {
    over: "a neighbour's MAC",
    begin: `ip neigh replace 10.2.10.0 lladdr 02:00:00:00:00:99 dev ${dev} nud permanent`,
    isRepair: event =>
      event.type === 'present' &&
      event.object.type === 'neighbour' &&
      event.object.value.dst === '10.2.10.0' &&
      event.object.value.lladdr === '0a:00:00:00:00:0a',
    undo: netns => netns.run(`ip neigh replace 10.2.10.0 lladdr 02:00:00:00:00:99 dev ${dev} nud permanent`),
  },
  {
    over: 'an FDB entry',
    begin: `bridge fdb delete 0a:00:00:00:00:0a dev ${dev}`,
    isRepair: event =>
      event.type === 'present' &&
      event.object.type === 'fdb' &&
      event.object.value.lladdr === '0a:00:00:00:00:0a',
    undo: netns => netns.run(`bridge fdb delete 0a:00:00:00:00:0a dev ${dev}`),
  },
];

for (const { over, begin: start, isRepair, undo } of fights) {
  test(`a fight over ${over} is slowed down and named, and slows the repair of nothing else`, async t => {
    const fighting = await begin(t);
    const { netns, life } = fighting;
    const opponent = startOpponent(fighting, isRepair, () => undo(netns).then(() => {}));
    await netns.run(start);
    await eventually('a complaint', () => life.warnings.some(text => text.startsWith('something keeps')));
    const startMs = performance.now();
    await netns.run('ip route delete 10.2.12.0/24');
    await eventually('the other route, in no more time than ever', async () =>
      (await netns.run('ip route')).includes('10.2.12.0/24'),
    );
    const { repairs } = opponent;
    // Twenty at once, then after 100, 200, 400 ms, ...
    const later = Math.log2((performance.now() - startMs) / 100 + 1) + 2;
    assert.ok(repairs >= 20 && repairs <= 20 + later, `${repairs} repairs until then`);
    const complaint = life.details[life.warnings.findIndex(text => text.startsWith('something'))];
    assert.match(JSON.stringify(complaint), /"repair":"(ip|bridge) .*"by":"(pid \d+|unknown)/);
    opponent.stop();
    await eventually('peace', async () => {
      assert.deepEqual(await observed(netns), expected(peers));
      return true;
    });
  });
}

test('two programs that want another MAC for the device cost few changes in a minute, and no busy loop', async t => {
  const fighting = await begin(t);
  const { netns, life } = fighting;
  const right = (event: KernelEvent): boolean =>
    isLink(event) &&
    JSON.stringify(event).includes('"mac":"0a:00:00:00:00:01"') &&
    JSON.stringify(event).includes(dev);
  const spoil = async (socket: NetlinkSocket): Promise<void> => {
    const link = await links.get(socket, dev);
    if (link !== undefined) await links.set(socket, link, { name: dev, mac: '02:00:00:00:00:99' as never });
  };
  const opponent = startOpponent(fighting, right, spoil);
  await netns.run(`ip link set ${dev} address 02:00:00:00:00:99`);
  await eventually('a complaint', () => life.warnings.some(text => text.startsWith('something keeps')));
  const [before, startMs] = [opponent.repairs, performance.now()];
  await sleep(2_000);
  const seconds = (performance.now() - startMs) / 1000;
  // Waits of 100, 200, 400, 800, 1600 ms, ...; each repair is told by a few notices.
  assert.ok(
    opponent.repairs - before <= 4 * (Math.log2(seconds * 10 + 1) + 1),
    `${opponent.repairs - before}`,
  );
  // The link is what is fought over, but not all of it.
  await netns.run(`ip link set ${dev} mtu 1400`);
  await eventually('the MTU', async () => (await netns.run(`ip link show ${dev}`)).includes('mtu 1450'));
  opponent.stop();
  await eventually('peace', async () => {
    assert.deepEqual(await observed(netns), expected(peers));
    return true;
  });
});

test('two daemons that want different peers behind one subnet cost few changes in a minute', async t => {
  const { scope, netns, life } = await begin(t);
  const other = Life.start(netns, [{ octet: 10, version: 2 }, ...peers.slice(1)]);
  scope.defer('the other daemon', () => other.end());
  let writes = 0;
  const listening = monitor({ netns: netns.path, objects: ['fdb'], onEvent: () => void writes++ });
  scope.defer('monitor', () => listening.close());
  const complains = ({ warnings }: Life): boolean =>
    warnings.some(text => text.startsWith('something keeps'));
  await eventually('a complaint', () => complains(life) || complains(other));
  const before = writes;
  await sleep(2_000);
  assert.ok(writes - before < 30, `${writes - before} writes`);
  await other.end();
  await eventually('peace', async () => {
    assert.deepEqual(await observed(netns), expected(peers));
    return true;
  });
});

test('the other is named with its process id and command', async t => {
  const { netns, life } = await begin(t);
  await netns.run('ip route delete 10.2.10.0/24');
  await eventually('the repair', () => life.warnings.some(text => text.startsWith('repaired: ip route')));
  const index = life.warnings.findIndex(text => text.startsWith('repaired: ip route'));
  assert.match(JSON.stringify(life.details[index]), /"by":"pid \d+( \(ip\))?"/);
});

test('the loss of a device with three hundred peers is repaired without three hundred complaints', async t => {
  const { netns, life } = await begin(t);
  const many = Array.from({ length: 240 }, (_, index) => ({ octet: index + 10, version: 0 }));
  life.snapshot(many);
  await life.reconciler.settled();
  for (const kind of ['device deleted', 'device down', 'MAC changed', 'device replaced by another']) {
    const target = targetOf({ octet: 10, version: 0 });
    await netns.run(shellOf(damageOf(kind), target));
    await eventually(`repair after: ${kind}`, async () => {
      assert.deepEqual(await observed(netns), expected(many));
      return true;
    });
  }
  await life.reconciler.settled();
  assert.ok(life.warnings.length < 30, life.warnings.join('\n'));
});
