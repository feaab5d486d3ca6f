import { MessageFields, MessageWriter } from './protobuf.ts';

/**
 * The messages of etcd's KV service. Field numbers: etcd api/etcdserverpb/rpc.proto and api/mvccpb/kv.proto,
 * version 3. Keys and values are bytes: etcd does not ask for UTF-8.
 */
export interface ResponseHeader {
  readonly clusterId: bigint;
  readonly memberId: bigint;
  /** The store's revision when the request was applied. */
  readonly revision: bigint;
}

export interface KeyValue {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly createRevision: bigint;
  /** Revision of the last change; of the deletion in a delete event. */
  readonly modRevision: bigint;
  /** Changes since creation: 1 for a new key, 0 in a delete event. */
  readonly version: bigint;
  /** The lease that the key expires with; 0 for none. */
  readonly lease: bigint;
}

/** One key, or all from `key` to before `rangeEnd`; see {@link prefixEnd}. */
export interface KeyRange {
  readonly key: Uint8Array;
  readonly rangeEnd?: Uint8Array | undefined;
}

export interface RangeRequest extends KeyRange {
  /** The most keys to return; all when undefined. */
  readonly limit?: number | undefined;
  /** As of this revision instead of now. */
  readonly revision?: bigint | undefined;
  /** Answered by the asked member from what it knows, perhaps stale, without asking the others. */
  readonly serializable?: boolean | undefined;
  readonly keysOnly?: boolean | undefined;
  readonly countOnly?: boolean | undefined;
  /** Only keys that were changed at this revision or later. */
  readonly minModRevision?: bigint | undefined;
}

export interface RangeResponse {
  readonly header: ResponseHeader;
  /** In key order. */
  readonly kvs: readonly KeyValue[];
  /** True when the limit left some out. */
  readonly more: boolean;
  /** How many there are in the range, whatever the limit. */
  readonly count: bigint;
}

export interface PutRequest {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  /** The lease that the key shall expire with; none when undefined. */
  readonly lease?: bigint | undefined;
}

export interface PutResponse {
  readonly header: ResponseHeader;
}

export type DeleteRangeRequest = KeyRange;

export interface DeleteRangeResponse {
  readonly header: ResponseHeader;
  /** How many keys were removed. */
  readonly deleted: bigint;
}

/** Holds when the key's number `target` compares so with `value`; every number of an absent key is 0. */
export interface Compare {
  readonly key: Uint8Array;
  readonly target: keyof typeof compareTarget;
  readonly result: keyof typeof compareResult;
  readonly value: bigint;
}

export type RequestOp =
  | { readonly type: 'range'; readonly request: RangeRequest }
  | { readonly type: 'put'; readonly request: PutRequest }
  | { readonly type: 'deleteRange'; readonly request: DeleteRangeRequest };

export type ResponseOp =
  | { readonly type: 'range'; readonly response: RangeResponse }
  | { readonly type: 'put'; readonly response: PutResponse }
  | { readonly type: 'deleteRange'; readonly response: DeleteRangeResponse };

/** If all of `compare` hold then all of `success`, else all of `failure`, as one step. */
export interface TxnRequest {
  readonly compare: readonly Compare[];
  readonly success: readonly RequestOp[];
  readonly failure?: readonly RequestOp[] | undefined;
}

export interface TxnResponse {
  readonly header: ResponseHeader;
  readonly succeeded: boolean;
  /** One for each operation that was carried out. */
  readonly responses: readonly ResponseOp[];
}

/** Compare.CompareResult. */
const compareResult = { equal: 0, greater: 1, less: 2, notEqual: 3 } as const;

/** Compare.CompareTarget, and the field of Compare that carries the number to compare with. */
const compareTarget = {
  version: { target: 0, field: 4 },
  createRevision: { target: 1, field: 5 },
  modRevision: { target: 2, field: 6 },
  lease: { target: 4, field: 8 },
} as const;

/** Field numbers of the operations in RequestOp and ResponseOp. */
const operation = { range: 1, put: 2, deleteRange: 3 } as const;

/**
 * The end of the range that holds every key starting with `prefix`: the prefix with its last byte that is not
 * 0xff increased. Of nothing but 0xff, or of nothing, etcd's sign for "no end", a zero byte.
 */
export function prefixEnd(prefix: Uint8Array): Uint8Array {
  const last = prefix.findLastIndex(byte => byte !== 0xff);
  if (last === -1) return Uint8Array.of(0);
  const end = prefix.slice(0, last + 1);
  end[last] = (end[last] ?? 0) + 1;
  return end;
}

export function encodeRangeRequest(request: RangeRequest): Uint8Array {
  return new MessageWriter()
    .bytes(1, request.key)
    .bytes(2, request.rangeEnd)
    .integer(3, request.limit)
    .integer(4, request.revision)
    .bool(7, request.serializable)
    .bool(8, request.keysOnly)
    .bool(9, request.countOnly)
    .integer(10, request.minModRevision)
    .toBytes();
}

export function decodeRangeResponse(bytes: Uint8Array): RangeResponse {
  const fields = new MessageFields(bytes);
  return {
    header: decodeHeader(fields.message(1)),
    kvs: fields.messages(2).map(decodeKeyValue),
    more: fields.bool(3),
    count: fields.int64(4),
  };
}

export function encodePutRequest(request: PutRequest): Uint8Array {
  return new MessageWriter()
    .bytes(1, request.key)
    .bytes(2, request.value)
    .integer(3, request.lease)
    .toBytes();
}

export function decodePutResponse(bytes: Uint8Array): PutResponse {
  return { header: decodeHeader(new MessageFields(bytes).message(1)) };
}

export function encodeDeleteRangeRequest(request: DeleteRangeRequest): Uint8Array {
  return new MessageWriter().bytes(1, request.key).bytes(2, request.rangeEnd).toBytes();
}

export function decodeDeleteRangeResponse(bytes: Uint8Array): DeleteRangeResponse {
  const fields = new MessageFields(bytes);
  return { header: decodeHeader(fields.message(1)), deleted: fields.int64(2) };
}

export function encodeTxnRequest(request: TxnRequest): Uint8Array {
  return new MessageWriter()
    .repeated(1, request.compare.map(encodeCompare))
    .repeated(2, request.success.map(encodeRequestOp))
    .repeated(3, (request.failure ?? []).map(encodeRequestOp))
    .toBytes();
}

export function decodeTxnResponse(bytes: Uint8Array): TxnResponse {
  const fields = new MessageFields(bytes);
  return {
    header: decodeHeader(fields.message(1)),
    succeeded: fields.bool(2),
    responses: fields.messages(3).flatMap(decodeResponseOp),
  };
}

export function decodeHeader(bytes: Uint8Array = new Uint8Array()): ResponseHeader {
  const fields = new MessageFields(bytes);
  return { clusterId: fields.uint64(1), memberId: fields.uint64(2), revision: fields.int64(3) };
}

export function decodeKeyValue(bytes: Uint8Array): KeyValue {
  const fields = new MessageFields(bytes);
  return {
    key: fields.bytes(1),
    createRevision: fields.int64(2),
    modRevision: fields.int64(3),
    version: fields.int64(4),
    value: fields.bytes(5),
    lease: fields.int64(6),
  };
}

function encodeCompare(compare: Compare): Uint8Array {
  const { target, field } = compareTarget[compare.target];
  return new MessageWriter()
    .integer(1, compareResult[compare.result])
    .integer(2, target)
    .bytes(3, compare.key)
    .integer(field, compare.value)
    .toBytes();
}

function encodeRequestOp(op: RequestOp): Uint8Array {
  return new MessageWriter().bytes(operation[op.type], encodeOperation(op)).toBytes();
}

function encodeOperation(op: RequestOp): Uint8Array {
  switch (op.type) {
    case 'range':
      return encodeRangeRequest(op.request);
    case 'put':
      return encodePutRequest(op.request);
    case 'deleteRange':
      return encodeDeleteRangeRequest(op.request);
  }
}

function decodeResponseOp(bytes: Uint8Array): ResponseOp[] {
  const fields = new MessageFields(bytes);
  const range = fields.message(operation.range);
  if (range !== undefined) return [{ type: 'range', response: decodeRangeResponse(range) }];
  const put = fields.message(operation.put);
  if (put !== undefined) return [{ type: 'put', response: decodePutResponse(put) }];
  const deleted = fields.message(operation.deleteRange);
  return deleted === undefined ? [] : [{ type: 'deleteRange', response: decodeDeleteRangeResponse(deleted) }];
}
