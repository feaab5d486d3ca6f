import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Host, Identity } from '../../../src/backend/backend.ts';
import { createVxlan } from '../../../src/backend/vxlan.ts';
import { hasCode } from '../../../src/base/errors.ts';
import { parseIp } from '../../../src/base/ip.ts';
import { parseMac } from '../../../src/base/mac.ts';
import { parsePrefix } from '../../../src/base/prefix.ts';
import type { Lease } from '../../../src/lease/lease.ts';
import { parseLeaseAttrs } from '../../../src/lease/lease-attrs.ts';
import { parseNetworkConfig } from '../../../src/lease/network-config.ts';
import { type KernelObject, stateOf } from '../../../src/state/kernel-object.ts';
import { external, lines, planText } from './hosts.ts';

function configOf(backend: object, rest: object = {}) {
  return parseNetworkConfig(
    JSON.stringify({ Network: '10.2.0.0/16', ...rest, Backend: { Type: 'vxlan', ...backend } }),
  ).config;
}

function lease(subnet: string, attrs: object): Lease {
  const [ipv4, ipv6] = subnet.split(' ');
  return {
    subnet: { ipv4: parsePrefix(ipv4 ?? ''), ipv6: ipv6 === undefined ? undefined : parsePrefix(ipv6) },
    attrs: parseLeaseAttrs(JSON.stringify({ BackendType: 'vxlan', ...attrs })),
    permanent: false,
  };
}

const ours = lease('10.2.1.0/24', {
  PublicIP: '192.0.2.1',
  BackendData: { VNI: 1, VtepMAC: '0a:00:00:00:00:01' },
});
const theirs = {
  PublicIP: '192.0.2.2',
  PublicIPv6: null,
  BackendData: { VNI: 1, VtepMAC: '0a:00:00:00:00:02' },
};

function hostOf(config = configOf({})): Host {
  return { config, external, lease: ours };
}

test("the VTEP is flannel's: flannel.<VNI> on the external interface, MTU 50 less, its subnet's first address", () => {
  const { backend } = createVxlan(configOf({}));
  assert.deepEqual(
    backend.devices,
    ['flannel.1', 'flannel-v6.1'],
    'a device of a family that was switched off goes',
  );
  assert.equal(backend.containerMtuBytes(external), 1450);
  assert.deepEqual(lines(backend.planHost(hostOf())), [
    'ip link add flannel.1 address 0a:00:00:00:00:01 mtu 1450 txqueuelen 0 up type vxlan id 1 dev eth0 local 192.0.2.1 dstport 8472 nol2miss nolearning',
    'ip address add 10.2.1.0/32 dev flannel.1',
  ]);
});

test('options change the device: VNI, Port, MTU, GBP, Learning', () => {
  const config = configOf({ VNI: 77, port: 4789, MTU: 1400, GBP: true, Learning: true });
  const { backend, warnings } = createVxlan(config);
  assert.deepEqual(warnings, []);
  assert.equal(backend.containerMtuBytes(external), 1350);
  assert.equal(
    lines(backend.planHost(hostOf(config)))[0],
    'ip link add flannel.77 address 0a:00:00:00:00:01 mtu 1350 txqueuelen 0 up type vxlan id 77 dev eth0 local 192.0.2.1 dstport 4789 nol2miss learning gbp',
  );
});

test('an MTU that the interface has not got counts as its own, which is said', () => {
  const { backend } = createVxlan(configOf({ MTU: 9000 }));
  assert.equal(backend.containerMtuBytes(external), 1450);
  assert.match(backend.oddities?.(external).join() ?? '', /MTU of 9000, eth0 has 1500/);
});

const badOptions: ReadonlyArray<readonly [object, RegExp]> = [
  [{ VNI: 16777216 }, /VNI/],
  [{ VNI: 'one' }, /VNI/],
  [{ Port: 65536 }, /Port/],
  [{ MTU: -1 }, /MTU/],
  [{ GBP: 'yes' }, /GBP/],
];
test('an option that makes no sense is refused by name', () => {
  for (const [options, message] of badOptions) {
    assert.throws(
      () => createVxlan(configOf(options)),
      error => hasCode(error, 'config-invalid') && message.test(error.message),
      JSON.stringify(options),
    );
  }
});

test('options that mean nothing here are warned about', () => {
  const { warnings } = createVxlan(configOf({ MacPrefix: '0E-2A', Leraning: true }));
  assert.equal(warnings.length, 2);
  const text = warnings.join('\n');
  assert.match(text, /MacPrefix is ignored/);
  assert.match(text, /Leraning.*did you mean "Learning"/);
});

test('a peer is an FDB entry, a neighbour and an onlink route', () => {
  const plan = createVxlan(configOf({})).backend.planPeer(hostOf(), lease('10.2.14.0/24', theirs));
  assert.deepEqual(planText(plan), [
    'bridge fdb add 0a:00:00:00:00:02 dev flannel.1 dst 192.0.2.2 self permanent',
    'ip neigh add 10.2.14.0 lladdr 0a:00:00:00:00:02 dev flannel.1 nud permanent',
    'ip route add 10.2.14.0/24 via 10.2.14.0 dev flannel.1 onlink',
  ]);
});

test('dual stack is the same planner twice: a second device, 70 bytes less, IPv6 entries', () => {
  const config = configOf({}, { EnableIPv6: true, IPv6Network: 'fd00:2::/48' });
  const { backend } = createVxlan(config);
  assert.deepEqual(backend.devices, ['flannel.1', 'flannel-v6.1']);
  assert.equal(backend.containerMtuBytes(external), 1430);
  const own = lease('10.2.1.0/24 fd00:2:0:1::/64', {
    PublicIP: '192.0.2.1',
    PublicIPv6: '2001:db8::1',
    BackendData: { VNI: 1, VtepMAC: '0a:00:00:00:00:01' },
    BackendV6Data: { VNI: 1, VtepMAC: '0a:00:00:00:06:01' },
  });
  const host: Host = { config, external, lease: own };
  assert.equal(lines(backend.planHost(host))[3], 'ip address add fd00:2:0:1::/128 dev flannel-v6.1 nodad');
  const plan = backend.planPeer(
    host,
    lease('10.2.14.0/24 fd00:2:0:14::/64', {
      ...theirs,
      PublicIPv6: '2001:db8::2',
      BackendV6Data: { VNI: 1, VtepMAC: '0a:00:00:00:06:02' },
    }),
  );
  assert.deepEqual(planText(plan).slice(3), [
    'bridge fdb add 0a:00:00:00:06:02 dev flannel-v6.1 dst 2001:db8::2 self permanent',
    'ip neigh add fd00:2:0:14:: lladdr 0a:00:00:00:06:02 dev flannel-v6.1 nud permanent',
    'ip -6 route add fd00:2:0:14::/64 via fd00:2:0:14:: dev flannel-v6.1 onlink',
  ]);
});

test('an IPv4 network follows the IPv4 half of a dual-stack lease', () => {
  const both = lease('10.2.14.0/24 fd00:2:0:14::/64', theirs);
  const plan = createVxlan(configOf({})).backend.planPeer(hostOf(), both);
  assert.deepEqual(
    plan.map(part => part.type === 'reached' && [part.routed, part.objects.length]),
    [['10.2.14.0/24', 3]],
  );
});

const refusals: ReadonlyArray<readonly [string, object, RegExp]> = [
  ['another backend', { ...theirs, BackendType: 'host-gw' }, /host-gw/],
  ['no backend type', { ...theirs, BackendType: '' }, /udp or alloc/],
  ['another VNI', { ...theirs, BackendData: { VNI: 2, VtepMAC: '0a:00:00:00:00:02' } }, /VNI 2/],
  ['our MAC', { ...theirs, BackendData: { VNI: 1, VtepMAC: '0A:00:00:00:00:01' } }, /our own VTEP's MAC/],
  ['a group MAC', { ...theirs, BackendData: { VNI: 1, VtepMAC: '01:00:5e:00:00:01' } }, /01:00:5e:00:00:01/],
  ['no MAC', { ...theirs, BackendData: { VNI: 1 } }, /VtepMAC/],
  ['a MAC that is none', { ...theirs, BackendData: { VNI: 1, VtepMAC: 'nonsense' } }, /nonsense/],
  ['no data', { ...theirs, BackendData: undefined }, /BackendData/],
  ['data of another shape', { ...theirs, BackendData: [1] }, /BackendData/],
  ['no address', { ...theirs, PublicIP: '0.0.0.0' }, /no IPv4 address/],
];
test('a lease that leads nowhere is refused with the reason', () => {
  for (const [what, attrs, reason] of refusals) {
    const plan = createVxlan(configOf({})).backend.planPeer(hostOf(), lease('10.2.14.0/24', attrs));
    assert.equal(plan.length, 1, what);
    assert.match(planText(plan).join(), new RegExp(`^no: .*${reason.source}`), what);
  }
});

const identityCases: ReadonlyArray<readonly [string, Partial<Identity>, string]> = [
  ['the MAC that our lease publishes', { existing: ours }, '0a:00:00:00:00:01'],
  ['else the MAC of the device that is there', {}, '0a:00:00:00:00:dd'],
  ['else a new one', { observed: stateOf([]) }, '02:00:00:00:00:ff'],
];
test('a VTEP keeps its MAC', () => {
  const device: KernelObject = {
    type: 'link',
    value: { name: 'flannel.1', mac: parseMac('0a:00:00:00:00:dd'), kind: { kind: 'vxlan', vni: 1 } },
  };
  for (const [title, given, expected] of identityCases) {
    const attrs = createVxlan(configOf({})).backend.attrs({
      external,
      publicIp: external.ipv4,
      publicIpv6: undefined,
      existing: undefined,
      observed: stateOf([device]),
      randomMac: () => parseMac('02:00:00:00:00:ff'),
      ...given,
    });
    assert.deepEqual(attrs.backendData, { VNI: 1, VtepMAC: expected }, title);
  }
});

const dev = 'flannel.1';
const ownership: ReadonlyArray<readonly [string, KernelObject, boolean]> = [
  [
    "a peer's route",
    {
      type: 'route',
      value: {
        dst: parsePrefix('10.2.9.0/24'),
        gateway: parseIp('10.2.9.0'),
        dev,
        onlink: true,
        protocol: 'boot',
        type: 'unicast',
      },
    },
    true,
  ],
  [
    "an administrator's route over our device",
    {
      type: 'route',
      value: {
        dst: parsePrefix('10.9.0.0/16'),
        gateway: parseIp('10.2.9.0'),
        dev,
        onlink: true,
        protocol: 'boot',
        type: 'unicast',
      },
    },
    false,
  ],
  [
    'a static route of our shape',
    {
      type: 'route',
      value: {
        dst: parsePrefix('10.2.9.0/24'),
        gateway: parseIp('10.2.9.0'),
        dev,
        onlink: true,
        protocol: 'static',
        type: 'unicast',
      },
    },
    false,
  ],
  [
    "the kernel's own route",
    { type: 'route', value: { dst: parsePrefix('10.2.9.0/24'), dev, protocol: 'kernel', type: 'unicast' } },
    false,
  ],
  [
    'a permanent neighbour',
    { type: 'neighbour', value: { dev, dst: parseIp('10.2.9.0'), state: 'permanent' } },
    true,
  ],
  [
    'a learned neighbour',
    { type: 'neighbour', value: { dev, dst: parseIp('10.2.9.0'), state: 'stale' } },
    false,
  ],
  [
    'a permanent FDB entry',
    {
      type: 'fdb',
      value: {
        dev,
        lladdr: parseMac('0a:00:00:00:00:09'),
        dst: parseIp('192.0.2.9'),
        table: 'self',
        state: 'permanent',
      },
    },
    true,
  ],
  [
    'a learned FDB entry',
    {
      type: 'fdb',
      value: {
        dev,
        lladdr: parseMac('0a:00:00:00:00:09'),
        dst: parseIp('192.0.2.9'),
        table: 'self',
        state: 'reachable',
      },
    },
    false,
  ],
  [
    'the default FDB entry',
    {
      type: 'fdb',
      value: {
        dev,
        lladdr: parseMac('00:00:00:00:00:00'),
        dst: parseIp('192.0.2.9'),
        table: 'self',
        state: 'permanent',
      },
    },
    false,
  ],
  [
    'an old address from the network',
    { type: 'address', value: { dev, local: parseIp('10.2.9.0'), prefixLength: 32 } },
    true,
  ],
  [
    'an address from elsewhere',
    { type: 'address', value: { dev, local: parseIp('198.51.100.1'), prefixLength: 32 } },
    false,
  ],
  ['another device', { type: 'link', value: { name: 'flannel.2' } }, false],
];
test('only what a VTEP could have made is ours to remove', () => {
  const { backend } = createVxlan(configOf({}));
  for (const [what, object, expected] of ownership)
    assert.equal(backend.owns(hostOf(), object), expected, what);
});
