import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseIp } from '../../../src/base/ip.ts';
import { everyName, flannelNames, namesOfNetwork } from '../../../src/traffic/names.ts';
import { peerChains } from '../../../src/traffic/peer-chains.ts';

const networkName = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/);
/** Enough for branches of every depth. */
const peers = Array.from({ length: 300 }, (_, index) => parseIp(`192.0.${index >> 8}.${index & 0xff}`));
const peers6 = Array.from({ length: 300 }, (_, index) => parseIp(`2001:db8:1:2:3:4:5:${index.toString(16)}`));

test("every chain of a network fits iptables, is the network's own, and nobody else's", () => {
  fc.assert(
    fc.property(networkName, networkName, (one, other) => {
      fc.pre(one !== other);
      const [names, others] = [namesOfNetwork(one), namesOfNetwork(other)];
      const branches = [peers, peers6].flatMap(some => [...peerChains(names.chains.guard, some).keys()]);
      const chains = [...Object.values(names.chains), ...branches];
      for (const chain of chains) {
        assert.ok(chain.length <= 28, chain);
        assert.ok(names.isOwnChain(chain), chain);
        assert.ok(everyName.isOwnChain(chain), chain);
        assert.ok(!others.isOwnChain(chain), chain);
        assert.ok(!flannelNames.isOwnChain(chain), chain);
      }
      for (const { family, name } of Object.values(names.tables)) {
        assert.ok(names.isOwnTable(family, name) && everyName.isOwnTable(family, name), name);
        assert.ok(!others.isOwnTable(family, name) && !flannelNames.isOwnTable(family, name), name);
      }
      assert.equal(
        new Set(chains).size,
        chains.length - 2,
        'all differ, save that two families have one root',
      );
    }),
  );
});

test("flannel's chains are those of a daemon with one network, and of none with several", () => {
  const branches = peerChains(flannelNames.chains.guard, peers).keys();
  for (const chain of ['FLANNEL-POSTRTG', 'FLANNEL-FWD', ...branches]) {
    assert.ok(flannelNames.isOwnChain(chain) && everyName.isOwnChain(chain), chain);
    assert.ok(!namesOfNetwork('FWD').isOwnChain(chain), chain);
  }
  for (const chain of ['DOCKER-USER', 'WEFT-OTHER-red', 'WEFT-FWD', 'WEFT-FWD-', 'WEFT-FWD-red-c0']) {
    assert.ok(!namesOfNetwork('red').isOwnChain(chain) && !flannelNames.isOwnChain(chain), chain);
  }
});
