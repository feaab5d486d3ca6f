import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ByteWriter } from '../../../src/base/bytes.ts';
import { WeftError } from '../../../src/base/errors.ts';
import { prefixOf } from '../../../src/base/prefix.ts';
import { addressRequest, decodeAddress } from '../../../src/wire/address.ts';
import { decodeLink, linkAdd } from '../../../src/wire/link.ts';
import {
  decodeFdbEntry,
  decodeNeighbour,
  fdbRequest,
  neighbourRequest,
} from '../../../src/wire/neighbour.ts';
import {
  decodeMessages,
  decodeVerdict,
  encodeMessage,
  type NetlinkMessage,
  type NetlinkRequest,
} from '../../../src/wire/netlink.ts';
import { decodeNextHop, nextHopRequest } from '../../../src/wire/next-hop.ts';
import { decodeRoute, routeRequest } from '../../../src/wire/route.ts';
import { ip4, ip6, mac, u16, u32 } from './arbitrary.ts';
import { hex } from './hex.ts';

const index = fc.integer({ min: 1, max: 0x7fffffff });
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const record = <T extends object>(fields: { [Key in keyof T]: fc.Arbitrary<T[Key]> }) =>
  fc.record(fields, { noNullPrototype: true });
const ip = fc.oneof(ip4, ip6);
const u24 = fc.integer({ min: 0, max: 0xffffff });

const address = fc.oneof(
  record({ dev: index, local: ip4, prefixLength: fc.integer({ min: 0, max: 32 }), peer: maybe(ip4) }),
  record({ dev: index, local: ip6, prefixLength: fc.integer({ min: 0, max: 128 }), peer: maybe(ip6) }),
);
const route = fc.oneof(
  record({
    dst: fc.tuple(ip4, fc.integer({ min: 0, max: 32 })).map(([base, length]) => prefixOf(base, length)),
    gateway: maybe(ip),
    preferredSource: maybe(ip4),
    ...routeFields(),
  }),
  record({
    dst: fc.tuple(ip6, fc.integer({ min: 0, max: 128 })).map(([base, length]) => prefixOf(base, length)),
    gateway: maybe(ip6),
    preferredSource: maybe(ip6),
    ...routeFields(),
  }),
);
function routeFields() {
  const hop = record({
    gateway: maybe(ip),
    dev: index,
    onlink: fc.boolean(),
    weight: fc.integer({ min: 1, max: 256 }),
  });
  return {
    dev: maybe(index),
    table: u32,
    metric: maybe(u32.filter(metric => metric > 0)),
    mtuBytes: maybe(u16),
    tos: fc.integer({ min: 0, max: 255 }),
    type: fc.constantFrom('unicast' as const, 'blackhole' as const, 99),
    protocol: fc.constantFrom('boot' as const, 'static' as const, 80),
    scope: fc.constantFrom('global' as const, 'link' as const, 7),
    onlink: fc.boolean(),
    multipath: maybe(fc.array(hop, { minLength: 1, maxLength: 4 })),
  };
}
const neighbour = record({
  dev: index,
  dst: ip,
  lladdr: maybe(mac),
  state: fc.constantFrom('permanent' as const, 'stale' as const, 'none' as const),
});
const fdbEntry = record({
  dev: index,
  lladdr: mac,
  dst: maybe(ip),
  port: maybe(u16),
  vni: maybe(u24),
  vlan: maybe(u16),
  via: maybe(index),
  table: fc.constantFrom('self' as const, 'master' as const),
  state: fc.constantFrom('permanent' as const, 'noarp' as const, 'reachable' as const),
});
const nextHop = record({
  id: u32,
  gateway: maybe(ip),
  dev: maybe(index),
  onlink: fc.boolean(),
  protocol: fc.constantFrom('boot' as const, 80),
  group: maybe(
    fc.array(record({ id: u32, weight: fc.integer({ min: 1, max: 256 }) }), { minLength: 1, maxLength: 4 }),
  ),
});
const link = record({
  name: fc.stringMatching(/^[a-z][a-z0-9.]{0,14}$/),
  mac: maybe(mac),
  mtuBytes: maybe(u32.filter(mtu => mtu > 0)),
  txQueueLength: maybe(u32.filter(length => length > 0)),
  up: fc.boolean(),
  master: maybe(index),
  alias: maybe(fc.stringMatching(/^[ -~]{1,20}$/)),
  kind: fc.oneof(
    record({
      kind: fc.constant('vxlan' as const),
      vni: u24,
      dev: maybe(index),
      local: maybe(ip),
      group: maybe(ip),
      port: maybe(u16),
      sourcePorts: maybe(record({ low: u16, high: u16 })),
      ttl: maybe(fc.integer({ min: 0, max: 255 })),
      learning: maybe(fc.boolean()),
      limit: maybe(u32),
      flowLabel: maybe(u32),
      gbp: fc.boolean(),
      gpe: fc.boolean(),
      ttlInherit: fc.boolean(),
    }),
    record({ kind: fc.constant('bridge' as const), stp: fc.boolean(), vlanFiltering: fc.boolean() }),
    record({ kind: fc.constant('other' as const), name: fc.constant('dummy') }),
  ),
});

/** Every object: what makes one, its request, and what reads it. */
const objects: ReadonlyArray<{
  readonly name: string;
  readonly value: fc.Arbitrary<object>;
  readonly request: (value: never) => NetlinkRequest;
  readonly decode: (message: NetlinkMessage) => object | undefined;
}> = [
  { name: 'address', value: address, request: value => addressRequest('add', value), decode: decodeAddress },
  { name: 'route', value: route, request: value => routeRequest('add', value), decode: decodeRoute },
  {
    name: 'neighbour',
    value: neighbour,
    request: value => neighbourRequest('add', value),
    decode: decodeNeighbour,
  },
  { name: 'fdb', value: fdbEntry, request: value => fdbRequest('add', value), decode: decodeFdbEntry },
  { name: 'nexthop', value: nextHop, request: value => nextHopRequest('add', value), decode: decodeNextHop },
  { name: 'link', value: link, request: value => linkAdd(value), decode: decodeLink },
];

function messageOf({ type, flags, body }: NetlinkRequest): NetlinkMessage {
  return { type, flags, sequence: 0, portId: 0, body };
}

/** Without what is undefined, which says the same. */
function told(value: object): object {
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, field]) => field !== undefined)
      .map(([name, field]) => [
        name,
        field !== null && typeof field === 'object' && !Array.isArray(field) ? told(field) : field,
      ]),
  );
}

for (const { name, value, request, decode } of objects) {
  test(`any ${name} that is written is read as the same`, () => {
    fc.assert(
      fc.property(value, original => {
        const decoded = decode(messageOf(request(original as never)));
        assert.partialDeepStrictEqual(decoded, told(expected(name, original)));
      }),
      { numRuns: 300 },
    );
  });

  test(`hostile bytes for a ${name} are refused with a WeftError or read, never beyond their end`, () => {
    const mutation = fc.tuple(fc.nat({ max: 400 }), fc.nat({ max: 255 }));
    const mutated = fc
      .tuple(value, fc.array(mutation, { maxLength: 8 }), fc.nat({ max: 400 }))
      .map(([original, changes, keep]) => {
        const body = request(original as never).body.slice(0, keep);
        for (const [at, byte] of changes) if (at < body.length) body[at] = byte;
        return body;
      });
    fc.assert(
      fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 300 })), body => {
        const alone = outcome(() => decode({ type: 0, flags: 0, sequence: 0, portId: 0, body }));
        // The same bytes in the midst of others.
        const around = new Uint8Array(body.length + 64).fill(0xee);
        around.set(body, 32);
        const inside = around.subarray(32, 32 + body.length);
        assert.deepEqual(
          outcome(() => decode({ type: 0, flags: 0, sequence: 0, portId: 0, body: inside })),
          alone,
        );
      }),
      { numRuns: 1500 },
    );
  });
}

/** What the kernel's form does not keep apart. */
function expected(name: string, original: object): object {
  const value = original as Record<string, unknown>;
  if (name === 'address') return value['peer'] === value['local'] ? { ...value, peer: undefined } : value;
  return value;
}

function outcome(action: () => unknown): unknown {
  try {
    return { value: action() };
  } catch (error) {
    if (error instanceof WeftError) return { code: error.code, message: error.message };
    throw error;
  }
}

test('a datagram of many messages is taken apart into the same messages', () => {
  const body = fc.uint8Array({ maxLength: 40 });
  fc.assert(
    fc.property(fc.array(record({ type: u16, flags: u16, body })), messages => {
      const writer = new ByteWriter();
      for (const [sequence, message] of messages.entries()) {
        encodeMessage(writer, { ...message, what: () => '' }, sequence);
      }
      const read = [...decodeMessages(writer.toBytes())];
      assert.deepEqual(
        read,
        messages.map((message, sequence) => ({ ...message, sequence, portId: 0 })),
      );
    }),
  );
});

test('a datagram that lies about a length is malformed, and one of hostile bytes ends', () => {
  for (const length of [0, 15, 21, 0xffffffff]) {
    const datagram = new ByteWriter().u32le(length).zeros(16).toBytes();
    assert.throws(() => [...decodeMessages(datagram)], { code: 'netlink-malformed' }, `${length}`);
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), datagram => {
      outcome(() => [...decodeMessages(datagram)].map(decodeVerdict));
    }),
  );
});

test('a verdict is errno and the words of the kernel, with and without the echoed request', () => {
  // NLMSGERR_ATTR_MSG "no" behind the echoed header; struct nlmsgerr is errno, then that header.
  const header = hex('14000000 1800 0506 01000000 00000000');
  const words = hex('0700 0100 6e6f00 00');
  const eexist = hex('efffffff');
  const verdict = (flags: number, ...parts: Uint8Array[]) =>
    decodeVerdict({
      type: 2,
      flags,
      sequence: 1,
      portId: 0,
      body: Uint8Array.from(parts.flatMap(part => [...part])),
    });
  const [capped, withText] = [0x100, 0x200];
  assert.deepEqual(verdict(0, hex('00000000'), header), { errno: 0, text: '' });
  assert.deepEqual(verdict(capped, eexist, header), { errno: 17, text: '' });
  assert.deepEqual(verdict(capped | withText, eexist, header, words), { errno: 17, text: 'no' });
  assert.deepEqual(verdict(withText, eexist, header, hex('aabbccdd'), words), { errno: 17, text: 'no' });
  assert.throws(() => verdict(withText, eexist, hex('ffffffff'), words), WeftError);
});

test('a route to another family than its own, or longer than an address, is malformed', () => {
  const body = (family: number, bits: number, dst: string) =>
    new ByteWriter()
      .u8(family)
      .u8(bits)
      .zeros(10)
      .u16le(4 + dst.length / 2)
      .u16le(1)
      .bytes(hex(dst))
      .toBytes();
  const decode = (bytes: Uint8Array) =>
    decodeRoute({ type: 24, flags: 0, sequence: 0, portId: 0, body: bytes });
  assert.equal(decode(body(2, 24, '0a020e00'))?.dst, '10.2.14.0/24');
  assert.throws(() => decode(body(2, 33, '0a020e00')), { code: 'netlink-malformed' });
  assert.throws(() => decode(body(10, 64, '0a020e00')), { code: 'netlink-malformed' });
  assert.equal(decode(body(28, 0, '')), undefined);
});
