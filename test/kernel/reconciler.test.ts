import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { parseIp } from '../../src/base/ip.ts';
import type { Log } from '../../src/base/log.ts';
import { parseMac } from '../../src/base/mac.ts';
import { parsePrefix } from '../../src/base/prefix.ts';
import { Reconciler } from '../../src/daemon/reconciler.ts';
import { monitor } from '../../src/kernel/monitor.ts';
import type { KernelObject } from '../../src/state/kernel-object.ts';
import { keyOf } from '../../src/state/kernel-object.ts';
import { systemClock } from '../../src/sys/clock.ts';
import { NetlinkSocket } from '../../src/sys/netlink-socket.ts';
import { eventually } from '../support/eventually.ts';
import { testScope } from '../support/leaks.ts';
import { createNetns, type Netns } from '../support/netns.ts';

const dev = 'flannel.1';
const link: KernelObject = {
  type: 'link',
  value: {
    name: dev,
    mac: parseMac('0a:00:00:00:00:01'),
    mtuBytes: 1450,
    txQueueLength: 0,
    up: true,
    kind: { kind: 'vxlan', vni: 1, dev: 'eth0', local: parseIp('192.0.2.1'), learning: false },
  },
};
const address: KernelObject = {
  type: 'address',
  value: { dev, local: parseIp('10.2.1.0'), prefixLength: 32, scope: 'global' },
};

function peer(octet: number): KernelObject[] {
  const gateway = parseIp(`10.2.${octet}.0`);
  const lladdr = parseMac(`0a:00:00:00:01:${octet.toString(16).padStart(2, '0')}`);
  return [
    {
      type: 'fdb',
      value: { dev, lladdr, dst: parseIp(`192.0.2.${octet}`), table: 'self', state: 'permanent' },
    },
    { type: 'neighbour', value: { dev, dst: gateway, lladdr, state: 'permanent' } },
    { type: 'route', value: { dst: parsePrefix(`10.2.${octet}.0/24`), gateway, dev, onlink: true } },
  ];
}

interface Bench {
  /** Lets the reconciler hear of changes. */
  listen(): void;
  readonly netns: Netns;
  readonly reconciler: Reconciler;
  readonly warnings: string[];
  routes(): Promise<string[]>;
}

async function bench(t: TestContext): Promise<Bench> {
  const scope = testScope(t);
  const netns = await createNetns(scope, 'host');
  await netns.ipBatch([
    'link add eth0 type veth peer name far',
    'address add 192.0.2.1/24 dev eth0',
    'link set eth0 up',
    'link set far up',
  ]);
  const warnings: string[] = [];
  const log: Log = { debug() {}, info() {}, warn: (_, message) => warnings.push(message), error() {} };
  const reconciler = new Reconciler({
    socket: scope.own('socket', NetlinkSocket.open({ netns: netns.path })),
    log,
    clock: systemClock,
    signal: scope.signal,
    devices: [dev],
    borrowed: [],
    needs: ['eth0'],
    owns: object =>
      object.type !== 'link' && object.type !== 'address' && object.value.dev === dev && isOurs(object),
    random: Math.random,
  });
  scope.defer('reconciler', async () => void (await reconciler.settled()));
  const routes = async () =>
    (await netns.run('ip route show dev flannel.1'))
      .split('\n')
      .map(line => line.trim())
      .filter(Boolean);
  const listen = () => {
    scope.own('monitor', monitor({ netns: netns.path, onEvent: event => reconciler.notice(event) }));
  };
  return { netns, reconciler, warnings, routes, listen };
}

/** The text of everything that is ours. */
async function show(netns: Netns): Promise<string[]> {
  const texts = [
    'ip -d link show flannel.1',
    'ip -4 address show dev flannel.1',
    'ip route',
    'ip -4 neigh show dev flannel.1',
    'bridge fdb show dev flannel.1',
  ];
  const lines: string[] = [];
  for (const text of texts) {
    const shown = await netns.run(text).catch(() => 'no such device');
    lines.push(...shown.split('\n').sort());
  }
  return lines.map(line => line.replace(/^\d+: /, ''));
}

function isOurs(object: KernelObject): boolean {
  if (object.type === 'route') return object.value.onlink === true;
  return (
    object.type !== 'nexthop' &&
    object.type !== 'link' &&
    object.type !== 'address' &&
    object.value.state === 'permanent'
  );
}

test('what is set is in the kernel after settling, and setting it again writes nothing', async t => {
  const { netns, reconciler, routes } = await bench(t);
  reconciler.set([...peer(14), ...peer(15), address, link]);
  assert.deepEqual(await reconciler.settled(), { added: 8, replaced: 0, deleted: 0 });
  assert.deepEqual(await routes(), [
    '10.2.14.0/24 via 10.2.14.0 onlink',
    '10.2.15.0/24 via 10.2.15.0 onlink',
  ]);
  assert.match(
    await netns.run('bridge fdb show dev flannel.1'),
    /0a:00:00:00:01:0e dst 192\.0\.2\.14 self permanent/,
  );
  reconciler.set([...peer(14), link]);
  reconciler.resync();
  assert.deepEqual(await reconciler.settled(), { added: 0, replaced: 0, deleted: 0 });
});

const drifts: ReadonlyArray<readonly [string, readonly string[]]> = [
  ['a route is deleted', ['ip route delete 10.2.14.0/24']],
  ['a route leads elsewhere', ['ip route replace 10.2.14.0/24 via 192.0.2.77 dev eth0']],
  ['a neighbour is deleted', ['ip neigh delete 10.2.14.0 dev flannel.1']],
  [
    'a neighbour has another MAC',
    ['ip neigh replace 10.2.14.0 lladdr 02:00:00:00:00:99 dev flannel.1 nud permanent'],
  ],
  [
    'a neighbour is no longer permanent',
    ['ip neigh replace 10.2.14.0 lladdr 0a:00:00:00:01:0e dev flannel.1 nud stale'],
  ],
  ['an FDB entry is deleted', ['bridge fdb delete 0a:00:00:00:01:0e dev flannel.1']],
  [
    'an FDB entry points to another host',
    ['bridge fdb replace 0a:00:00:00:01:0e dev flannel.1 dst 192.0.2.99'],
  ],
  ['the address is deleted', ['ip address delete 10.2.1.0/32 dev flannel.1']],
  ['the MTU is changed', ['ip link set flannel.1 mtu 1400']],
  ['the MAC is rewritten', ['ip link set flannel.1 address 02:00:00:00:00:99']],
  ['the device is down', ['ip link set flannel.1 down']],
  ['the device is deleted', ['ip link delete flannel.1']],
  ['learning is switched on', ['ip link set flannel.1 type vxlan learning']],
  [
    'the device has another VNI',
    [
      'ip link delete flannel.1',
      'ip link add flannel.1 type vxlan id 2 dev eth0 local 192.0.2.1 dstport 8472',
    ],
  ],
  [
    'stale entries lie about',
    [
      'ip route add 10.2.77.0/24 via 10.2.77.0 dev flannel.1 onlink',
      'ip neigh add 10.2.77.0 lladdr 02:00:00:00:00:77 dev flannel.1 nud permanent',
      'bridge fdb add 02:00:00:00:00:77 dev flannel.1 dst 192.0.2.77 self permanent',
    ],
  ],
];
for (const [title, commands] of drifts) {
  test(`a resync mends it when ${title}`, async t => {
    const { netns, reconciler } = await bench(t);
    reconciler.set([link, address, ...peer(14), ...peer(15)]);
    await reconciler.settled();
    const before = await show(netns);
    for (const command of commands) await netns.run(command);
    assert.notDeepEqual(await show(netns), before, 'the drift can be seen');
    reconciler.resync();
    await reconciler.settled();
    assert.deepEqual(await show(netns), before);
    reconciler.resync();
    assert.deepEqual(await reconciler.settled(), { added: 0, replaced: 0, deleted: 0 }, 'once is enough');
  });
}

for (const [title, commands] of drifts) {
  test(`the monitor's notice is enough to mend it when ${title}`, async t => {
    const { netns, reconciler, listen } = await bench(t);
    reconciler.set([link, address, ...peer(14), ...peer(15)]);
    await reconciler.settled();
    listen();
    const before = await show(netns);
    // A later command of several may find the first already repaired.
    for (const command of commands) await netns.run(command).catch(() => '');
    const options = { timeoutMs: 10_000 };
    await eventually(
      'everything is as before',
      async () => {
        assert.deepEqual(await show(netns), before);
        return true;
      },
      options,
    );
    await reconciler.settled();
    assert.ok([...reconciler.repaired.values()].reduce((sum, count) => sum + count, 0) > 0, 'it was counted');
  });
}

test('another underlay address is taken over by the running device, with everything on it', async t => {
  const { netns, reconciler } = await bench(t);
  reconciler.set([link, address, ...peer(14)]);
  await reconciler.settled();
  const before = (await netns.run('ip -o link show flannel.1')).split(':')[0];
  await netns.run('ip address add 192.0.2.9/24 dev eth0');
  const moved = {
    ...link,
    value: { ...link.value, kind: { ...link.value.kind, local: parseIp('192.0.2.9') } },
  };
  reconciler.set([moved as KernelObject]);
  assert.deepEqual(await reconciler.settled(), { added: 0, replaced: 1, deleted: 0 });
  assert.match(await netns.run('ip -d link show flannel.1'), /local 192\.0\.2\.9 /);
  assert.equal((await netns.run('ip -o link show flannel.1')).split(':')[0], before, 'it is the same device');
});

test('an IPv6 route, to which the kernel gives a metric, is made once and stays', async t => {
  const { netns, reconciler, listen } = await bench(t);
  listen();
  const route: KernelObject = {
    type: 'route',
    value: { dst: parsePrefix('fd00:2:0:e::/64'), gateway: parseIp('fd00:2:0:e::'), dev, onlink: true },
  };
  reconciler.set([link, address, route]);
  await reconciler.settled();
  const before = await netns.run('ip -6 route show dev flannel.1');
  assert.match(before, /^fd00:2:0:e::\/64 via fd00:2:0:e:: metric 1024 onlink/m);
  reconciler.resync();
  assert.deepEqual(await reconciler.settled(), { added: 0, replaced: 0, deleted: 0 });
  reconciler.unset([keyOf(route)]);
  assert.equal((await reconciler.settled()).deleted, 1);
  assert.doesNotMatch(await netns.run('ip -6 route show dev flannel.1'), /fd00:2/);
});

test('foreign things on our device and elsewhere stay as they are', async t => {
  const { netns, reconciler } = await bench(t);
  reconciler.set([link, address, ...peer(14)]);
  await reconciler.settled();
  await netns.run('ip route add 198.51.100.0/24 dev flannel.1');
  await netns.run('ip route add 203.0.113.0/24 via 192.0.2.9 dev eth0');
  await netns.run('ip address add 10.99.0.1/24 dev flannel.1');
  const before = await netns.run('ip route');
  reconciler.unset(peer(14).map(keyOf));
  reconciler.resync();
  await reconciler.settled();
  const after = await netns.run('ip route');
  assert.deepEqual(
    after.split('\n'),
    before.split('\n').filter(line => !line.startsWith('10.2.14.0/24')),
  );
  assert.match(await netns.run('ip address show dev flannel.1'), /10\.99\.0\.1/);
});

test('one refused object holds up nobody, is reported, and is tried until it works', async t => {
  const { netns, reconciler, warnings, routes } = await bench(t);
  const bad: KernelObject = {
    type: 'route',
    value: { dst: parsePrefix('10.2.9.0/24'), gateway: parseIp('10.9.9.9'), dev: 'eth0' },
  };
  reconciler.set([link, address, bad, ...peer(14)]);
  await reconciler.settled();
  assert.deepEqual(await routes(), ['10.2.14.0/24 via 10.2.14.0 onlink']);
  const failing = reconciler.failing.get(keyOf(bad));
  assert.match(failing?.error ?? '', /ENETUNREACH.*invalid gateway/);
  assert.equal(warnings.length, 1);
  await netns.run('ip address add 10.9.9.1/24 dev eth0');
  await eventually('the route is there', async () =>
    (await netns.run('ip route')).includes('10.2.9.0/24 via 10.9.9.9'),
  );
  await eventually('nothing fails any more', async () => reconciler.failing.size === 0);
});

test('five thousand peers are programmed, and withdrawn, in one go', async t => {
  const { netns, reconciler } = await bench(t);
  const many = Array.from({ length: 5000 }, (_, index) => {
    const [high, low] = [index >> 8, index & 255];
    const gateway = parseIp(`10.${high + 10}.${low}.0`);
    const hex = [high, low].map(octet => octet.toString(16).padStart(2, '0')).join(':');
    const lladdr = parseMac(`0a:00:00:01:${hex}`);
    return [
      { type: 'fdb', value: { dev, lladdr, dst: parseIp('192.0.2.2'), table: 'self', state: 'permanent' } },
      { type: 'neighbour', value: { dev, dst: gateway, lladdr, state: 'permanent' } },
      { type: 'route', value: { dst: parsePrefix(`${gateway}/24`), gateway, dev, onlink: true } },
    ] satisfies KernelObject[];
  }).flat();
  reconciler.set([link, address, ...many]);
  assert.equal((await reconciler.settled()).added, 15_002);
  assert.equal((await netns.run('ip route show dev flannel.1')).trim().split('\n').length, 5000);
  reconciler.unset(many.map(keyOf));
  assert.equal((await reconciler.settled()).deleted, 15_000);
  assert.equal(await netns.run('ip route show dev flannel.1'), '');
  assert.equal(await netns.run('ip -4 neigh show dev flannel.1'), '');
});
