import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePrefix } from '../../../src/base/prefix.ts';
import { parseNetworkConfig } from '../../../src/lease/network-config.ts';
import { overlapWarnings } from '../../../src/lease/network-overlap.ts';

const { config } = parseNetworkConfig(
  '{"EnableIPv6": true, "Network": "10.5.0.0/16", "IPv6Network": "fd00:5::/48", "Backend": {"Type": "vxlan"}}',
);
const own = { ipv4: parsePrefix('10.5.72.0/24'), ipv6: parsePrefix('fd00:5:0:72::/64') };

function warn(...routes: ReadonlyArray<readonly [string, string?]>): readonly string[] {
  const hostRoutes = routes.map(([dst, dev]) => ({ dst: parsePrefix(dst), dev }));
  return overlapWarnings(config, hostRoutes, own);
}

test('a route that overlaps the network is named with its device', () => {
  const ipv4 = 'Network 10.5.0.0/16 overlaps';
  assert.deepEqual(warn(['10.0.0.0/8', 'tun0']), [`${ipv4} the route 10.0.0.0/8 dev tun0 of this host`]);
  assert.deepEqual(warn(['10.5.9.0/24', 'eth1']), [`${ipv4} the route 10.5.9.0/24 dev eth1 of this host`]);
  assert.deepEqual(warn(['10.5.0.0/16']), [`${ipv4} the route 10.5.0.0/16 of this host`]);
  assert.deepEqual(warn(['10.5.1.0/24', 'a'], ['10.5.2.0/24', 'b'], ['fd00::/16', 'c']), [
    `${ipv4} the routes 10.5.1.0/24 dev a, 10.5.2.0/24 dev b of this host`,
    'IPv6Network fd00:5::/48 overlaps the route fd00::/16 dev c of this host',
  ]);
});

test('many routes make one short warning', () => {
  const many = Array.from({ length: 200 }, (_, index) => [`10.5.${index}.0/25`, 'eth0'] as const);
  assert.deepEqual(warn(...many), [
    'Network 10.5.0.0/16 overlaps the routes 10.5.0.0/25 dev eth0, 10.5.1.0/25 dev eth0, 10.5.2.0/25 dev eth0 and 196 more of this host',
  ]);
});

test("default routes, their halves, flannel's devices, our own subnet and other networks are no conflict", () => {
  const harmless: ReadonlyArray<readonly [string, string?]> = [
    ['0.0.0.0/0', 'eth0'],
    ['::/0', 'eth0'],
    ['0.0.0.0/1', 'tun0'],
    ['8000::/1', 'tun0'],
    ['10.5.3.0/24', 'flannel.1'],
    ['fd00:5:0:3::/64', 'flannel-v6.1'],
    ['10.5.0.0/16', 'flannel0'],
    ['10.5.72.0/24', 'docker0'],
    ['fd00:5:0:72::/64', 'cni0'],
    ['10.4.0.0/16', 'eth0'],
    ['10.6.0.0/16', 'eth0'],
    ['192.168.50.0/24', 'eth0'],
    ['fd00:6::/48', 'eth0'],
  ];
  for (const route of harmless) assert.deepEqual(warn(route), [], route[0]);
  assert.equal(overlapWarnings(config, [{ dst: own.ipv4, dev: 'docker0' }]).length, 1);
});
