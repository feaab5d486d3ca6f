import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ipFromBigInt } from '../../../src/base/ip.ts';
import { parsePrefix, prefixOf } from '../../../src/base/prefix.ts';
import { PrefixTrie } from '../../../src/tunnel/prefix-trie.ts';

test('a trie through which prefixes come and go does not grow: nodes that nobody needs are used again', () => {
  for (const stride of [1, 2, 4, 8]) {
    const trie = new PrefixTrie(stride);
    trie.set(parsePrefix('fd00::/64'), 1);
    trie.set(parsePrefix('fd00::/20'), 2);
    const size = () => trie.cells.length;
    trie.set(parsePrefix('fe00::/64'), 3);
    const [before, cells] = [size(), trie.cells.slice()];
    trie.delete(parsePrefix('fe00::/64'));
    for (let n = 0n; n < 500n; n++) {
      const dst = prefixOf(ipFromBigInt((0x1000n + n) << 112n, 6), 64);
      trie.set(dst, 4);
      trie.delete(dst);
    }
    assert.equal(size(), before, `stride ${stride}`);
    trie.set(parsePrefix('fe00::/64'), 3);
    assert.deepEqual(trie.cells, cells, `stride ${stride}`);
  }
});
