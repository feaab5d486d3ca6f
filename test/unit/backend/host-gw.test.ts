import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createHostGw } from '../../../src/backend/host-gw.ts';
import { hasCode } from '../../../src/base/errors.ts';
import { parseIp } from '../../../src/base/ip.ts';
import { configOf, external, type Families, hostOf, identity, peer, planText } from './hosts.ts';

const type = { Type: 'host-gw' };
const theirs = { PublicIP: '192.0.2.2', PublicIPv6: '2001:db8::2', BackendType: 'host-gw' };

function plan(attrs: object, families: Families = '4') {
  const host = hostOf(type, families);
  return createHostGw(host.config).backend.planPeer(host, peer(14, attrs, families));
}

const routes: ReadonlyArray<readonly [Families, object, readonly string[]]> = [
  ['4', theirs, ['ip route add 10.2.14.0/24 via 192.0.2.2 dev eth0 proto 87']],
  ['6', theirs, ['ip -6 route add fd00:2:0:14::/64 via 2001:db8::2 dev eth0 proto 87']],
  [
    '46',
    theirs,
    [
      'ip route add 10.2.14.0/24 via 192.0.2.2 dev eth0 proto 87',
      'ip -6 route add fd00:2:0:14::/64 via 2001:db8::2 dev eth0 proto 87',
    ],
  ],
  [
    '6',
    { ...theirs, PublicIPv6: 'fe80::2' },
    ['ip -6 route add fd00:2:0:14::/64 via fe80::2 dev eth0 proto 87'],
  ],
];
test('a peer is one route for each family, by its own address on the link, with our mark', () => {
  for (const [families, attrs, expected] of routes)
    assert.deepEqual(planText(plan(attrs, families)), expected, families);
});

const refusals: ReadonlyArray<readonly [string, object, RegExp]> = [
  ['behind a router', { ...theirs, PublicIP: '203.0.113.7' }, /203\.0\.113\.7.*not on the link of eth0/],
  ['routed elsewhere', { ...theirs, PublicIP: '192.0.2.99' }, /192\.0\.2\.99.*not on the link of eth0/],
  ['with our own address', { ...theirs, PublicIP: '192.0.2.1' }, /our own address 192\.0\.2\.1/],
  ['without an address', { ...theirs, PublicIP: '0.0.0.0' }, /no IPv4 address/],
  ['of vxlan', { ...theirs, BackendType: 'vxlan' }, /the backend vxlan, ours is host-gw/],
  ['of udp', { ...theirs, BackendType: '' }, /the backend udp or alloc, ours is host-gw/],
];
test('a peer that no route can reach is refused with the reason', () => {
  for (const [what, attrs, reason] of refusals) {
    const [text, ...more] = planText(plan(attrs));
    assert.match(text ?? '', new RegExp(`^no: .*${reason.source}`), what);
    assert.deepEqual(more, [], what);
  }
});

test('a family that is refused does not keep the other away', () => {
  const [first, second] = planText(plan({ ...theirs, PublicIP: '203.0.113.7' }, '46'));
  assert.match(first ?? '', /^no: .*203\.0\.113\.7/);
  assert.equal(second, 'ip -6 route add fd00:2:0:14::/64 via 2001:db8::2 dev eth0 proto 87');
});

test('it makes no device, borrows the external interface, and leaves the MTU as it is', () => {
  const host = hostOf(type);
  const { backend } = createHostGw(host.config);
  assert.deepEqual([backend.devices, backend.udpPorts, backend.planHost(host)], [[], [], []]);
  assert.deepEqual(backend.borrows(external), ['eth0']);
  assert.equal(backend.tunnelDevice(4, external), 'eth0');
  assert.equal(backend.containerMtuBytes(external), 1500);
});

test("the lease is flannel's: type and addresses, no data", () => {
  const { backend } = createHostGw(configOf(type));
  assert.deepEqual(backend.attrs(identity()), {
    publicIp: '192.0.2.1',
    publicIpv6: '2001:db8::1',
    backendType: 'host-gw',
    backendData: undefined,
    backendV6Data: undefined,
  });
});

test("a public address that is not the interface's is refused at the start, in each family", () => {
  const cases: ReadonlyArray<readonly [Families, object, string]> = [
    ['4', { publicIp: parseIp('198.51.100.1') }, '198.51.100.1'],
    ['46', { publicIpv6: parseIp('2001:db8:ffff::1') }, '2001:db8:ffff::1'],
  ];
  for (const [families, given, address] of cases) {
    const { backend } = createHostGw(configOf(type, families));
    assert.throws(
      () => backend.attrs(identity(given)),
      error => hasCode(error, 'public-ip-not-here') && error.message.includes(address),
    );
  }
  // What is published of a family that is off, nobody uses.
  createHostGw(configOf(type)).backend.attrs(identity({ publicIpv6: parseIp('2001:db8:ffff::1') }));
});

test("Windows' options are warned about", () => {
  const { warnings } = createHostGw(configOf({ ...type, Name: 'cbr0', DNSServerList: 'x' }));
  assert.equal(warnings.length, 2);
});
