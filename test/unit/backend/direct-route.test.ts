import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createBackend } from '../../../src/backend/backends.ts';
import { parseIp } from '../../../src/base/ip.ts';
import { parsePrefix } from '../../../src/base/prefix.ts';
import type { KernelObject, LinkName } from '../../../src/state/kernel-object.ts';
import type { Route } from '../../../src/wire/route.ts';
import { external, hostOf, peer, planText } from './hosts.ts';

const types = ['vxlan', 'host-gw', 'udp', 'alloc', 'extension'];

const left: Route<LinkName> = {
  dst: parsePrefix('10.2.9.0/24'),
  gateway: parseIp('192.0.2.9'),
  dev: 'eth0',
  protocol: 87,
  type: 'unicast',
  table: 254,
};
const ownership: ReadonlyArray<readonly [string, Partial<Route<LinkName>>, boolean]> = [
  ['a route that an earlier run left', {}, true],
  ["an operator's", { protocol: 'static' }, false],
  ["flanneld's", { protocol: 'boot' }, false],
  ['one to a place outside the network', { dst: parsePrefix('10.3.9.0/24') }, false],
  ['one to more than the network', { dst: parsePrefix('10.0.0.0/8') }, false],
  [
    'one of a family that is off',
    { dst: parsePrefix('fd00:2:0:9::/64'), gateway: parseIp('fe80::9') },
    false,
  ],
  ['one over another device', { dev: 'eth1' }, false],
  ['one in another table', { table: 100 }, false],
  ['a blackhole', { type: 'blackhole' }, false],
  ['one without a gateway', { gateway: undefined }, false],
];
test('whatever the backend, what bears our mark on the external interface is ours, and nothing else there', () => {
  for (const type of types) {
    const host = hostOf({ Type: type });
    const { backend } = createBackend(host.config);
    assert.deepEqual(backend.borrows(external), ['eth0'], type);
    for (const [what, change, expected] of ownership) {
      const route: KernelObject = { type: 'route', value: { ...left, ...change } };
      assert.equal(backend.owns(host, route), expected, `${type}: ${what}`);
    }
    assert.equal(backend.owns(host, { type: 'link', value: { name: 'eth0' } }), false, type);
  }
});

const vtep = (last: string) => ({ VNI: 1, VtepMAC: `0a:00:00:00:00:${last}` });
const near = {
  BackendType: 'vxlan',
  PublicIP: '192.0.2.2',
  PublicIPv6: '2001:db8::2',
  BackendData: vtep('02'),
  BackendV6Data: vtep('62'),
};
const tunnel4 = [
  'bridge fdb add 0a:00:00:00:00:02 dev flannel.1 dst 192.0.2.2 self permanent',
  'ip neigh add 10.2.14.0 lladdr 0a:00:00:00:00:02 dev flannel.1 nud permanent',
  'ip route add 10.2.14.0/24 via 10.2.14.0 dev flannel.1 onlink',
];
const far = tunnel4.map(line => line.replace('192.0.2.2', '203.0.113.7'));
const tunnel6 = [
  'bridge fdb add 0a:00:00:00:00:62 dev flannel-v6.1 dst 2001:db8::2 self permanent',
  'ip neigh add fd00:2:0:14:: lladdr 0a:00:00:00:00:62 dev flannel-v6.1 nud permanent',
  'ip -6 route add fd00:2:0:14::/64 via fd00:2:0:14:: dev flannel-v6.1 onlink',
];
const direct4 = ['ip route add 10.2.14.0/24 via 192.0.2.2 dev eth0 proto 87'];
const direct6 = ['ip -6 route add fd00:2:0:14::/64 via 2001:db8::2 dev eth0 proto 87'];

const cases: ReadonlyArray<readonly [string, boolean, object, readonly string[]]> = [
  ['both on the link', true, near, [...direct4, ...direct6]],
  ['IPv4 behind a router', true, { ...near, PublicIP: '203.0.113.7' }, [...far, ...direct6]],
  ['the option off', false, near, [...tunnel4, ...tunnel6]],
];
test('with DirectRouting a peer on the link needs no tunnel, family by family', () => {
  for (const [what, DirectRouting, attrs, expected] of cases) {
    const host = hostOf({ Type: 'vxlan', DirectRouting }, '46');
    const { backend, warnings } = createBackend(host.config);
    assert.deepEqual(warnings, []);
    assert.deepEqual(planText(backend.planPeer(host, peer(14, attrs, '46'))), expected, what);
  }
});

test('DirectRouting is decided by the routes of the moment', () => {
  const host = hostOf({ Type: 'vxlan', DirectRouting: true });
  const { backend } = createBackend(host.config);
  const elsewhere = { ...host, external: { ...external, routes: [] } };
  assert.deepEqual(planText(backend.planPeer(host, peer(14, near))), direct4);
  assert.deepEqual(planText(backend.planPeer(elsewhere, peer(14, near))), tunnel4);
});

test('DirectRouting asks as much of a lease as the tunnel does', () => {
  const host = hostOf({ Type: 'vxlan', DirectRouting: true });
  const { backend } = createBackend(host.config);
  const other = { ...near, BackendData: { ...vtep('02'), VNI: 2 } };
  assert.deepEqual(planText(backend.planPeer(host, peer(14, other))), ['no: has VNI 2, ours is 1']);
});
