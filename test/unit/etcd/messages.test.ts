import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import * as kv from '../../../src/etcd/kv-messages.ts';
import * as lease from '../../../src/etcd/lease-messages.ts';
import { MessageWriter } from '../../../src/etcd/protobuf.ts';
import * as watch from '../../../src/etcd/watch-messages.ts';

const key = Buffer.from('k');
const value = Buffer.from('v');

/** Worked out by hand from etcd's rpc.proto. */
const requests: ReadonlyArray<readonly [title: string, bytes: Uint8Array, hex: string]> = [
  ['a range of one key', kv.encodeRangeRequest({ key }), '0a016b'],
  [
    'a page of a range at a revision',
    kv.encodeRangeRequest({ key, rangeEnd: Buffer.from('l'), limit: 300, revision: 7n, keysOnly: true }),
    '0a016b12016c18ac0220074001',
  ],
  ['a put with a lease', kv.encodePutRequest({ key, value, lease: 5n }), '0a016b1201761805'],
  ['a deletion', kv.encodeDeleteRangeRequest({ key }), '0a016b'],
  [
    'a creation: if version = 0 then put else range',
    kv.encodeTxnRequest({
      compare: [{ key, target: 'version', result: 'equal', value: 0n }],
      success: [{ type: 'put', request: { key, value } }],
      failure: [{ type: 'range', request: { key } }],
    }),
    '0a09080010001a016b2000' + '1208' + '12060a016b120176' + '1a05' + '0a030a016b',
  ],
  [
    'a deletion if the revision is 9',
    kv.encodeTxnRequest({
      compare: [{ key, target: 'modRevision', result: 'equal', value: 9n }],
      success: [{ type: 'deleteRange', request: { key } }],
    }),
    '0a09080010021a016b3009' + '1205' + '1a030a016b',
  ],
  ['a lease of a day', lease.encodeLeaseGrantRequest({ ttlSeconds: 86_400 }), '0880a305'],
  ['a revocation', lease.encodeLeaseRevokeRequest({ id: 5n }), '0805'],
  ['a question for a TTL', lease.encodeLeaseTimeToLiveRequest({ id: 5n, keys: true }), '08051001'],
  ['a login', lease.encodeAuthenticateRequest({ user: 'u', password: 'p' }), '0a0175120170'],
  [
    'a watch in fragments',
    watch.encodeWatchCreateRequest({ key, startRevision: 3n, progressNotify: true }),
    '0a09' + '0a016b180320014001',
  ],
];

for (const [title, bytes, hex] of requests) {
  test(`the bytes of ${title}`, () => assert.equal(Buffer.from(bytes).toString('hex'), hex));
}

const header = new MessageWriter().integer(1, 11n).integer(2, 12n).integer(3, 13n).integer(4, 14n).toBytes();
const readHeader: kv.ResponseHeader = { clusterId: 11n, memberId: 12n, revision: 13n };
const keyValue = new MessageWriter()
  .bytes(1, key)
  .integer(2, 2n)
  .integer(3, 3n)
  .integer(4, 4n)
  .bytes(5, value)
  .integer(6, -6n)
  .toBytes();

test('a range is read with its keys, the count and whether there is more', () => {
  const bytes = new MessageWriter()
    .bytes(1, header)
    .repeated(2, [keyValue, keyValue])
    .bool(3, true)
    .integer(4, 9);
  const response = kv.decodeRangeResponse(bytes.toBytes());
  assert.deepEqual([response.header, response.more, response.count], [readHeader, true, 9n]);
  assert.equal(response.kvs.length, 2);
  const [first] = response.kvs;
  assert.deepEqual(
    { ...first, key: Buffer.from(first?.key ?? []), value: Buffer.from(first?.value ?? []) },
    { key, value, createRevision: 2n, modRevision: 3n, version: 4n, lease: -6n },
  );
});

test('a transaction is read with the answer of each operation', () => {
  const range = new MessageWriter().bytes(1, new MessageWriter().repeated(2, [keyValue]).toBytes()).toBytes();
  const put = new MessageWriter().bytes(2, new Uint8Array()).toBytes();
  const deleted = new MessageWriter().bytes(3, new MessageWriter().integer(2, 1).toBytes()).toBytes();
  const bytes = new MessageWriter()
    .bytes(1, header)
    .bool(2, true)
    .repeated(3, [range, put, deleted])
    .toBytes();
  const response = kv.decodeTxnResponse(bytes);
  assert.equal(response.succeeded, true);
  assert.deepEqual(
    response.responses.map(answer => answer.type),
    ['range', 'put', 'deleteRange'],
  );
});

test('a watch response is read with its events, its end and why', () => {
  const put = new MessageWriter().bytes(2, keyValue).toBytes();
  const deletion = new MessageWriter().integer(1, 1).bytes(2, keyValue).toBytes();
  const bytes = new MessageWriter().bytes(1, header).bool(7, true).repeated(11, [put, deletion]).toBytes();
  const response = watch.decodeWatchResponse(bytes);
  assert.deepEqual(
    [response.created, response.canceled, response.fragment, response.events.map(event => event.type)],
    [false, false, true, ['put', 'delete']],
  );
  const end = new MessageWriter().bool(4, true).integer(5, 77n).text(6, 'compacted').toBytes();
  const { canceled, compactRevision, cancelReason } = watch.decodeWatchResponse(end);
  assert.deepEqual([canceled, compactRevision, cancelReason], [true, 77n, 'compacted']);
});

test('a lease that is gone has no time left', () => {
  const gone = new MessageWriter().integer(2, 5n).integer(3, -1n).toBytes();
  assert.equal(lease.decodeLeaseTimeToLiveResponse(gone).remainingSeconds, undefined);
  const alive = new MessageWriter().integer(2, 5n).integer(3, 30n).integer(4, 60n).toBytes();
  const { remainingSeconds, grantedSeconds } = lease.decodeLeaseTimeToLiveResponse(alive);
  assert.deepEqual([remainingSeconds, grantedSeconds], [30, 60]);
});

test('the range of a prefix holds exactly the keys that start with it', () => {
  const bytes = fc.uint8Array({ minLength: 1, maxLength: 4, max: 255 });
  const edge = fc
    .array(fc.constantFrom(0, 1, 254, 255), { minLength: 1, maxLength: 4 })
    .map(bytes => Uint8Array.from(bytes));
  const some = fc.oneof(bytes, edge);
  fc.assert(
    fc.property(some, some, fc.boolean(), (prefix, other, below) => {
      const candidate = Buffer.from(below ? [...prefix, ...other] : other);
      const end = kv.prefixEnd(prefix);
      const endless = end.length === 1 && end[0] === 0;
      const inRange = candidate.compare(prefix) >= 0 && (endless || candidate.compare(end) < 0);
      assert.equal(inRange, candidate.subarray(0, prefix.length).equals(prefix));
    }),
    { numRuns: 2000 },
  );
  assert.deepEqual(kv.prefixEnd(new Uint8Array()), Uint8Array.of(0));
});
