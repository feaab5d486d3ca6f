import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createUdp } from '../../../src/backend/udp.ts';
import { hasCode } from '../../../src/base/errors.ts';
import { parseIp } from '../../../src/base/ip.ts';
import { parsePrefix } from '../../../src/base/prefix.ts';
import type { KernelObject } from '../../../src/state/kernel-object.ts';
import type { Tun } from '../../../src/wire/link-kind.ts';
import { configOf, external, type Families, hostOf, identity, lines, peer, planText } from './hosts.ts';

const type = { Type: 'udp' };

const devices: ReadonlyArray<readonly [Families, number, readonly string[]]> = [
  [
    '4',
    1472,
    ['ip address add 10.2.1.0/32 dev flannel0', 'ip route add 10.2.0.0/16 dev flannel0 scope global'],
  ],
  [
    '6',
    1452,
    [
      'ip address add fd00:2:0:1::/128 dev flannel0 nodad',
      'ip -6 route add fd00:2::/48 dev flannel0 scope global',
    ],
  ],
  [
    '46',
    1452,
    [
      'ip address add 10.2.1.0/32 dev flannel0',
      'ip route add 10.2.0.0/16 dev flannel0 scope global',
      'ip address add fd00:2:0:1::/128 dev flannel0 nodad',
      'ip -6 route add fd00:2::/48 dev flannel0 scope global',
    ],
  ],
];
test("the device is flannel's flannel0, which the whole network leads to, MTU 28 less, 48 with IPv6", () => {
  for (const [families, mtu, expected] of devices) {
    const host = hostOf(type, families);
    const { backend } = createUdp(host.config);
    assert.equal(backend.containerMtuBytes(external), mtu, families);
    const [device, ...others] = backend.planHost(host);
    assert.ok(device?.type === 'link' && device.value.kind?.kind === 'tun');
    assert.deepEqual(device.value.kind, { kind: 'tun', mode: 'tun', persistent: true });
    assert.deepEqual(lines([device]), [
      `ip tuntap add dev flannel0 mode tun && ip link set flannel0 mtu ${mtu} txqueuelen 4000 up`,
    ]);
    assert.deepEqual(lines(others), expected, families);
  }
});

test('packets are carried in user space, from flannel0 to the port that the config names', () => {
  for (const [options, port] of [
    [{}, 8285],
    [{ port: 9000 }, 9000],
  ] as const) {
    const { backend, warnings } = createUdp(configOf({ ...type, ...options }));
    assert.deepEqual(backend.carrier, { type: 'tunnel', device: 'flannel0', port });
    assert.deepEqual([backend.udpPorts, backend.devices, warnings], [[port], ['flannel0'], []]);
  }
});

test('a port that is none is refused by name', () => {
  for (const Port of [0, -1, 65536, '8285', 1.5]) {
    assert.throws(
      () => createUdp(configOf({ ...type, Port })),
      error => hasCode(error, 'config-invalid') && /Port/.test(error.message),
      String(Port),
    );
  }
});

test('a peer is what its subnets lead to, and no object of the kernel', () => {
  const host = hostOf(type, '46');
  const { backend } = createUdp(host.config);
  const theirs = { PublicIP: '192.0.2.2', PublicIPv6: '2001:db8::2' };
  assert.deepEqual(backend.planPeer(host, peer(14, theirs, '46')), [
    { type: 'reached', routed: '10.2.14.0/24', objects: [] },
    { type: 'reached', routed: 'fd00:2:0:14::/64', objects: [] },
  ]);
});

test('half of a dual-stack lease is enough, and half of one is followed', () => {
  const host = hostOf(type);
  const both = peer(14, { PublicIP: '192.0.2.2' }, '46');
  assert.deepEqual(createUdp(host.config).backend.planPeer(host, both), [
    { type: 'reached', routed: '10.2.14.0/24', objects: [] },
  ]);
  const dual = hostOf(type, '46');
  assert.deepEqual(
    createUdp(dual.config)
      .backend.planPeer(dual, both)
      .map(part => (part.type === 'reached' ? part.routed : part.reason)),
    ['10.2.14.0/24', 'publishes no IPv6 address to reach it at'],
  );
});

const refusals: ReadonlyArray<readonly [string, object, RegExp]> = [
  ['vxlan', { PublicIP: '192.0.2.2', BackendType: 'vxlan' }, /the backend vxlan, ours is udp/],
  ['host-gw', { PublicIP: '192.0.2.2', BackendType: 'host-gw' }, /the backend host-gw, ours is udp/],
  ['no address', {}, /no IPv4 address/],
  ['our address', { PublicIP: '192.0.2.1' }, /our own address/],
];
test('a peer that the tunnel cannot reach is refused with the reason', () => {
  const host = hostOf(type);
  for (const [what, attrs, reason] of refusals) {
    const plan = planText(createUdp(host.config).backend.planPeer(host, peer(14, attrs)));
    assert.match(plan.join('\n'), new RegExp(`^no: .*${reason.source}`), what);
  }
  const off = planText(
    createUdp(host.config).backend.planPeer(host, peer(14, { PublicIPv6: 'fe80::2' }, '6')),
  );
  assert.deepEqual(off, ['no: has no subnet of a family that is switched on here']);
});

test("the lease is flannel's: no type and no data", () => {
  const attrs = createUdp(configOf(type)).backend.attrs(identity());
  assert.deepEqual([attrs.backendType, attrs.backendData, attrs.backendV6Data], ['', undefined, undefined]);
  assert.equal(createUdp(configOf(type)).backend.speaks(attrs), true);
});

const kind: Tun = { kind: 'tun', mode: 'tun', persistent: true, vnetHeader: true };
const dev = 'flannel0';
const network = {
  dst: parsePrefix('10.2.0.0/16'),
  dev,
  protocol: 'boot',
  scope: 'global',
  type: 'unicast',
  table: 254,
} as const;
const ownership: ReadonlyArray<readonly [string, KernelObject, boolean]> = [
  ['our device', { type: 'link', value: { name: dev, kind } }, true],
  [
    "a running flanneld's",
    { type: 'link', value: { name: dev, kind: { ...kind, persistent: false } } },
    false,
  ],
  ['a TAP of our name', { type: 'link', value: { name: dev, kind: { ...kind, mode: 'tap' } } }, false],
  ['another TUN', { type: 'link', value: { name: 'tun0', kind } }, false],
  ['the route of the network', { type: 'route', value: network }, true],
  [
    'that of a former network',
    { type: 'route', value: { ...network, dst: parsePrefix('10.9.0.0/16') } },
    true,
  ],
  ["an operator's route", { type: 'route', value: { ...network, scope: 'link' } }, false],
  ["the kernel's route", { type: 'route', value: { ...network, protocol: 'kernel' } }, false],
  ['over another device', { type: 'route', value: { ...network, dev: 'tun0' } }, false],
  ['an old address', { type: 'address', value: { dev, local: parseIp('10.2.9.0'), prefixLength: 32 } }, true],
  [
    'an address from elsewhere',
    { type: 'address', value: { dev, local: parseIp('198.51.100.1'), prefixLength: 32 } },
    false,
  ],
];
test('on flannel0 what an earlier run made is ours, and only that', () => {
  const host = hostOf(type);
  const { backend } = createUdp(host.config);
  for (const [what, object, expected] of ownership) assert.equal(backend.owns(host, object), expected, what);
  const six = (dst: string): KernelObject => ({
    type: 'route',
    value: { ...network, dst: parsePrefix(dst) },
  });
  const dual = hostOf(type, '46');
  const owns6 = (dst: string): boolean => createUdp(dual.config).backend.owns(dual, six(dst));
  assert.deepEqual([owns6('fd00:2::/48'), owns6('fd00:3::/48')], [true, false]);
});
