import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type IpAddress, ipFromBytes, ipToBytes, parseIp } from '../../../src/base/ip.ts';
import {
  type Prefix,
  parsePrefix,
  prefixBase,
  prefixContains,
  prefixLength,
} from '../../../src/base/prefix.ts';
import { RouteTable } from '../../../src/tunnel/route-table.ts';
import { anyIp, anyPrefix } from '../base/arbitraries.ts';

/** Looks up as the data path does: a number, or bytes in the middle of others. */
function lookup(table: RouteTable, address: IpAddress): number {
  const bytes = ipToBytes(address);
  const view = new DataView(Uint8Array.from([0xff, ...bytes, 0xff]).buffer);
  return bytes.length === 4 ? table.lookup4(view.getUint32(1)) : table.lookup6(view, 1);
}

/** The slow obvious twin: all routes, each asked whether it contains the address. */
class SlowTable {
  readonly routes = new Map<Prefix, number>();

  lookup(address: IpAddress): number {
    let [length, value] = [-1, -1];
    for (const [dst, candidate] of this.routes) {
      if (prefixLength(dst) > length && prefixContains(dst, address))
        [length, value] = [prefixLength(dst), candidate];
    }
    return value;
  }
}

test('the longest prefix wins, of either family, and an address outside all has no route', () => {
  const table = new RouteTable();
  const routes = ['10.2.0.0/16', '10.2.14.0/24', '10.2.14.128/25', '10.2.14.7/32', 'fd00::/48', 'fd00::/64'];
  for (const [value, dst] of [...routes, 'fd00:0:0:5::9/128'].entries()) table.set(parsePrefix(dst), value);
  const cases: ReadonlyArray<readonly [string, number]> = [
    ['10.2.0.0', 0],
    ['10.2.255.255', 0],
    ['10.2.14.1', 1],
    ['10.2.14.255', 2],
    ['10.2.14.7', 3],
    ['10.1.255.255', -1],
    ['10.3.0.0', -1],
    ['0.0.0.0', -1],
    ['255.255.255.255', -1],
    ['fd00:0:0:1::', 4],
    ['fd00::ffff', 5],
    ['fd00:0:0:5::9', 6],
    ['fd00:0:0:5::8', 4],
    ['fd00:0:1::', -1],
    ['::', -1],
    ['::ffff:10.2.14.7', -1],
  ];
  for (const [address, value] of cases) assert.equal(lookup(table, parseIp(address)), value, address);
  assert.equal(table.size, 7);
});

test('a default route takes what no other does, and none of the other family', () => {
  const table = new RouteTable();
  table.set(parsePrefix('0.0.0.0/0'), 1);
  table.set(parsePrefix('10.0.0.0/8'), 2);
  assert.deepEqual(
    ['9.9.9.9', '10.9.9.9', '::1'].map(address => lookup(table, parseIp(address))),
    [1, 2, -1],
  );
  table.delete(parsePrefix('0.0.0.0/0'));
  assert.deepEqual(
    ['9.9.9.9', '10.9.9.9'].map(address => lookup(table, parseIp(address))),
    [-1, 2],
  );
});

test('a value may be any from 0 to 2^31 - 2', () => {
  const table = new RouteTable();
  for (const value of [0, 1, 65_536, 2 ** 31 - 2]) {
    table.set(parsePrefix('10.2.0.0/16'), value);
    assert.equal(lookup(table, parseIp('10.2.3.4')), value);
  }
  assert.equal(table.size, 1);
});

/** Prefixes that lie in one another: few different bytes, any length. */
const change = fc.tuple(fc.oneof(anyPrefix(4), anyPrefix(6)), fc.option(fc.nat(1000), { freq: 2 }));
const address = fc.oneof(anyIp(4), anyIp(6));

test('after any changes every look-up finds what a walk through all routes finds', () => {
  fc.assert(
    fc.property(
      fc.array(change, { maxLength: 60 }),
      fc.array(address, { maxLength: 20 }),
      (changes, others) => {
        const table = new RouteTable();
        const slow = new SlowTable();
        for (const [dst, value] of changes) {
          // Deleting what is not there would be the rule, so a deletion takes whichever route comes next.
          const target = value === null ? ([...slow.routes.keys()][0] ?? dst) : dst;
          if (value === null) {
            table.delete(target);
            slow.routes.delete(target);
          } else {
            table.set(dst, value);
            slow.routes.set(dst, value);
          }
          assert.equal(table.size, slow.routes.size);
        }
        for (const address of [...others, ...changes.flatMap(([dst]) => edges(dst))])
          assert.equal(lookup(table, address), slow.lookup(address), `${address} in ${[...slow.routes]}`);
      },
    ),
    { numRuns: 500 },
  );
});

/** The first address of a prefix, and each that differs from it in one bit: where being inside begins and ends. */
function edges(dst: Prefix): IpAddress[] {
  const bytes = ipToBytes(prefixBase(dst));
  const flipped = Array.from({ length: bytes.length * 8 }, (_, bit) =>
    ipFromBytes(bytes.with(bit >> 3, (bytes[bit >> 3] ?? 0) ^ (0x80 >> (bit & 7)))),
  );
  return [prefixBase(dst), ...flipped];
}

test('ten thousand subnets of each family are all found, and nothing beside them', () => {
  const table = new RouteTable();
  const subnets = Array.from({ length: 10_000 }, (_, n): readonly [Prefix, Prefix] => [
    parsePrefix(`10.${n >> 8}.${n & 0xff}.0/24`),
    parsePrefix(`fd00:0:${n.toString(16)}:1::/64`),
  ]);
  for (const [n, [four, six]] of subnets.entries()) {
    table.set(four, n);
    table.set(six, n + 50_000);
  }
  assert.equal(table.size, 20_000);
  for (const n of subnets.keys()) {
    assert.equal(table.lookup4(((10 << 24) | (n << 8) | 9) >>> 0), n);
    assert.equal(lookup(table, parseIp(`fd00:0:${n.toString(16)}:1::9`)), n + 50_000);
    assert.equal(lookup(table, parseIp(`fd00:0:${n.toString(16)}:2::9`)), -1);
  }
  for (const pair of subnets) for (const dst of pair) table.delete(dst);
  assert.equal(table.size, 0);
  assert.equal(table.lookup4(0x0a000000), -1);
});
