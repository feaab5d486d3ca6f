import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isTight, type KernelDemand, type KernelFacts, limitsFor } from '../../../src/state/kernel-limits.ts';

const usual: KernelFacts = {
  release: '6.18.44-generic',
  neighbours: { 4: 1024, 6: 1024 },
  ipv6Routes: 4096,
  receiveBufferBytes: undefined,
};

function demand(more: Partial<KernelDemand> = {}): KernelDemand {
  return { peers: { 4: 0, 6: 0 }, near: { 4: 0, 6: 0 }, ...more };
}

/** `IPv4 neighbours 900/1024`, for those that are tight. */
function tight(more: Partial<KernelDemand>, facts: Partial<KernelFacts> = {}): string[] {
  return limitsFor(demand(more), { ...usual, ...facts })
    .filter(isTight)
    .map(({ what, wanted, allowed }) => `${what} ${wanted}/${allowed}`);
}

test('each limit bites by what this kernel counts, and is told of at four fifths', () => {
  const many = { 4: 65_000, 6: 65_000 };
  const cases: ReadonlyArray<readonly [Partial<KernelDemand>, Partial<KernelFacts>, readonly string[]]> = [
    [{}, {}, []],
    [{ peers: many }, {}, []],
    [{ near: { 4: 819, 6: 0 } }, {}, []],
    [{ near: { 4: 820, 6: 2000 } }, {}, ['IPv4 neighbours 820/1024', 'IPv6 neighbours 2000/1024']],
    [{ near: { 4: 2000, 6: 0 } }, { neighbours: { 4: undefined, 6: undefined } }, []],
    [{ near: { 4: 2000, 6: 0 } }, { neighbours: { 4: 4096, 6: 4096 } }, []],
    [
      { peers: { 4: 800, 6: 0 }, near: { 4: 100, 6: 0 } },
      { release: '4.19.0-27' },
      ['IPv4 neighbours 900/1024'],
    ],
    [{ peers: { 4: 800, 6: 0 }, near: { 4: 100, 6: 0 } }, { release: '5.0.0' }, []],
    [{ peers: { 4: 0, 6: 4000 } }, { release: '6.2.16' }, ['IPv6 routes in use 4000/4096']],
    [{ peers: { 4: 0, 6: 4000 } }, { release: '6.3.0' }, []],
    [{ peers: { 4: 0, 6: 4000 } }, { release: '6.2.16', ipv6Routes: undefined }, []],
    [{ peers: { 4: 10, 6: 0 } }, { receiveBufferBytes: 212_992 }, []],
    [
      { peers: { 4: 65_000, 6: 0 } },
      { receiveBufferBytes: 212_992 },
      ['bytes for the notices of a burst 16777216/212992'],
    ],
    [{ peers: { 4: 65_000, 6: 0 } }, { receiveBufferBytes: 33_554_432 }, []],
  ];
  for (const [more, facts, expected] of cases) {
    assert.deepEqual(tight(more, facts), expected, JSON.stringify([more, facts]));
  }
});

test('whoever does what is said is told of nothing more, with room for a tenth more hosts', () => {
  const count = fc.integer({ min: 0, max: 70_000 });
  const byFamily = fc.record({ 4: count, 6: count });
  const release = fc.constantFrom('4.19.0', '5.4.0-100', '6.1.9', '6.18.44');
  fc.assert(
    fc.property(byFamily, byFamily, release, (peers, near, kernel) => {
      const facts = { ...usual, release: kernel, receiveBufferBytes: 212_992 };
      const settings = limitsFor({ peers, near }, facts).flatMap(limit =>
        isTight(limit) ? limit.settings : [],
      );
      const set = (key: string, before: number) =>
        settings.find(setting => setting.key === key)?.value ?? before;
      const after: KernelFacts = {
        release: kernel,
        neighbours: {
          4: set('net/ipv4/neigh/default/gc_thresh3', 1024),
          6: set('net/ipv6/neigh/default/gc_thresh3', 1024),
        },
        ipv6Routes: set('net/ipv6/route/max_size', 4096),
        receiveBufferBytes: set('net/core/rmem_max', 212_992),
      };
      const grown = limitsFor({ peers, near: { 4: near[4] * 1.1, 6: near[6] * 1.1 } }, after);
      // What a socket asks for is all that it needs, so there exactly so much is enough.
      assert.deepEqual(
        grown.filter(limit => limit.wanted > limit.allowed),
        [],
      );
      for (const { what, wanted, allowed } of limitsFor({ peers, near }, after)) {
        assert.ok(wanted <= allowed, what);
      }
    }),
  );
});
