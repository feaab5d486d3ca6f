import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type IpAddress, ipFromBytes, parseIp } from '../../../src/base/ip.ts';
import { type Prefix, prefixContains } from '../../../src/base/prefix.ts';
import { peerChains, peersPerChain } from '../../../src/traffic/peer-chains.ts';

test('few peers are one chain, which ends by dropping the rest', () => {
  const chains = peerChains('WEFT-VTEP', [parseIp('192.0.2.3'), parseIp('192.0.2.2')]);
  assert.deepEqual(
    [...chains],
    [['WEFT-VTEP', ['-s 192.0.2.2/32 -j RETURN', '-s 192.0.2.3/32 -j RETURN', '-j DROP']]],
  );
});

test('no peers are a chain that drops all', () => {
  assert.deepEqual([...peerChains('WEFT-VTEP', [])], [['WEFT-VTEP', ['-j DROP']]]);
});

const addressesOf = (bytes: number, alphabet: fc.Arbitrary<number>) =>
  fc.uniqueArray(
    fc.array(alphabet, { minLength: bytes, maxLength: bytes }).map(all => ipFromBytes(Uint8Array.from(all))),
    { maxLength: 120 },
  );
const few = fc.integer({ min: 0, max: 40 });
const addresses = fc.oneof(addressesOf(4, few), addressesOf(4, fc.nat(255)), addressesOf(16, fc.nat(3)));

test('a walk through the chains lets in the peers and nobody else, past few rules', () => {
  fc.assert(
    fc.property(addresses, addresses, (peers, others) => {
      const chains = peerChains('WEFT-VTEP', peers);
      const known = new Set(peers);
      for (const address of [...peers, ...others]) assert.equal(walk(chains, address), known.has(address));
      for (const [name, rules] of chains) {
        assert.ok(rules.length <= peersPerChain + 1, `${rules.length} rules in ${name}`);
        assert.ok(name.length <= 28, name);
      }
    }),
  );
});

test('one more peer changes one chain, or splits one', () => {
  fc.assert(
    fc.property(fc.oneof(addressesOf(4, few), addressesOf(4, fc.nat(255))), peers => {
      fc.pre(peers.length > 1);
      const before = peerChains('WEFT-VTEP', peers.slice(1));
      const after = peerChains('WEFT-VTEP', peers);
      const changed = [...before].filter(([name, rules]) => after.get(name)?.join() !== rules.join());
      assert.ok(changed.length <= 1, changed.map(([name]) => name).join());
    }),
  );
});

/** As the kernel does it, slowly. */
function walk(chains: Map<string, string[]>, address: IpAddress, name = 'WEFT-VTEP'): boolean {
  for (const rule of chains.get(name) ?? []) {
    const [, prefix, verb, target = ''] = /^(?:-s (\S+) )?-([jg]) (\S+)$/.exec(rule) ?? [];
    if (prefix !== undefined && !prefixContains(prefix as Prefix, address)) continue;
    if (verb === 'g') return walk(chains, address, target);
    return target === 'RETURN';
  }
  throw new Error(`chain ${name} does not end the walk`);
}
