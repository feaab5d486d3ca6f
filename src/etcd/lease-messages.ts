import { decodeHeader, type ResponseHeader } from './kv-messages.ts';
import { MessageFields, MessageWriter } from './protobuf.ts';

/** The messages of etcd's Lease and Auth services; field numbers: etcd api/etcdserverpb/rpc.proto, version 3. */
export interface LeaseGrantRequest {
  /** Seconds; the server may grant more (its minimum, about two seconds). */
  readonly ttlSeconds: number;
}

export interface LeaseGrantResponse {
  readonly header: ResponseHeader;
  readonly id: bigint;
  readonly ttlSeconds: number;
}

export interface LeaseRevokeRequest {
  readonly id: bigint;
}

export interface LeaseRevokeResponse {
  readonly header: ResponseHeader;
}

export interface LeaseTimeToLiveRequest {
  readonly id: bigint;
  /** Whether to list the keys that expire with it. */
  readonly keys?: boolean | undefined;
}

export interface LeaseTimeToLiveResponse {
  readonly header: ResponseHeader;
  /** Seconds left; undefined when there is no such lease (any more). */
  readonly remainingSeconds: number | undefined;
  readonly grantedSeconds: number;
  readonly keys: readonly Uint8Array[];
}

export interface AuthenticateRequest {
  readonly user: string;
  readonly password: string;
}

export interface AuthenticateResponse {
  readonly token: string;
}

export function encodeLeaseGrantRequest(request: LeaseGrantRequest): Uint8Array {
  return new MessageWriter().integer(1, request.ttlSeconds).toBytes();
}

export function decodeLeaseGrantResponse(bytes: Uint8Array): LeaseGrantResponse {
  const fields = new MessageFields(bytes);
  return {
    header: decodeHeader(fields.message(1)),
    id: fields.int64(2),
    ttlSeconds: Number(fields.int64(3)),
  };
}

export function encodeLeaseRevokeRequest(request: LeaseRevokeRequest): Uint8Array {
  return new MessageWriter().integer(1, request.id).toBytes();
}

export function decodeLeaseRevokeResponse(bytes: Uint8Array): LeaseRevokeResponse {
  return { header: decodeHeader(new MessageFields(bytes).message(1)) };
}

export function encodeLeaseTimeToLiveRequest(request: LeaseTimeToLiveRequest): Uint8Array {
  return new MessageWriter().integer(1, request.id).bool(2, request.keys).toBytes();
}

export function decodeLeaseTimeToLiveResponse(bytes: Uint8Array): LeaseTimeToLiveResponse {
  const fields = new MessageFields(bytes);
  const remaining = Number(fields.int64(3));
  return {
    header: decodeHeader(fields.message(1)),
    remainingSeconds: remaining < 0 ? undefined : remaining,
    grantedSeconds: Number(fields.int64(4)),
    keys: fields.messages(5),
  };
}

export function encodeAuthenticateRequest(request: AuthenticateRequest): Uint8Array {
  return new MessageWriter().text(1, request.user).text(2, request.password).toBytes();
}

export function decodeAuthenticateResponse(bytes: Uint8Array): AuthenticateResponse {
  return { token: new MessageFields(bytes).text(2) };
}
