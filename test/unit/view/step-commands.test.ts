import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIp } from '../../../src/base/ip.ts';
import { parseMac } from '../../../src/base/mac.ts';
import { parsePrefix } from '../../../src/base/prefix.ts';
import type { Step } from '../../../src/state/diff.ts';
import { stepOf } from '../../../src/state/diff.ts';
import { type KernelObject, stateOf } from '../../../src/state/kernel-object.ts';
import { stepsBetween } from '../../../src/view/kernel-steps.ts';
import { stepCommands, stepReason } from '../../../src/view/step-commands.ts';

const mac = parseMac('0a:1b:2c:3d:4e:5f');
const device: KernelObject = {
  type: 'link',
  value: { name: 'flannel.7', mac, mtuBytes: 1450, up: true, kind: { kind: 'vxlan', vni: 7, dev: 'eth0' } },
};
const tun: KernelObject = {
  type: 'link',
  value: { name: 'flannel0', mtuBytes: 1472, up: true, kind: { kind: 'tun', mode: 'tun', persistent: true } },
};
const neighbour: KernelObject = {
  type: 'neighbour',
  value: { dev: 'flannel.7', dst: parseIp('10.2.1.0'), lladdr: mac, state: 'permanent' },
};
const route6: KernelObject = {
  type: 'route',
  value: { dst: parsePrefix('fd02::/64'), gateway: parseIp('fd02::'), dev: 'flannel-v6.1', onlink: true },
};

const nobodys = (): boolean => false;
const both = (wish: KernelObject, seen: KernelObject): Step[] =>
  stepsBetween(stateOf([wish]), stateOf([seen]), nobodys);

const cases: ReadonlyArray<readonly [string, readonly Step[], string | undefined, readonly string[]]> = [
  [
    'what is missing is put in whatever place',
    [stepOf({ verb: 'add', object: neighbour })],
    undefined,
    ['ip neigh replace 10.2.1.0 lladdr 0a:1b:2c:3d:4e:5f dev flannel.7 nud permanent'],
  ],
  [
    'an IPv6 route that is replaced has its way opened first',
    both(route6, {
      type: 'route',
      value: { dst: parsePrefix('fd02::/64'), dev: 'eth0', gateway: parseIp('2001:db8::b') },
    }),
    undefined,
    [
      'ip -6 route add fd02:: dev flannel-v6.1',
      'ip -6 route replace fd02::/64 via fd02:: dev flannel-v6.1 onlink',
      'ip -6 route delete fd02:: dev flannel-v6.1',
    ],
  ],
  [
    'a device is made from below right into its namespace',
    [stepOf({ verb: 'add', object: device })],
    '/run/netns/red',
    [
      'ip link add flannel.7 netns /run/netns/red address 0a:1b:2c:3d:4e:5f mtu 1450 up type vxlan id 7 dev eth0',
    ],
  ],
  [
    'both halves of a line enter the namespace',
    [stepOf({ verb: 'add', object: tun })],
    '/run/netns/a b',
    [
      "nsenter --net='/run/netns/a b' ip tuntap add dev flannel0 mode tun && nsenter --net='/run/netns/a b' ip link set flannel0 mtu 1472 up",
    ],
  ],
];

for (const [title, steps, netns, expected] of cases) {
  test(title, () =>
    assert.deepEqual(
      steps.flatMap(step => stepCommands(step, netns)),
      expected,
    ),
  );
}

test('a reason is in the words of iproute2', () => {
  const seen = { ...device, value: { ...device.value, mtuBytes: 1300, up: false } } as KernelObject;
  assert.deepEqual(both(device, seen).map(stepReason), [
    'mtu is 1300, shall be 1450; it is down, shall be up',
  ]);
});

test('a device that gets its MAC back has its neighbours made again, for the kernel throws them away', () => {
  const seen = { ...device, value: { ...device.value, mac: parseMac('02:00:00:00:00:01') } } as KernelObject;
  const steps = stepsBetween(stateOf([device, neighbour]), stateOf([seen, neighbour]), nobodys);
  assert.deepEqual(
    steps.map(({ verb, object }) => `${verb} ${object.type}`),
    ['replace link', 'add neighbour'],
  );
});

test('what no plan names goes only when it is ours', () => {
  const seen = stateOf([device, neighbour]);
  assert.deepEqual(stepsBetween(stateOf([device]), seen, nobodys), []);
  assert.deepEqual(
    stepsBetween(stateOf([device]), seen, object => object === neighbour),
    [stepOf({ verb: 'delete', object: neighbour })],
  );
});
