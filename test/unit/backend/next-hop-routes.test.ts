import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ownsNextHop, tunnelRoute, usesNextHops } from '../../../src/backend/next-hop-routes.ts';
import { parseIp } from '../../../src/base/ip.ts';
import { parsePrefix, prefixBase } from '../../../src/base/prefix.ts';
import { parseNetworkConfig } from '../../../src/lease/network-config.ts';
import { lines } from './hosts.ts';

const networks: ReadonlyArray<readonly [network: object, isLarge: boolean]> = [
  [{ Network: '10.2.0.0/16' }, false],
  [{ Network: '10.0.0.0/14' }, false],
  [{ Network: '10.0.0.0/13' }, true],
  [{ Network: '10.0.0.0/8' }, true],
  [{ Network: '10.2.0.0/16', SubnetLen: 28 }, true],
  [{ EnableIPv4: false, EnableIPv6: true, IPv6Network: 'fd00::/48' }, false],
];

function routeTo(dev: string, subnet: string, byNextHop: boolean) {
  const prefix = parsePrefix(subnet);
  return tunnelRoute(dev, { subnet: prefix, gateway: prefixBase(prefix) }, byNextHop);
}

test('auto is for networks of more than 1024 subnets; always and never are for all', () => {
  for (const [network, isLarge] of networks) {
    const { config } = parseNetworkConfig(JSON.stringify({ ...network, Backend: { Type: 'vxlan' } }));
    const text = JSON.stringify(network);
    assert.equal(usesNextHops(config, 'auto'), isLarge, text);
    assert.equal(usesNextHops(config, 'always'), true, text);
    assert.equal(usesNextHops(config, 'never'), false, text);
    assert.equal(usesNextHops(config, undefined), false, `${text}, and the kernel has none`);
  }
});

test("a next hop's id is its gateway's address, its protocol is ours, and the route names it alone", () => {
  assert.deepEqual(lines(routeTo('flannel.1', '10.2.14.0/24', true)), [
    'ip nexthop add id 167906816 via 10.2.14.0 dev flannel.1 proto 87 onlink',
    'ip route add 10.2.14.0/24 nhid 167906816',
  ]);
  assert.deepEqual(lines(routeTo('flannel.1', '10.2.14.0/24', false)), [
    'ip route add 10.2.14.0/24 via 10.2.14.0 dev flannel.1 onlink',
  ]);
  assert.deepEqual(
    lines(routeTo('flannel-v6.1', 'fd00:2:0:e::/64', true)),
    ['ip -6 route add fd00:2:0:e::/64 via fd00:2:0:e:: dev flannel-v6.1 onlink'],
    'IPv6 has no chain to walk',
  );
});

test('ours to remove is a next hop of our protocol, on our device, with the id of its gateway', () => {
  const ours = { id: 167906816, gateway: parseIp('10.2.14.0'), dev: 'flannel.1', onlink: true, protocol: 87 };
  assert.equal(ownsNextHop('flannel.1', ours), true);
  for (const other of [{ id: 7 }, { dev: 'eth0' }, { protocol: 'static' as const }, { gateway: undefined }]) {
    assert.equal(ownsNextHop('flannel.1', { ...ours, ...other }), false, JSON.stringify(other));
  }
});
