import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIp } from '../../../src/base/ip.ts';
import { tryParsePrefix } from '../../../src/base/prefix.ts';
import { describeSubnet, judgeLease, subnetsOverlap } from '../../../src/lease/judge.ts';
import type { Lease, Subnet } from '../../../src/lease/lease.ts';
import { parseNetworkConfig } from '../../../src/lease/network-config.ts';

const configOf = (json: object) => parseNetworkConfig(JSON.stringify(json)).config;
const ipv4 = configOf({ Network: '10.2.0.0/16' });
const dual = configOf({ Network: '10.2.0.0/16', EnableIPv6: true, IPv6Network: 'fd00:2::/48' });
const ipv6 = configOf({ EnableIPv4: false, EnableIPv6: true, IPv6Network: 'fd00:2::/48' });

/** `10.2.4.0/24`, `10.2.4.0/24&fd00:2:0:4::/64` or `&fd00:2:0:4::/64`. */
function subnet(text: string): Subnet {
  const [first = '', second = ''] = text.split('&');
  return { ipv4: tryParsePrefix(first), ipv6: tryParsePrefix(second) };
}

function lease(text: string, publicIp: string, publicIpv6?: string): Lease {
  const attrs = {
    publicIp: parseIp(publicIp),
    publicIpv6: publicIpv6 === undefined ? undefined : parseIp(publicIpv6),
    backendType: 'vxlan',
    backendData: undefined,
    backendV6Data: undefined,
  };
  return { subnet: subnet(text), attrs, permanent: false };
}

const own = lease('10.2.4.0/24&fd00:2:0:4::/64', '192.168.3.4', '2001:db8::4');

const cases: ReadonlyArray<readonly [string, typeof dual, Lease, string | RegExp]> = [
  ['a peer', ipv4, lease('10.2.5.0/24', '192.168.3.5'), 'ok'],
  ['a dual-stack peer', dual, lease('10.2.5.0/24&fd00:2:0:5::/64', '192.168.3.5'), 'ok'],
  ['an IPv4 peer of a dual-stack host', dual, lease('10.2.5.0/24', '192.168.3.5'), 'ok'],
  ['a dual-stack peer of an IPv4 host', ipv4, lease('10.2.5.0/24&fd00:9::/64', '192.168.3.5'), 'ok'],
  ['a peer with another length', ipv4, lease('10.2.8.0/22', '192.168.3.5'), 'ok'],
  ['an IPv4 peer of an IPv6 host', ipv6, lease('10.2.5.0/24', '192.168.3.5'), /no subnet of a family/],
  ['a stranger', ipv4, lease('10.9.5.0/24', '192.168.3.5'), 'lies outside the Network 10.2.0.0/16'],
  ['the whole network', ipv4, lease('10.0.0.0/8', '192.168.3.5'), 'lies outside the Network 10.2.0.0/16'],
  [
    'a stranger in IPv6',
    dual,
    lease('10.2.5.0/24&fd00:9::/64', '192.168.3.5'),
    'lies outside the IPv6Network fd00:2::/48',
  ],
  ['our subnet', ipv4, lease('10.2.4.0/24', '192.168.3.5'), /^overlaps our own 10\.2\.4\.0\/24/],
  ['a part of our subnet', ipv4, lease('10.2.4.64/26', '192.168.3.5'), /^overlaps our own/],
  ['more than our subnet', ipv4, lease('10.2.4.0/22', '192.168.3.5'), /^overlaps our own/],
  ['our IPv6 subnet', dual, lease('10.2.5.0/24&fd00:2:0:4::/64', '192.168.3.5'), /^overlaps our own/],
  ['our IPv6 subnet where IPv6 is off', ipv4, lease('10.2.5.0/24&fd00:2:0:4::/64', '192.168.3.5'), 'ok'],
  ['our address', ipv4, lease('10.2.5.0/24', '192.168.3.4'), 'publishes our own address 192.168.3.4'],
  [
    'our IPv6 address',
    dual,
    lease('10.2.5.0/24', '192.168.3.5', '2001:db8::4'),
    /our own address 2001:db8::4/,
  ],
  [
    'no address of a host in IPv6',
    dual,
    lease('10.2.5.0/24', '192.168.3.5', '::1'),
    /which is no address of a host/,
  ],
  ['our IPv6 address where IPv6 is off', ipv4, lease('10.2.5.0/24', '192.168.3.5', '2001:db8::4'), 'ok'],
  ['no address of a host in IPv6 where it is off', ipv4, lease('10.2.5.0/24', '192.168.3.5', '::1'), 'ok'],
  ['our IPv4 address where IPv4 is off', ipv6, lease('&fd00:2:0:5::/64', '192.168.3.4', '2001:db8::5'), 'ok'],
];

for (const [what, config, peer, expected] of cases) {
  test(`${what}: ${expected === 'ok' ? 'is followed' : 'is refused'}`, () => {
    const verdict = judgeLease(config, own, peer);
    if (typeof expected === 'string') assert.equal(verdict, expected);
    else assert.match(verdict, expected);
  });
}

test('subnets overlap when any family does', () => {
  const overlapping: ReadonlyArray<readonly [string, string, boolean]> = [
    ['10.2.4.0/24', '10.2.4.0/24', true],
    ['10.2.4.0/24', '10.2.0.0/16', true],
    ['10.2.4.0/24', '10.2.5.0/24', false],
    ['10.2.4.0/24', '&fd00::/64', false],
    ['10.2.4.0/24&fd00::/64', '10.2.5.0/24&fd00::/64', true],
    ['10.2.4.0/24', '10.2.5.0/24&fd00::/64', false],
  ];
  for (const [one, other, expected] of overlapping) {
    assert.equal(subnetsOverlap(subnet(one), subnet(other)), expected, `${one} and ${other}`);
    assert.equal(subnetsOverlap(subnet(other), subnet(one)), expected);
  }
});

test('a subnet is described by its prefixes', () => {
  assert.equal(describeSubnet(subnet('10.2.4.0/24')), '10.2.4.0/24');
  assert.equal(describeSubnet(own.subnet), '10.2.4.0/24 and fd00:2:0:4::/64');
});
