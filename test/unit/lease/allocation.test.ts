import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { addressBits, ipAdd, ipToBigInt, parseIp } from '../../../src/base/ip.ts';
import {
  type Prefix,
  parsePrefix,
  prefixCovers,
  prefixesOverlap,
  prefixFamily,
  prefixOf,
} from '../../../src/base/prefix.ts';
import { chooseSubnet, countSubnets, fitsConfig, fittingPart } from '../../../src/lease/allocation.ts';
import type { Subnet } from '../../../src/lease/lease.ts';
import { type NetworkConfig, parseNetworkConfig, rangeOf } from '../../../src/lease/network-config.ts';
import type { SubnetRange } from '../../../src/lease/subnet-range.ts';

function parse(config: object): NetworkConfig {
  return parseNetworkConfig(JSON.stringify({ ...config, Backend: { Type: 'vxlan' } })).config;
}

function subnet(ipv4: string | undefined, ipv6?: string): Subnet {
  return {
    ipv4: ipv4 === undefined ? undefined : parsePrefix(ipv4),
    ipv6: ipv6 === undefined ? undefined : parsePrefix(ipv6),
  };
}

/** Every subnet of a range, one after the other. */
function enumerate(range: SubnetRange): Prefix[] {
  const step = 1n << BigInt(addressBits[prefixFamily(range.network)] - range.length);
  const count = (ipToBigInt(range.max) - ipToBigInt(range.min)) / step + 1n;
  return Array.from({ length: Number(count) }, (_, index) =>
    prefixOf(ipAdd(range.min, BigInt(index) * step), range.length),
  );
}

/** The slow obvious twin: all free subnets of one family, in order. */
function freeOf(range: SubnetRange, taken: readonly (Prefix | undefined)[]): Prefix[] {
  return enumerate(range).filter(
    candidate => !taken.some(one => one !== undefined && prefixesOverlap(one, candidate)),
  );
}

const small = parse({
  Network: '10.5.0.0/20',
  SubnetLen: 26,
  SubnetMin: '10.5.1.64',
  SubnetMax: '10.5.14.128',
});
const smallDual = parse({
  Network: '10.5.0.0/22',
  SubnetLen: 26,
  EnableIPv6: true,
  IPv6Network: 'fd00::/59',
  IPv6SubnetLen: 64,
});

/** Prefixes in and around a network, longer and shorter than its subnets. */
function around(base: string, bits: number, lengths: { min: number; max: number }): fc.Arbitrary<Prefix> {
  return fc
    .tuple(fc.bigInt({ min: 0n, max: 2n ** BigInt(bits) - 1n }), fc.integer(lengths))
    .map(([offset, length]) => prefixOf(ipAdd(parseIp(base), offset), length));
}

const taken4 = fc.option(around('10.5.0.0', 13, { min: 20, max: 32 }), { nil: undefined });
const taken6 = fc.option(around('fd00::', 70, { min: 60, max: 128 }), { nil: undefined });
const takenSubnets = fc.array(fc.record({ ipv4: taken4, ipv6: taken6 }), { maxLength: 20 });

test('the choice walks the free subnets in order as the chance goes from 0 to 1, as the slow twin lists them', () => {
  fc.assert(
    fc.property(takenSubnets, fc.nat(), (taken, number) => {
      const range = rangeOf(small, 4);
      assert.ok(range !== undefined);
      const free = freeOf(
        range,
        taken.map(one => one.ipv4),
      );
      const index = number % Math.max(1, free.length);
      const chosen = chooseSubnet(small, taken, () => (index + 0.5) / Math.max(1, free.length));
      assert.equal(chosen?.ipv4, free[index]);
    }),
    { numRuns: 500 },
  );
});

test('in both families the choice is free, fits the config, and is there exactly when both have one left', () => {
  fc.assert(
    fc.property(
      takenSubnets,
      fc.infiniteStream(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })),
      (taken, chances) => {
        const [ipv4, ipv6] = [rangeOf(smallDual, 4), rangeOf(smallDual, 6)];
        assert.ok(ipv4 !== undefined && ipv6 !== undefined);
        const free4 = freeOf(
          ipv4,
          taken.map(one => one.ipv4),
        );
        const free6 = freeOf(
          ipv6,
          taken.map(one => one.ipv6),
        );
        const chosen = chooseSubnet(smallDual, taken, () => chances.next().value as number);
        assert.equal(chosen !== undefined, free4.length > 0 && free6.length > 0);
        if (chosen?.ipv4 === undefined || chosen.ipv6 === undefined) return;
        assert.ok(free4.includes(chosen.ipv4) && free6.includes(chosen.ipv6));
        assert.ok(fitsConfig(smallDual, chosen));
      },
    ),
    { numRuns: 300 },
  );
});

test('every free subnet is equally likely, beyond the first hundred too', () => {
  const config = parse({ Network: '10.5.0.0/16' });
  const taken = [subnet('10.5.7.0/24'), subnet('10.5.128.0/18')];
  const seen = new Map<Prefix | undefined, number>();
  const steps = 190 * 16;
  for (let step = 0; step < steps; step++) {
    const chosen = chooseSubnet(config, taken, () => (step + 0.5) / steps)?.ipv4;
    seen.set(chosen, (seen.get(chosen) ?? 0) + 1);
  }
  assert.equal(seen.size, 255 - 1 - 64);
  assert.deepEqual(new Set(seen.values()), new Set([16]));
});

test('the families are chosen independently of each other', () => {
  const chances = [0, 0, 0.999_999, 0.999_999, 0.999_999, 0.999_999];
  const chosen = chooseSubnet(smallDual, [], () => chances.shift() ?? 0.999_999);
  assert.equal(chosen?.ipv4, '10.5.0.64/26');
  assert.equal(chosen.ipv6, 'fd00:0:0:1f::/64');
});

test('the last free subnet is found, and none when all are taken', () => {
  const range = rangeOf(small, 4);
  assert.ok(range !== undefined);
  const all = enumerate(range).map(ipv4 => ({ ipv4, ipv6: undefined }));
  for (const [index, last] of all.entries()) {
    const others = all.toSpliced(index, 1);
    assert.deepEqual(
      chooseSubnet(small, others.reverse(), () => 0.5),
      last,
    );
  }
  assert.equal(
    chooseSubnet(small, all, () => 0.5),
    undefined,
  );
});

test('a shorter or longer lease, a foreign one and one of the other family take what they overlap and no more', () => {
  const config = parse({ Network: '10.3.0.0/24' });
  const cases: ReadonlyArray<readonly [readonly Subnet[], readonly string[]]> = [
    [[], ['10.3.0.64/26', '10.3.0.128/26', '10.3.0.192/26']],
    [[subnet('10.3.0.0/26')], ['10.3.0.64/26', '10.3.0.128/26', '10.3.0.192/26']],
    [[subnet('10.3.0.128/26')], ['10.3.0.64/26', '10.3.0.192/26']],
    [[subnet('10.3.0.130/31')], ['10.3.0.64/26', '10.3.0.192/26']],
    [[subnet('10.3.0.0/25')], ['10.3.0.128/26', '10.3.0.192/26']],
    [[subnet('10.3.0.128/25'), subnet('10.3.0.192/26')], ['10.3.0.64/26']],
    [[subnet('10.0.0.0/8')], []],
    [
      [subnet('10.4.0.0/24'), subnet('10.2.255.0/24')],
      ['10.3.0.64/26', '10.3.0.128/26', '10.3.0.192/26'],
    ],
    [[subnet(undefined, 'fd00::/8')], ['10.3.0.64/26', '10.3.0.128/26', '10.3.0.192/26']],
    [[subnet('10.3.0.64/26', 'fd00::/64')], ['10.3.0.128/26', '10.3.0.192/26']],
  ];
  for (const [taken, free] of cases) {
    const found = new Set(
      Array.from({ length: 12 }, (_, step) => chooseSubnet(config, taken, () => step / 12)?.ipv4),
    );
    found.delete(undefined);
    assert.deepEqual([...found], free);
  }
});

test('IPv4-only leases do not stop a network that turns IPv6 on', () => {
  const chosen = chooseSubnet(smallDual, [subnet('10.5.1.0/26'), subnet('10.5.2.0/26')], () => 0);
  assert.deepEqual(chosen, subnet('10.5.0.64/26', 'fd00:0:0:1::/64'));
});

test('a network of IPv6 alone has subnets of IPv6 alone', () => {
  const config = parse({ EnableIPv4: false, EnableIPv6: true, IPv6Network: 'fc00::/48' });
  assert.deepEqual(
    chooseSubnet(config, [], () => 0),
    subnet(undefined, 'fc00:0:0:1::/64'),
  );
  assert.deepEqual(
    chooseSubnet(config, [], () => 1 - 2 ** -53),
    subnet(undefined, 'fc00:0:0:ffff::/64'),
  );
  const all = [subnet(undefined, 'fc00::/48')];
  assert.equal(
    chooseSubnet(config, all, () => 0.3),
    undefined,
  );
});

test('a range too large to count through is chosen from as evenly as a small one', () => {
  const config = parse({
    Network: '10.5.0.0/16',
    EnableIPv6: true,
    IPv6Network: 'fd00::/16',
    IPv6SubnetLen: 112,
    IPv6SubnetMin: 'fd00::',
  });
  const upper = subnet('10.5.1.0/24', 'fd00:8000::/17');
  const chosen = chooseSubnet(config, [upper], () => 0.5)?.ipv6;
  assert.ok(chosen !== undefined && prefixCovers(parsePrefix('fd00:4000::/18'), chosen));
  const ends = [0, 1 - 2 ** -53].map(chance => chooseSubnet(config, [upper], () => chance)?.ipv6);
  assert.deepEqual(ends, ['fd00::/112', 'fd00:7fff:ffff:ffff:ffff:ffff:ffff:0/112']);
  const other = Array.from({ length: 64 }, (_, step) => chooseSubnet(config, [], () => step / 64)?.ipv6);
  assert.equal(new Set(other).size, 64);
});

test('of 65,536 subnets with 60,000 taken, every one of the free 5,536 can be found', () => {
  const config = parse({ Network: '10.0.0.0/8', SubnetMin: '10.0.0.0' });
  const all = Array.from({ length: 65_536 }, (_, index) => `10.${index >> 8}.${index & 255}.0/24` as Prefix);
  const isTaken = (index: number) => (index * 40_503) % 65_536 < 60_000;
  const taken = all.filter((_, index) => isTaken(index)).map(ipv4 => ({ ipv4, ipv6: undefined }));
  const free = all.filter((_, index) => !isTaken(index));
  assert.deepEqual([taken.length, free.length], [60_000, 5_536]);
  for (const index of [0, 1, 2_768, 5_534, 5_535]) {
    assert.equal(chooseSubnet(config, taken, () => (index + 0.5) / 5_536)?.ipv4, free[index]);
  }
});

test('a subnet fits when the config could have given it out, to a host of one family too', () => {
  const one = parse({ Network: '10.5.0.0/16', SubnetMin: '10.5.4.0', SubnetMax: '10.5.9.0' });
  const dual = parse({ Network: '10.5.0.0/16', EnableIPv6: true, IPv6Network: 'fd00::/48' });
  const cases: ReadonlyArray<readonly [NetworkConfig, Subnet, boolean]> = [
    [one, subnet('10.5.4.0/24'), true],
    [one, subnet('10.5.9.0/24'), true],
    [one, subnet('10.5.3.0/24'), false],
    [one, subnet('10.5.10.0/24'), false],
    [one, subnet('10.6.4.0/24'), false],
    [one, subnet('10.5.4.0/25'), false],
    [one, subnet('10.5.4.0/23'), false],
    [one, subnet('10.5.4.0/24', 'fd00:0:0:1::/64'), false],
    [one, subnet(undefined), false],
    [one, subnet(undefined, 'fd00:0:0:1::/64'), false],
    [one, { ipv4: parsePrefix('fd00:0:0:1::/64'), ipv6: undefined }, false],
    [dual, subnet('10.5.4.0/24', 'fd00:0:0:1::/64'), true],
    [dual, subnet('10.5.4.0/24'), true],
    [dual, subnet(undefined, 'fd00:0:0:1::/64'), true],
    [dual, subnet('10.5.0.0/24'), false],
    [dual, subnet(undefined), false],
    [dual, subnet('10.5.4.0/24', 'fd00::/64'), false],
    [dual, subnet('10.5.4.0/24', 'fd00:0:0:1::/80'), false],
    [dual, subnet('10.5.0.0/24', 'fd00:0:0:1::/64'), false],
  ];
  for (const [config, given, expected] of cases) {
    assert.equal(fitsConfig(config, given), expected, JSON.stringify(given));
  }
});

test('what of a subnet still fits is told family by family', () => {
  const dual = parse({ Network: '10.5.0.0/16', EnableIPv6: true, IPv6Network: 'fd00::/48' });
  const given = subnet('10.5.4.0/24', 'fd00:0:0:1::/64');
  assert.deepEqual(fittingPart(dual, given), given);
  assert.deepEqual(fittingPart(parse({ Network: '10.5.0.0/16' }), given), subnet('10.5.4.0/24'));
  const other = parse({ Network: '10.6.0.0/16', EnableIPv6: true, IPv6Network: 'fd00::/48' });
  assert.deepEqual(fittingPart(other, given), subnet(undefined, 'fd00:0:0:1::/64'));
});

test('what is given stays, only the families asked for are chosen, and both or none', () => {
  const taken = [subnet('10.5.0.64/26', 'fd00:0:0:1::/64')];
  const choose = (given: Subnet, families: readonly (4 | 6)[], over = taken) =>
    chooseSubnet(smallDual, over, () => 0, given, families);
  const nothing = subnet(undefined);
  assert.deepEqual(choose(subnet('10.5.0.192/26'), [4, 6]), subnet('10.5.0.192/26', 'fd00:0:0:2::/64'));
  assert.deepEqual(choose(subnet('10.5.0.192/26'), [4]), subnet('10.5.0.192/26'));
  assert.deepEqual(
    choose(subnet(undefined, 'fd00:0:0:9::/64'), [4]),
    subnet('10.5.0.128/26', 'fd00:0:0:9::/64'),
  );
  assert.deepEqual(choose(nothing, [6]), subnet(undefined, 'fd00:0:0:2::/64'));
  assert.equal(choose(nothing, [4, 6], [subnet(undefined, 'fd00::/59')]), undefined);
  assert.deepEqual(choose(nothing, [4], [subnet(undefined, 'fd00::/59')]), subnet('10.5.0.64/26'));
});

test('the number of hosts is what the scarcer family allows', () => {
  const cases = [
    [{ Network: '10.5.0.0/16' }, 255n],
    [{ Network: '10.3.0.0/24' }, 3n],
    [{ Network: '10.5.0.0/16', SubnetMin: '10.5.9.0', SubnetMax: '10.5.9.0' }, 1n],
    [{ Network: '10.5.0.0/16', EnableIPv6: true, IPv6Network: 'fd00::/62' }, 3n],
    [{ Network: '10.5.0.0/16', EnableIPv6: true, IPv6Network: 'fd00::/48' }, 255n],
    [{ EnableIPv4: false, EnableIPv6: true, IPv6Network: 'fd00::/16', IPv6SubnetLen: 80 }, 2n ** 64n - 1n],
  ] as const;
  for (const [given, expected] of cases) assert.equal(countSubnets(parse(given)), expected);
});
