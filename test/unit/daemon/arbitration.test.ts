import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { arbitrate, type Candidate, type Holding } from '../../../src/daemon/arbitration.ts';
import { claimsOf, clashOf, type NetworkClaims } from '../../../src/daemon/network-claims.ts';
import { parseNetworkConfig } from '../../../src/lease/network-config.ts';

function vxlan(network: string, options: object = {}, netns?: string): NetworkClaims {
  const config = { Network: network, Backend: { Type: 'vxlan', ...options } };
  return claimsOf(parseNetworkConfig(JSON.stringify(config)).config, netns);
}

const red = vxlan('10.2.0.0/16', { VNI: 7 }, '/run/netns/red');

const pairs: ReadonlyArray<readonly [string, NetworkClaims, NetworkClaims, RegExp | undefined]> = [
  ['all of their own', red, vxlan('10.3.0.0/16', { VNI: 8 }, '/run/netns/blue'), undefined],
  ['the same addresses in two namespaces', red, vxlan('10.2.0.0/16', { VNI: 8 }), undefined],
  [
    'the same addresses in one namespace',
    vxlan('10.2.0.0/16', { VNI: 7 }),
    vxlan('10.2.128.0/17', { VNI: 8 }),
    /^network 10\.2\.0\.0\/16 overlaps 10\.2\.128\.0\/17 of$/,
  ],
  [
    'one VNI, whatever the namespaces',
    red,
    vxlan('10.3.0.0/16', { VNI: 7 }),
    /^VNI 7 at UDP port 8472 is also that of$/,
  ],
  ['one VNI at two ports in two namespaces', red, vxlan('10.3.0.0/16', { VNI: 7, Port: 4789 }), undefined],
  [
    'one VNI at two ports in one namespace',
    red,
    vxlan('10.3.0.0/16', { VNI: 7, Port: 4789 }, '/run/netns/red'),
    /^device flannel\.7 is also that of$/,
  ],
  [
    'one port with other extensions',
    red,
    vxlan('10.3.0.0/16', { VNI: 8, GBP: true }),
    /^UDP port 8472, with Backend\.GBP off, is otherwise that of$/,
  ],
];

for (const [title, one, other, expected] of pairs) {
  test(`two networks with ${title} ${expected === undefined ? 'may both be' : 'clash'}`, () => {
    const clash = clashOf(one, other);
    if (expected === undefined) assert.equal(clash, undefined);
    else assert.match(clash?.what ?? '', expected);
    assert.equal(clashOf(other, one) === undefined, clash === undefined, 'both ways');
  });
}

const udp = (port: number, netns?: string): NetworkClaims => ({
  ...{ netns, devices: ['flannel0'], prefixes: [] },
  tunnels: [{ type: 'udp', port }],
});

test('a UDP port is of one network only, whatever the namespaces, unless both are VXLAN', () => {
  assert.match(
    clashOf(udp(8285), udp(8285, '/run/netns/blue'))?.what ?? '',
    /^UDP port 8285 is also that of/,
  );
  assert.match(clashOf(udp(8472), red)?.what ?? '', /^UDP port 8472 is also that of/);
  assert.match(clashOf(udp(8285), udp(8286))?.what ?? '', /^device flannel0 is also that of/);
  assert.equal(clashOf(udp(8285), udp(8286, '/run/netns/blue')), undefined);
});

const candidate = (name: string, vni: number, revision: bigint): Candidate => ({
  ...{ name, revision },
  claims: vxlan(`10.${name.length}.0.0/16`, { VNI: vni }, `/run/netns/${name}`),
});

test('the network whose config was changed last is the one refused, and the other is named', () => {
  const [older, newer] = [candidate('red', 7, 5n), candidate('blue', 7, 9n)];
  for (const order of [
    [older, newer],
    [newer, older],
  ]) {
    const refusals = arbitrate(order, []);
    assert.deepEqual([...refusals.keys()], ['blue']);
    assert.equal(refusals.get('blue')?.by, 'red');
    assert.equal(refusals.get('blue')?.byFormerConfig, false);
  }
});

test('of two written in one transaction the first by name stays', () => {
  const refusals = arbitrate([candidate('red', 7, 5n), candidate('blue', 7, 5n)], []);
  assert.deepEqual([...refusals.keys()], ['red']);
});

test('who is refused keeps nobody else away', () => {
  const [red, blue, green] = [candidate('red', 7, 1n), candidate('blue', 7, 2n), candidate('green', 8, 3n)];
  const clashing = {
    ...blue,
    claims: { ...blue.claims, tunnels: [...red.claims.tunnels, ...green.claims.tunnels] },
  };
  assert.deepEqual([...arbitrate([red, clashing, green], []).keys()], ['blue']);
});

test('what a network still has in force here is given to no other, although its config has moved on', () => {
  const held: Holding = { name: 'red', claims: candidate('red', 7, 0n).claims };
  const refusals = arbitrate([candidate('red', 8, 5n), candidate('blue', 7, 6n)], [held]);
  assert.deepEqual([...refusals.keys()], ['blue']);
  assert.equal(refusals.get('blue')?.byFormerConfig, true);
  assert.deepEqual(arbitrate([candidate('red', 7, 5n)], [held]).size, 0, 'its own is in nobody else’s way');
});

test('whatever the order in which a host hears of them, the verdict is the same, and no two accepted clash', () => {
  const network = fc.record({
    name: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
    vni: fc.integer({ min: 1, max: 3 }),
    revision: fc.bigInt({ min: 1n, max: 4n }),
  });
  const networks = fc.uniqueArray(network, { selector: one => one.name });
  fc.assert(
    fc.property(networks, fc.integer(), (some, seed) => {
      const all = some.map(({ name, vni, revision }) => candidate(name, vni, revision));
      const shuffled = [...all].sort(
        (one, other) => ((one.name.charCodeAt(0) * seed) % 7) - ((other.name.charCodeAt(0) * seed) % 7),
      );
      const refusals = arbitrate(all, []);
      assert.deepEqual([...arbitrate(shuffled, [])].sort(), [...refusals].sort());
      const accepted = all.filter(({ name }) => !refusals.has(name));
      for (const one of accepted)
        for (const other of accepted)
          if (one !== other) assert.equal(clashOf(one.claims, other.claims), undefined);
    }),
  );
});
