import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ipAdd } from '../../../src/base/ip.ts';
import { type Prefix, parsePrefix, prefixBase } from '../../../src/base/prefix.ts';
import { parseEnv } from '../../../src/lease/env-text.ts';
import { parseNetworkConfig } from '../../../src/lease/network-config.ts';
import { formatSubnetEnv, parseSubnetEnv, type SubnetEnv } from '../../../src/lease/subnet-env.ts';
import { anyPrefix } from '../base/arbitraries.ts';

const ipv4 = { Network: '10.5.0.0/16' };
const ipv6 = { EnableIPv6: true, IPv6Network: 'fc00::/48' };
const own = { ipv4: parsePrefix('10.5.72.0/24'), ipv6: parsePrefix('fc00:0:0:1::/64') };

test("the file has flannel's keys in flannel's order, for the enabled families", () => {
  const cases = [
    [
      ipv4,
      { ...own, ipv6: undefined },
      'FLANNEL_NETWORK=10.5.0.0/16\nFLANNEL_SUBNET=10.5.72.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=false\n',
    ],
    [
      { ...ipv6, EnableIPv4: false },
      { ...own, ipv4: undefined },
      'FLANNEL_IPV6_NETWORK=fc00::/48\nFLANNEL_IPV6_SUBNET=fc00:0:0:1::1/64\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=false\n',
    ],
    [
      { ...ipv4, ...ipv6 },
      own,
      'FLANNEL_NETWORK=10.5.0.0/16\nFLANNEL_SUBNET=10.5.72.1/24\nFLANNEL_IPV6_NETWORK=fc00::/48\nFLANNEL_IPV6_SUBNET=fc00:0:0:1::1/64\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=false\n',
    ],
  ] as const;
  for (const [given, subnet, text] of cases) {
    const { config } = parseNetworkConfig(JSON.stringify(given));
    assert.equal(formatSubnetEnv({ config, subnet, mtuBytes: 1450, ipMasq: false }), text);
  }
  const { config } = parseNetworkConfig(JSON.stringify(ipv4));
  assert.match(
    formatSubnetEnv({ config, subnet: own, mtuBytes: 8951, ipMasq: true }),
    /MTU=8951\nFLANNEL_IPMASQ=true\n$/,
  );
});

const none: SubnetEnv = {
  network: undefined,
  ipv6Network: undefined,
  subnet: undefined,
  gateway: undefined,
  ipv6Gateway: undefined,
  mtuBytes: undefined,
  ipMasq: undefined,
};

test('a file is read for what is valid in it', () => {
  const of = (address: string) => ({
    subnet: { ipv4: parsePrefix('10.5.72.0/24'), ipv6: undefined },
    gateway: address,
  });
  const cases: ReadonlyArray<readonly [string, object]> = [
    ['', {}],
    ['not an environment file\n\u0000\u0001', {}],
    [
      'FLANNEL_NETWORK=10.5.0.0/16\nFLANNEL_SUBNET=10.5.72.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n',
      { network: '10.5.0.0/16', ...of('10.5.72.1'), mtuBytes: 1450, ipMasq: true },
    ],
    ['FLANNEL_SUBNET=10.5.72.0/24', of('10.5.72.0')],
    ['FLANNEL_SUBNET=10.5.72.199/24\r\n', of('10.5.72.199')],
    ['FLANNEL_SUBNET="10.5.72.1/24"', of('10.5.72.1')],
    ["export FLANNEL_SUBNET='10.5.72.1/24' # ours", of('10.5.72.1')],
    ['FLANNEL_SUBNET=10.9.9.1/24\nFLANNEL_SUBNET=10.5.72.1/24', of('10.5.72.1')],
    ['FLANNEL_SUBNET=10.5.72.1/24,10.5.73.1/24', {}],
    ['FLANNEL_SUBNET=garbage,10.5.72.1/24,', of('10.5.72.1')],
    ['FLANNEL_SUBNET=10.5.72.1/33,10.5.72.1/24,10.5.300.1/24', of('10.5.72.1')],
    ['FLANNEL_SUBNET=garbage', {}],
    ['FLANNEL_SUBNET=10.5.72.1', {}],
    ['FLANNEL_SUBNET=', {}],
    ['FLANNEL_SUBNET=fc00:0:0:1::1/64', {}],
    ['FLANNEL_SUBNET 10.5.72.1/24', {}],
    ['# FLANNEL_SUBNET=10.5.72.1/24', {}],
    ['MY_FLANNEL_SUBNET=10.5.72.1/24', {}],
    ['FLANNEL_NETWORK=10.5.0.0/16,10.6.0.0/16', {}],
    ['FLANNEL_NETWORK=10.5.0.0/16,x', { network: '10.5.0.0/16' }],
    ['FLANNEL_IPV6_NETWORK=fc00::/48', { ipv6Network: 'fc00::/48' }],
    [
      'FLANNEL_IPV6_SUBNET=fc00:0:0:1::1/64',
      { subnet: { ipv4: undefined, ipv6: 'fc00:0:0:1::/64' }, ipv6Gateway: 'fc00:0:0:1::1' },
    ],
    ['FLANNEL_IPV6_SUBNET=garbage,fc00:0:0:1::1/64,10.5.72.1/24,fc00:0:0:2::1/64', {}],
    ['FLANNEL_MTU=0\nFLANNEL_IPMASQ=yes', {}],
    ['FLANNEL_MTU=1450.5\nFLANNEL_IPMASQ=TRUE', {}],
    ['FLANNEL_MTU=-1\nFLANNEL_IPMASQ=', {}],
    ['FLANNEL_IPMASQ=false', { ipMasq: false }],
  ];
  for (const [text, expected] of cases)
    assert.deepEqual(parseSubnetEnv(text), { ...none, ...expected }, text);
});

test('what is written is read back', () => {
  const subnets = fc.record({
    ipv4: anyPrefix(4, { min: 1, max: 30 }),
    ipv6: anyPrefix(6, { min: 1, max: 126 }),
  });
  const { config } = parseNetworkConfig(JSON.stringify({ ...ipv4, ...ipv6 }));
  fc.assert(
    fc.property(subnets, fc.integer({ min: 1, max: 65535 }), fc.boolean(), (subnet, mtuBytes, ipMasq) => {
      assert.deepEqual(parseSubnetEnv(formatSubnetEnv({ config, subnet, mtuBytes, ipMasq })), {
        network: '10.5.0.0/16',
        ipv6Network: 'fc00::/48',
        subnet: { ipv4: subnet.ipv4, ipv6: subnet.ipv6 },
        gateway: gatewayOf(subnet.ipv4),
        ipv6Gateway: gatewayOf(subnet.ipv6),
        mtuBytes,
        ipMasq,
      });
    }),
  );
});

function gatewayOf(subnet: Prefix): string {
  return ipAdd(prefixBase(subnet), 1n);
}

test('an environment file is read as a shell would read it', () => {
  const cases: ReadonlyArray<readonly [string, Record<string, string>]> = [
    ['A=1\nB=two', { A: '1', B: 'two' }],
    ['A=1\nA=2', { A: '2' }],
    ['  A=1  ', { A: '1' }],
    ['export A=1', { A: '1' }],
    ['A="a b # c"', { A: 'a b # c' }],
    ['A=\'a "b"\' # comment', { A: 'a "b"' }],
    ['A=a#b', { A: 'a#b' }],
    ['A=a #b', { A: 'a' }],
    ['A=--bip=10.1.1.1/24', { A: '--bip=10.1.1.1/24' }],
    ['A=', { A: '' }],
    ['A=""', { A: '' }],
    ['# A=1\n\n;A=1\n=1\n1A=2\nA =1\nA', {}],
    ['A="open', {}],
    ['A=two words', {}],
    ['A=1\r\nB=2\r\n', { A: '1', B: '2' }],
  ];
  for (const [text, expected] of cases) assert.deepEqual(parseEnv(text), expected, text);
});
