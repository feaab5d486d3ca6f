/** Devices of one network namespace that are made on those of another: the underlay's. */
import assert from 'node:assert/strict';
import { closeSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { parseIp } from '../../src/base/ip.ts';
import type { Log } from '../../src/base/log.ts';
import { parseMac } from '../../src/base/mac.ts';
import { InstanceLocks } from '../../src/daemon/instance-lock.ts';
import { placeInNetns, placeOnUnderlay } from '../../src/daemon/network-place.ts';
import { enableForwarding } from '../../src/daemon/preflight.ts';
import { Reconciler } from '../../src/daemon/reconciler.ts';
import { monitor } from '../../src/kernel/monitor.ts';
import { snapshot } from '../../src/kernel/snapshot.ts';
import { compare } from '../../src/state/compare.ts';
import { type KernelObject, keyOf } from '../../src/state/kernel-object.ts';
import { systemClock } from '../../src/sys/clock.ts';
import { NetlinkSocket } from '../../src/sys/netlink-socket.ts';
import { openNetns } from '../../src/sys/netns.ts';
import { run } from '../support/command.ts';
import { eventually } from '../support/eventually.ts';
import { testScope } from '../support/leaks.ts';
import { createNetns } from '../support/netns.ts';

const dev = 'flannel.7';

function link(lower: string, local = '192.0.2.1'): KernelObject {
  const kind = {
    kind: 'vxlan',
    vni: 7,
    dev: lower,
    local: parseIp(local),
    port: 8472,
    learning: false,
  } as const;
  return {
    type: 'link',
    value: { name: dev, mac: parseMac('0a:00:00:00:00:07'), mtuBytes: 1450, up: true, kind },
  };
}

const address: KernelObject = {
  type: 'address',
  value: { dev, local: parseIp('10.2.1.0'), prefixLength: 32, scope: 'global' },
};

/** In the namespace of the device other devices have the numbers of those below, and other names. */
async function bench(t: TestContext) {
  const scope = testScope(t);
  const [underlay, tenant] = [await createNetns(scope, 'underlay'), await createNetns(scope, 'tenant')];
  await underlay.ipBatch([
    'link add eth0 type veth peer name far',
    'address add 192.0.2.1/24 dev eth0',
    'link set eth0 up',
    'link set far up',
  ]);
  await tenant.ipBatch(['link add one type veth peer name other', 'link set one up', 'link set other up']);
  const socket = scope.own('socket', NetlinkSocket.open({ netns: tenant.path }));
  const below = {
    socket: scope.own('socket below', NetlinkSocket.open({ netns: underlay.path })),
    netnsFd: openNetns(tenant.path),
  };
  scope.defer('namespace', () => closeSync(below.netnsFd));
  const repairs: string[] = [];
  const hear = (_: object, message: string) => void repairs.push(message);
  const log: Log = { debug() {}, info() {}, warn: hear, error: hear };
  const wish = { lower: 'eth0' };
  const reconciler = new Reconciler({
    ...{ socket, below, log, clock: systemClock, signal: scope.signal, random: Math.random },
    ...{ devices: [dev], borrowed: [] },
    get needs() {
      return [wish.lower];
    },
    owns: object => object.type === 'link' && object.value.name === dev,
  });
  scope.defer('reconciler', async () => void (await reconciler.settled()));
  const onEvent = reconciler.notice.bind(reconciler);
  scope.own('monitor', monitor({ netns: tenant.path, onEvent }));
  scope.own(
    'monitor below',
    monitor({ netns: underlay.path, onEvent: reconciler.noticeBelow.bind(reconciler) }),
  );
  const seen = await underlay.start('ip monitor link');
  const isRight = async () => {
    const { state } = await snapshot(socket, [dev], [], below);
    return [link(wish.lower), address].every(object => {
      const actual = state.get(keyOf(object));
      return actual !== undefined && compare(object, actual).length === 0;
    });
  };
  const show = () => tenant.run(`ip -d link show ${dev}`);
  return { underlay, tenant, reconciler, repairs, seen, show, isRight, wish };
}

test('a device is made straight into the other namespace, is read back as wished, and is not repaired for ever', async t => {
  const { underlay, reconciler, repairs, seen, show, isRight } = await bench(t);
  reconciler.set([link('eth0'), address]);
  assert.deepEqual(await reconciler.settled(), { added: 2, replaced: 0, deleted: 0 });
  assert.match(
    await show(),
    // The number below, which iproute2 takes for that of a device beside it.
    /link-netns.* vxlan id 7 local 192\.0\.2\.1 dev one .*dstport 8472 nolearning/s,
  );
  assert.match(await underlay.run('ss -Huln'), /:8472/, 'its UDP socket is below');
  assert.ok(await isRight());
  for (let looks = 0; looks < 3; looks++) {
    reconciler.resync();
    assert.deepEqual(await reconciler.settled(), { added: 0, replaced: 0, deleted: 0 });
  }
  assert.deepEqual(repairs, []);
  assert.doesNotMatch(seen.output, /flannel/, 'nothing of it was below at any moment');
});

test('whatever is done to the device comes back: deleted, down, elsewhere, or without what it is made on', async t => {
  const { underlay, tenant, reconciler, isRight, show } = await bench(t);
  reconciler.set([link('eth0'), address]);
  await reconciler.settled();
  const damages: ReadonlyArray<readonly [string, () => Promise<unknown>]> = [
    ['deleted', () => tenant.run(`ip link delete ${dev}`)],
    ['set down', () => tenant.run(`ip link set ${dev} down`)],
    ['renamed', () => tenant.run(`ip link set ${dev} name stolen`)],
    ['given another source', () => tenant.run(`ip link set ${dev} type vxlan id 7 local 192.0.2.99`)],
    [
      'put in place of by one whose socket is in the wrong namespace, on a device of the same number',
      async () => {
        await tenant.run(`ip link delete ${dev}`);
        // Refused when the reconciler was quicker, which is as good.
        await tenant.run(['sh', '-c', `ip link add ${dev} type vxlan id 7 dev other dstport 8472 || :`]);
      },
    ],
    ['robbed of its address', () => tenant.run(`ip address flush dev ${dev}`)],
  ];
  for (const [title, damage] of damages) {
    await damage();
    await eventually(title, isRight);
  }
  // With the device below goes ours (vxlan_handle_lowerdev_unregister), and comes with it.
  await underlay.run('ip link delete eth0');
  await eventually('gone', () =>
    show().then(
      () => false,
      () => true,
    ),
  );
  await underlay.ipBatch([
    'link add eth0 type veth peer name far',
    'address add 192.0.2.1/24 dev eth0',
    'link set eth0 up',
  ]);
  await eventually('back on the new one', isRight);
});

test('another device below is followed while it runs', async t => {
  const { underlay, reconciler, isRight, wish, show } = await bench(t);
  reconciler.set([link('eth0'), address]);
  await reconciler.settled();
  const number = /^(\d+):/.exec(await show())?.[1];
  await underlay.run('ip link set eth0 name wan0');
  wish.lower = 'wan0';
  reconciler.set([link('wan0')]);
  await reconciler.settled();
  assert.ok(await isRight());
  wish.lower = 'far';
  reconciler.set([link('far')]);
  await eventually('the other end', isRight);
  assert.equal(/^(\d+):/.exec(await show())?.[1], number, 'the very same device');
});

test('a place is lost when its namespace goes or another takes its name, and cannot be that of the daemon', async t => {
  const scope = testScope(t);
  const tenant = await createNetns(scope, 'tenant');
  const underlay = scope.own('socket', NetlinkSocket.open());
  assert.throws(() => placeInNetns('/run/netns/absent', underlay, systemClock), { code: 'netns-missing' });
  assert.throws(() => placeInNetns('/proc/self/ns/net', underlay, systemClock), { code: 'netns-own' });
  const place = placeInNetns(tenant.path, underlay, systemClock);
  scope.own('place', place);
  assert.equal(place.lost.aborted, false);
  await run(['ip', 'netns', 'delete', tenant.name]);
  await run(['ip', 'netns', 'add', tenant.name]);
  await eventually('lost', () => place.lost.aborted);
  assert.equal((place.lost.reason as { code?: string }).code, 'netns-missing');
});

test('forwarding and the lock of a device belong to the namespace of the device', async t => {
  const scope = testScope(t);
  const [one, other] = [await createNetns(scope, 'one'), await createNetns(scope, 'other')];
  const underlay = scope.own('socket', NetlinkSocket.open());
  const places = [one, other].map(({ path }) => scope.own(path, placeInNetns(path, underlay, systemClock)));
  const said: string[] = [];
  const log: Log = { debug() {}, info: (_, message) => void said.push(message), warn() {}, error() {} };
  places[0]?.inside(() => enableForwarding(log));
  assert.equal((await one.run('sysctl -n net.ipv4.ip_forward')).trim(), '1');
  assert.equal((await other.run('sysctl -n net.ipv4.ip_forward')).trim(), '0');
  assert.equal(said.length, 1);
  const locks = [...places, placeOnUnderlay(underlay)].map(place =>
    scope.own('locks', new InstanceLocks(place.inside)),
  );
  for (const lock of locks) lock.hold(['flannel.7']);
  const second = new InstanceLocks(places[0]?.inside);
  assert.throws(() => second.hold(['flannel.7']), { code: 'already-running' });
});
