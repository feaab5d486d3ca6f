import {
  decodeHeader,
  decodeKeyValue,
  type KeyRange,
  type KeyValue,
  type ResponseHeader,
} from './kv-messages.ts';
import { MessageFields, MessageWriter } from './protobuf.ts';

/** The messages of etcd's Watch service; field numbers: etcd api/etcdserverpb/rpc.proto, version 3. */
export interface WatchCreateRequest extends KeyRange {
  /** The first revision to tell; from now on when undefined. */
  readonly startRevision?: bigint | undefined;
  /** Have the revision told from time to time (every ten minutes) when nothing changes. */
  readonly progressNotify?: boolean | undefined;
}

export interface WatchResponse {
  readonly header: ResponseHeader;
  /** The first response: the watch exists. */
  readonly created: boolean;
  /** The last response: the watch is over, for `cancelReason`. */
  readonly canceled: boolean;
  readonly cancelReason: string;
  /** When not 0: the revision asked for is compacted away, this is the oldest there is. */
  readonly compactRevision: bigint;
  /** Set when the next response goes on with the same change. */
  readonly fragment: boolean;
  readonly events: readonly WatchEvent[];
}

export interface WatchEvent {
  readonly type: 'put' | 'delete';
  /** Of a deletion only `key` and `modRevision` are told. */
  readonly kv: KeyValue;
}

/** WatchRequest with its create_request, which asks for large responses in fragments. */
export function encodeWatchCreateRequest(request: WatchCreateRequest): Uint8Array {
  const create = new MessageWriter()
    .bytes(1, request.key)
    .bytes(2, request.rangeEnd)
    .integer(3, request.startRevision)
    .bool(4, request.progressNotify)
    .bool(8, true)
    .toBytes();
  return new MessageWriter().bytes(1, create).toBytes();
}

export function decodeWatchResponse(bytes: Uint8Array): WatchResponse {
  const fields = new MessageFields(bytes);
  return {
    header: decodeHeader(fields.message(1)),
    created: fields.bool(3),
    canceled: fields.bool(4),
    compactRevision: fields.int64(5),
    cancelReason: fields.text(6),
    fragment: fields.bool(7),
    events: fields.messages(11).map(decodeWatchEvent),
  };
}

/** mvccpb.Event; its type is PUT = 0 or DELETE = 1. */
function decodeWatchEvent(bytes: Uint8Array): WatchEvent {
  const fields = new MessageFields(bytes);
  return { type: fields.bool(1) ? 'delete' : 'put', kv: decodeKeyValue(fields.bytes(2)) };
}
