import * as kv from './kv-messages.ts';
import * as lease from './lease-messages.ts';

/** One method of etcd's gRPC services with a single question and answer. */
export interface Rpc<Request, Response> {
  readonly path: string;
  /** True when asking twice does no harm, so that another endpoint may be asked when the first stays silent. */
  readonly repeatable: boolean;
  encode(request: Request): Uint8Array;
  decode(bytes: Uint8Array): Response;
}

export const rangeRpc: Rpc<kv.RangeRequest, kv.RangeResponse> = {
  path: '/etcdserverpb.KV/Range',
  repeatable: true,
  encode: kv.encodeRangeRequest,
  decode: kv.decodeRangeResponse,
};

export const putRpc: Rpc<kv.PutRequest, kv.PutResponse> = {
  path: '/etcdserverpb.KV/Put',
  repeatable: false,
  encode: kv.encodePutRequest,
  decode: kv.decodePutResponse,
};

export const deleteRangeRpc: Rpc<kv.DeleteRangeRequest, kv.DeleteRangeResponse> = {
  path: '/etcdserverpb.KV/DeleteRange',
  repeatable: false,
  encode: kv.encodeDeleteRangeRequest,
  decode: kv.decodeDeleteRangeResponse,
};

export const txnRpc: Rpc<kv.TxnRequest, kv.TxnResponse> = {
  path: '/etcdserverpb.KV/Txn',
  repeatable: false,
  encode: kv.encodeTxnRequest,
  decode: kv.decodeTxnResponse,
};

/** Repeatable: a lease that nobody uses expires by itself. */
export const leaseGrantRpc: Rpc<lease.LeaseGrantRequest, lease.LeaseGrantResponse> = {
  path: '/etcdserverpb.Lease/LeaseGrant',
  repeatable: true,
  encode: lease.encodeLeaseGrantRequest,
  decode: lease.decodeLeaseGrantResponse,
};

export const leaseRevokeRpc: Rpc<lease.LeaseRevokeRequest, lease.LeaseRevokeResponse> = {
  path: '/etcdserverpb.Lease/LeaseRevoke',
  repeatable: false,
  encode: lease.encodeLeaseRevokeRequest,
  decode: lease.decodeLeaseRevokeResponse,
};

export const leaseTimeToLiveRpc: Rpc<lease.LeaseTimeToLiveRequest, lease.LeaseTimeToLiveResponse> = {
  path: '/etcdserverpb.Lease/LeaseTimeToLive',
  repeatable: true,
  encode: lease.encodeLeaseTimeToLiveRequest,
  decode: lease.decodeLeaseTimeToLiveResponse,
};

export const authenticateRpc: Rpc<lease.AuthenticateRequest, lease.AuthenticateResponse> = {
  path: '/etcdserverpb.Auth/Authenticate',
  repeatable: true,
  encode: lease.encodeAuthenticateRequest,
  decode: lease.decodeAuthenticateResponse,
};

/** A stream of requests and one of responses; see watch.ts. */
export const watchPath = '/etcdserverpb.Watch/Watch';
