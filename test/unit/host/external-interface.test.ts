import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WeftError } from '../../../src/base/errors.ts';
import { type Family, type IpAddress, parseIp } from '../../../src/base/ip.ts';
import { parsePrefix } from '../../../src/base/prefix.ts';
import { chooseInterface, type UnderlayView } from '../../../src/host/external-interface.ts';
import type { InterfaceChoice } from '../../../src/host/interface-choice.ts';
import type { Address } from '../../../src/wire/address.ts';
import type { Route } from '../../../src/wire/route.ts';
import { addressOn, choiceOf, linkNamed } from './underlay-views.ts';

const deprecated = { secondary: false, deprecated: true, permanent: true, tentative: false };
const dynamic = { secondary: false, deprecated: false, permanent: false, tentative: false };

const view: UnderlayView = {
  links: [linkNamed('lo', 1), linkNamed('eth0', 2), linkNamed('eth1', 3), linkNamed('eth2', 4)],
  addresses: [
    addressOn(1, '127.0.0.1', { scope: 'host' }),
    addressOn(2, '10.0.2.15', { flags: dynamic }),
    addressOn(2, '192.0.2.99', { flags: deprecated }),
    addressOn(2, '192.0.2.1'),
    addressOn(2, 'fe80::1', { scope: 'link' }),
    addressOn(2, '2001:db8::1'),
    addressOn(3, '198.51.100.1'),
    addressOn(3, '198.51.100.2', { flags: { ...dynamic, permanent: true, secondary: true } }),
  ],
  routes: [
    { dst: parsePrefix('198.51.100.0/24'), dev: 3, type: 'unicast' },
    { dst: parsePrefix('0.0.0.0/0'), gateway: parseIp('192.0.2.254'), dev: 2, type: 'unicast' },
    { dst: parsePrefix('::/0'), gateway: parseIp('2001:db8::254'), dev: 2, type: 'unicast' },
  ],
  async routeTo(target: IpAddress): Promise<Route | undefined> {
    if (target.startsWith('2001:db8:'))
      return { dst: parsePrefix(`${target}/128`), dev: 2, preferredSource: parseIp('2001:db8::1') };
    if (!target.startsWith('198.51.100.')) return undefined;
    return { dst: parsePrefix(`${target}/32`), dev: 3, preferredSource: parseIp('198.51.100.2') };
  },
};

async function choose(
  choice: Partial<InterfaceChoice>,
  families: readonly Family[] = [4],
  over = view,
): Promise<string> {
  const chosen = await chooseInterface(choiceOf(choice), over, families);
  const { name, ipv4, ipv6 } = chosen.external;
  return [name, ipv4, ipv6, 'publishes', chosen.publicIp, chosen.publicIpv6]
    .filter(part => part !== undefined)
    .join(' ');
}

const cases: ReadonlyArray<readonly [string, Partial<InterfaceChoice>, string, (readonly Family[])?]> = [
  ["the default route's interface, its permanent address first", {}, 'eth0 192.0.2.1 publishes 192.0.2.1'],
  [
    'both families over one interface',
    {},
    'eth0 192.0.2.1 2001:db8::1 publishes 192.0.2.1 2001:db8::1',
    [4, 6],
  ],
  ['-iface by name', { iface: ['eth1'] }, 'eth1 198.51.100.1 publishes 198.51.100.1'],
  ['-iface by address takes that address', { iface: ['10.0.2.15'] }, 'eth0 10.0.2.15 publishes 10.0.2.15'],
  [
    '-iface: the first that exists',
    { iface: ['wlan0', 'eth1', 'eth0'] },
    'eth1 198.51.100.1 publishes 198.51.100.1',
  ],
  [
    '-iface: one without address gives way',
    { iface: ['eth2', 'eth1'] },
    'eth1 198.51.100.1 publishes 198.51.100.1',
  ],
  [
    '-iface-regex on addresses before names',
    { ifaceRegex: [/^198\./] },
    'eth1 198.51.100.1 publishes 198.51.100.1',
  ],
  ['-iface-regex on names', { ifaceRegex: [/eth1/] }, 'eth1 198.51.100.1 publishes 198.51.100.1'],
  [
    '-iface before -iface-regex',
    { iface: ['eth0'], ifaceRegex: [/eth1/] },
    'eth0 192.0.2.1 publishes 192.0.2.1',
  ],
  [
    '-iface by an IPv6 address, and the best IPv4 address beside it',
    { iface: ['2001:db8::1'] },
    'eth0 192.0.2.1 2001:db8::1 publishes 192.0.2.1 2001:db8::1',
    [4, 6],
  ],
  [
    '-iface by a link-local address names the interface only',
    { iface: ['fe80::1'] },
    'eth0 2001:db8::1 publishes 2001:db8::1',
    [6],
  ],
  ['IPv6 alone, by its default route', {}, 'eth0 2001:db8::1 publishes 2001:db8::1', [6]],
  [
    '-iface: one with both families before one with IPv4 alone',
    { iface: ['eth1', 'eth0'] },
    'eth0 192.0.2.1 2001:db8::1 publishes 192.0.2.1 2001:db8::1',
    [4, 6],
  ],
  [
    '-iface-regex that hits an address of each family takes both',
    { ifaceRegex: [/^10\.|^2001:/] },
    'eth0 10.0.2.15 2001:db8::1 publishes 10.0.2.15 2001:db8::1',
    [4, 6],
  ],
  ['-iface-regex on IPv6', { ifaceRegex: [/^2001:/] }, 'eth0 2001:db8::1 publishes 2001:db8::1', [6]],
  [
    '-iface-can-reach by IPv6',
    { ifaceCanReach: parseIp('2001:db8:9::1') },
    'eth0 2001:db8::1 publishes 2001:db8::1',
    [6],
  ],
  [
    '-public-ip and -public-ipv6 that the interface holds are used there too',
    { iface: ['eth0'], publicIp: parseIp('10.0.2.15'), publicIpv6: parseIp('2001:db8::1') },
    'eth0 10.0.2.15 2001:db8::1 publishes 10.0.2.15 2001:db8::1',
    [4, 6],
  ],
  [
    '-public-ipv6 finds its interface, and is only published with -iface',
    { publicIpv6: parseIp('2001:db8::1') },
    'eth0 192.0.2.1 2001:db8::1 publishes 192.0.2.1 2001:db8::1',
    [4, 6],
  ],
  [
    '-public-ipv6 of somebody else is only published',
    { iface: ['eth0'], publicIpv6: parseIp('2001:db8:ffff::7') },
    'eth0 2001:db8::1 publishes 2001:db8:ffff::7',
    [6],
  ],
  [
    "-iface-can-reach with the kernel's source",
    { ifaceCanReach: parseIp('198.51.100.9') },
    'eth1 198.51.100.2 publishes 198.51.100.2',
  ],
  [
    '-public-ip finds its interface',
    { publicIp: parseIp('198.51.100.1') },
    'eth1 198.51.100.1 publishes 198.51.100.1',
  ],
  [
    '-public-ip with -iface is only published',
    { iface: ['eth0'], publicIp: parseIp('203.0.113.7') },
    'eth0 192.0.2.1 publishes 203.0.113.7',
  ],
];
for (const [title, choice, expected, families] of cases) {
  test(`interface choice: ${title}`, async () => assert.equal(await choose(choice, families), expected));
}

const failures: ReadonlyArray<readonly [string, Partial<InterfaceChoice>, string, RegExp]> = [
  [
    'an unknown -iface lists what there is',
    { iface: ['eth9'] },
    'interface-not-found',
    /eth9.*eth0 \(10\.0\.2\.15.*eth1/s,
  ],
  ['a -iface-regex without a hit', { ifaceRegex: [/^wl/] }, 'interface-not-found', /\^wl/],
  [
    'an unreachable -iface-can-reach',
    { ifaceCanReach: parseIp('203.0.113.1') },
    'interface-not-found',
    /203\.0\.113\.1/,
  ],
  [
    'a -public-ip that no interface holds',
    { publicIp: parseIp('203.0.113.7') },
    'interface-not-found',
    /203\.0\.113\.7.*NAT/s,
  ],
  [
    'an interface without address',
    { iface: ['eth2'] },
    'interface-not-found',
    /eth2 has no usable IPv4 address/,
  ],
];
for (const [title, choice, code, message] of failures) {
  test(`interface choice fails by name: ${title}`, async () => {
    await assert.rejects(choose(choice), error => {
      assert.ok(error instanceof WeftError);
      assert.equal(error.code, code);
      assert.match(`${error.message} ${error.remedy}`, message);
      return true;
    });
  });
}

test('without a default route the error says what to do', async () => {
  await assert.rejects(choose({}, [4], { ...view, routes: [] }), /no default route/);
});

test('a multipath default route counts by its first hop', async () => {
  const hops = [{ gateway: parseIp('198.51.100.254'), dev: 3, onlink: false, weight: 1 }];
  const routes: Route[] = [{ dst: parsePrefix('0.0.0.0/0'), type: 'unicast', multipath: hops }];
  assert.equal(await choose({}, [4], { ...view, routes }), 'eth1 198.51.100.1 publishes 198.51.100.1');
});

const ipv6Flags = (more: Partial<NonNullable<Address['flags']>>) => ({
  flags: { secondary: false, deprecated: false, permanent: true, tentative: false, ...more },
});

function onEth0(...own: readonly Address[]): UnderlayView {
  return { ...view, addresses: [addressOn(2, '192.0.2.1'), ...own] };
}

test('of several IPv6 addresses a lasting one is published, in no case a link-local or a tentative one', async () => {
  const [temporary, dynamic6, old, unsure, lasting, local] = [
    addressOn(2, '2001:db8::7e57', ipv6Flags({ secondary: true, permanent: false })),
    addressOn(2, '2001:db8::d1', ipv6Flags({ permanent: false })),
    addressOn(2, '2001:db8::01d', ipv6Flags({ deprecated: true })),
    addressOn(2, '2001:db8::aa', ipv6Flags({ tentative: true })),
    addressOn(2, 'fd00::1'),
    addressOn(2, 'fe80::1', { scope: 'link' }),
  ];
  const order = [lasting, dynamic6, temporary, old];
  for (const [index, best] of order.entries()) {
    const over = onEth0(local, unsure, ...order.slice(index).reverse());
    assert.equal(await choose({}, [6], over), `eth0 ${best?.local} publishes ${best?.local}`);
  }
  await assert.rejects(choose({}, [6], onEth0(local, unsure)), /eth0 .* has no usable IPv6 address/);
});

const incomplete: ReadonlyArray<readonly [string, Partial<InterfaceChoice>, UnderlayView, string, RegExp]> = [
  [
    'no IPv6 address',
    {},
    onEth0(),
    'eth0 192.0.2.1 publishes 192.0.2.1',
    /^IPv6: interface eth0 has no usable IPv6 address$/,
  ],
  [
    'a link-local IPv6 address only, named by -iface',
    { iface: ['eth0'] },
    onEth0(addressOn(2, 'fe80::1', { scope: 'link' })),
    'eth0 192.0.2.1 publishes 192.0.2.1',
    /^IPv6: .* no usable IPv6 address \(it has fe80::1, which is link-local\)$/,
  ],
  [
    'a tentative IPv6 address only',
    { publicIp: parseIp('192.0.2.1') },
    onEth0(addressOn(2, '2001:db8::1', ipv6Flags({ tentative: true }))),
    'eth0 192.0.2.1 publishes 192.0.2.1',
    /2001:db8::1, which is tentative/,
  ],
  [
    'an IPv6 default route elsewhere',
    {},
    {
      ...view,
      routes: view.routes.map(route => (route.dst === '::/0' ? { ...route, dev: 3 } : route)),
    },
    'eth0 192.0.2.1 publishes 192.0.2.1',
    /^IPv6: the default routes of IPv4 and IPv6 lead over different interfaces, eth0 and eth1$/,
  ],
  [
    'no IPv4 address',
    {},
    { ...view, addresses: [addressOn(2, '2001:db8::1')] },
    'eth0 2001:db8::1 publishes 2001:db8::1',
    /^IPv4: interface eth0 has no usable IPv4 address$/,
  ],
];
for (const [what, choice, over, expected, why] of incomplete) {
  test(`interface choice for both families: ${what} leaves the other family, and says so`, async () => {
    assert.equal(await choose(choice, [4, 6], over), expected);
    const { missing } = await chooseInterface(choiceOf(choice), over, [4, 6]);
    assert.match(missing.map(one => `IPv${one.family}: ${one.why}`).join(), why);
    assert.ok(missing.every(({ remedy }) => remedy !== ''));
  });
}

test('hosts on one link need no IPv6 default route', async () => {
  const routes = view.routes.filter(({ dst }) => dst !== '::/0');
  const over = { ...view, routes };
  assert.equal(await choose({}, [4, 6], over), 'eth0 192.0.2.1 2001:db8::1 publishes 192.0.2.1 2001:db8::1');
});
