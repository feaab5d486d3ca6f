/** What an etcd server, or whoever answers in its place, sends. */
import { frameMessage, MessageFramer } from '../../src/etcd/grpc-frames.ts';
import * as kv from '../../src/etcd/kv-messages.ts';
import * as lease from '../../src/etcd/lease-messages.ts';
import { MessageWriter } from '../../src/etcd/protobuf.ts';
import { statusError } from '../../src/etcd/status.ts';
import * as watch from '../../src/etcd/watch-messages.ts';
import { fuzzBytes, fuzzText } from './fuzz.ts';

const message = (): MessageWriter => new MessageWriter();
const header = message()
  .integer(1, 2n ** 63n)
  .integer(2, 12n)
  .integer(3, 13n)
  .integer(4, 14n)
  .toBytes();
const keyValue = message()
  .text(1, '/coreos.com/network/subnets/10.2.14.0-24')
  .integer(2, 2n)
  .integer(3, 2n ** 53n)
  .integer(4, 4n)
  .text(5, '{"PublicIP":"192.0.2.2"}')
  .integer(6, -6n)
  .toBytes();
const range = message()
  .bytes(1, header)
  .repeated(2, [keyValue, keyValue])
  .bool(3, true)
  .integer(4, 9)
  .toBytes();
const put = message().bytes(1, header).bytes(2, keyValue).toBytes();
const deletion = message().bytes(1, header).integer(2, 1).toBytes();
const operations = [range, put, deletion].map((bytes, index) =>
  message()
    .bytes(index + 1, bytes)
    .toBytes(),
);
const txn = message().bytes(1, header).bool(2, true).repeated(3, operations).toBytes();
const granted = message().bytes(1, header).integer(2, 5n).integer(3, 86_400).toBytes();
const timeToLive = message()
  .bytes(1, header)
  .integer(2, 5n)
  .integer(3, -1n)
  .integer(4, 86_400)
  .bytes(5, Uint8Array.of(107))
  .toBytes();
const events = [0, 1].map(type => message().integer(1, type).bytes(2, keyValue).toBytes());
const watched = message()
  .bytes(1, header)
  .integer(2, 0)
  .bool(3, true)
  .bool(4, true)
  .integer(5, 7n)
  .text(6, 'etcdserver: mvcc: required revision has been compacted')
  .bool(7, false)
  .repeated(11, events)
  .toBytes();
const authenticated = message().bytes(1, header).text(2, 'token.1').toBytes();

fuzzBytes('a range response', [range], kv.decodeRangeResponse);
fuzzBytes('a put response', [put], kv.decodePutResponse);
fuzzBytes('a deletion response', [deletion], kv.decodeDeleteRangeResponse);
fuzzBytes('a transaction response', [txn], kv.decodeTxnResponse);
fuzzBytes('a lease response', [granted], bytes => [
  lease.decodeLeaseGrantResponse(bytes),
  lease.decodeLeaseRevokeResponse(bytes),
]);
fuzzBytes('a time-to-live response', [timeToLive], lease.decodeLeaseTimeToLiveResponse);
fuzzBytes('an authentication response', [authenticated], lease.decodeAuthenticateResponse);
fuzzBytes('a watch response', [watched], watch.decodeWatchResponse);

const framed = Buffer.concat([frameMessage(range), frameMessage(put), frameMessage(new Uint8Array())]);
const mostBytes = 1 << 16;

for (const chunk of [1, 7, Number.POSITIVE_INFINITY]) {
  fuzzBytes(`gRPC frames in chunks of ${chunk} bytes`, [framed], bytes => {
    const framer = new MessageFramer(mostBytes);
    const messages: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; at += chunk) {
      messages.push(...framer.push(Buffer.from(bytes.subarray(at, at + chunk))));
    }
    return messages;
  });
}

fuzzText(
  'an error of etcd',
  ['etcdserver: mvcc: database space exceeded', 'context deadline exceeded'],
  words => statusError('etcd http://127.0.0.1:2379 KV/Put', { code: words.length % 17, message: words }),
);
