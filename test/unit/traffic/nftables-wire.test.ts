import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ByteWriter } from '../../../src/base/bytes.ts';
import { type IpAddress, ipAdd, parseIp } from '../../../src/base/ip.ts';
import { writeString } from '../../../src/wire/attributes.ts';
import { decodeNftNotice, elementTransaction } from '../../../src/wire/nftables.ts';

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

test('an element transaction is a begin, what changes, and a commit, byte for byte', () => {
  const place = { family: 'ip', table: 't', set: 'peers' } as const;
  const requests = elementTransaction([{ ...place, verb: 'add', addresses: [parseIp('192.0.2.7')] }]);
  assert.deepEqual(
    requests.map(({ type, flags, body }) => [type, flags, hex(body)]),
    [
      // struct nfgenmsg: family, version 0, subsystem 10
      [0x10, 0x1, '0000000a'],
      [
        0x0a0c,
        0x405,
        ['02000000', '0600', '0100', '7400', '0000', '0a00', '0200', '706565727300', '0000']
          .join('')
          // The list, its element, the key, the value.
          .concat('1400', '0380', '1000', '0180', '0c00', '0180', '0800', '0100', 'c0000207'),
      ],
      [0x11, 0x1, '0000000a'],
    ],
  );
  assert.equal(requests[1]?.what(), 'nft add element ip t peers { 192.0.2.7 }');
});

test('many elements go in several requests of one transaction', () => {
  const addresses = Array.from(
    { length: 1200 },
    (_, index): IpAddress => ipAdd(parseIp('fd00::1'), BigInt(index)),
  );
  const requests = elementTransaction([{ family: 'ip6', table: 't', set: 's', verb: 'delete', addresses }]);
  assert.equal(requests.length, 5);
  for (const { body } of requests) assert.ok(body.length < 65_536);
});

test('no addresses are no request', () => {
  assert.equal(
    elementTransaction([{ family: 'ip', table: 't', set: 's', verb: 'add', addresses: [] }]).length,
    2,
  );
});

function notice(type: number, body: Uint8Array): ReturnType<typeof decodeNftNotice> {
  return decodeNftNotice({ type, flags: 0, sequence: 1, portId: 0, body });
}

test('notices tell what came or went, in which table, and who did it', () => {
  const inTable = new ByteWriter().u8(2).u8(0).u16be(0);
  writeString(inTable, 1, 'nat');
  assert.deepEqual(notice(0x0a08, inTable.toBytes()), {
    type: 'gone',
    object: 'rule',
    family: 'ip',
    table: 'nat',
  });
  assert.deepEqual(notice(0x0a03, inTable.toBytes()), {
    type: 'new',
    object: 'chain',
    family: 'ip',
    table: 'nat',
  });
  const generation = new ByteWriter().u8(0).u8(0).u16be(7).u16le(8).u16le(2).u32be(4711);
  writeString(generation, 3, 'nft');
  assert.deepEqual(notice(0x0a0f, generation.toBytes()), { type: 'committed', process: 'nft', pid: 4711 });
});

test('what is no notice of nftables is none, and cut bytes are an error', () => {
  assert.equal(notice(0x0001, new Uint8Array(4)), undefined);
  assert.equal(notice(0x0aff, new Uint8Array(4)), undefined);
  assert.throws(() => notice(0x0a03, new Uint8Array(0)), { code: 'bytes-short' });
});
