import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WeftError } from '../../../src/base/errors.ts';
import { type Family, type IpAddress, parseIp } from '../../../src/base/ip.ts';
import { parsePrefix } from '../../../src/base/prefix.ts';
import { chooseInterface, type UnderlayView } from '../../../src/daemon/external-interface.ts';
import type { InterfaceChoice } from '../../../src/daemon/options.ts';
import type { Address } from '../../../src/wire/address.ts';
import type { Link } from '../../../src/wire/link.ts';
import type { Route } from '../../../src/wire/route.ts';

function link(index: number, name: string): Link {
  return {
    index,
    name,
    kind: { kind: 'none' },
    mac: undefined,
    mtuBytes: 1500,
    txQueueLength: 0,
    up: true,
    carrier: true,
    loopback: name === 'lo',
    pointToPoint: false,
    master: undefined,
    parent: undefined,
    parentNetnsId: undefined,
    alias: undefined,
  };
}

function address(dev: number, local: string, more: Partial<Address> = {}): Address {
  const flags = { secondary: false, deprecated: false, permanent: true, tentative: false };
  return { dev, local: parseIp(local), prefixLength: 24, scope: 'global', flags, ...more };
}

const deprecated = { secondary: false, deprecated: true, permanent: true, tentative: false };
const dynamic = { secondary: false, deprecated: false, permanent: false, tentative: false };

const view: UnderlayView = {
  links: [link(1, 'lo'), link(2, 'eth0'), link(3, 'eth1'), link(4, 'eth2')],
  addresses: [
    address(1, '127.0.0.1', { scope: 'host' }),
    address(2, '10.0.2.15', { flags: dynamic }),
    address(2, '192.0.2.99', { flags: deprecated }),
    address(2, '192.0.2.1'),
    address(2, 'fe80::1', { scope: 'link' }),
    address(2, '2001:db8::1'),
    address(3, '198.51.100.1'),
    address(3, '198.51.100.2', { flags: { ...dynamic, permanent: true, secondary: true } }),
  ],
  routes: [
    { dst: parsePrefix('198.51.100.0/24'), dev: 3, type: 'unicast' },
    { dst: parsePrefix('0.0.0.0/0'), gateway: parseIp('192.0.2.254'), dev: 2, type: 'unicast' },
    { dst: parsePrefix('::/0'), gateway: parseIp('2001:db8::254'), dev: 2, type: 'unicast' },
  ],
  async routeTo(target: IpAddress): Promise<Route | undefined> {
    if (!target.startsWith('198.51.100.')) return undefined;
    return { dst: parsePrefix(`${target}/32`), dev: 3, preferredSource: parseIp('198.51.100.2') };
  },
};

const none: InterfaceChoice = {
  iface: [],
  ifaceRegex: [],
  ifaceCanReach: undefined,
  publicIp: undefined,
  publicIpv6: undefined,
};

async function choose(
  choice: Partial<InterfaceChoice>,
  families: readonly Family[] = [4],
  over = view,
): Promise<string> {
  const chosen = await chooseInterface({ ...none, ...choice }, over, families);
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
