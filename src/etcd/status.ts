import { WeftError } from '../base/errors.ts';

/** How a gRPC call ended: github.com/grpc/grpc/blob/master/doc/statuscodes.md. */
export interface GrpcStatus {
  readonly code: number;
  readonly message: string;
}

/** The gRPC status codes that mean something here. */
export const grpcCode = { ok: 0, deadlineExceeded: 4, resourceExhausted: 8, unavailable: 14 } as const;

interface Refusal {
  readonly code: string;
  readonly pattern: RegExp;
  readonly remedy?: string;
}

/** etcd's own words (api/v3rpc/rpctypes/error.go) for what a caller wants to tell apart. */
const refusals: readonly Refusal[] = [
  { code: 'etcd-compacted', pattern: /required revision has been compacted/ },
  { code: 'etcd-future', pattern: /required revision is a future revision/ },
  {
    code: 'etcd-nospace',
    pattern: /database space exceeded/,
    remedy: 'compact and defragment etcd and disarm the alarm (etcdctl alarm disarm), or raise its quota',
  },
  {
    code: 'etcd-auth',
    pattern: /user name is empty|user name not found/,
    remedy: 'etcd wants a user: give -etcd-username and -etcd-password',
  },
  {
    code: 'etcd-auth',
    pattern: /authentication failed/,
    remedy: 'correct -etcd-username and -etcd-password',
  },
  { code: 'etcd-auth', pattern: /invalid auth token|auth store is old/ },
  { code: 'etcd-auth-disabled', pattern: /authentication is not enabled/ },
  {
    code: 'etcd-permission',
    pattern: /permission denied/,
    remedy: 'grant the user a role that may read and write there (etcdctl role grant-permission)',
  },
  { code: 'etcd-lease-missing', pattern: /requested lease not found/ },
  // What Go says when our grpc-timeout is over, or the server is stopping, under whatever gRPC status.
  { code: 'etcd-timeout', pattern: /context deadline exceeded/ },
  { code: 'etcd-unavailable', pattern: /context canceled/ },
];

/** Transport errors and answers after which another member, or the same one later, may do better. */
const endpointFaults = new Set([
  'etcd-unreachable',
  'etcd-timeout',
  'etcd-unavailable',
  'etcd-tls',
  'etcd-protocol',
]);

/**
 * What a status other than OK means.
 * @param call what was asked of whom, such as `etcd http://127.0.0.1:2379 KV/Range`
 */
export function statusError(call: string, status: GrpcStatus): WeftError {
  const refusal = refusals.find(({ pattern }) => pattern.test(status.message));
  const code = refusal?.code ?? codeOf(status);
  return new WeftError(code, `${call}: etcd answered "${status.message}" (gRPC status ${status.code})`, {
    remedy: refusal?.remedy,
  });
}

export function isEndpointFault(error: unknown): error is WeftError {
  return error instanceof WeftError && endpointFaults.has(error.code);
}

function codeOf(status: GrpcStatus): string {
  switch (status.code) {
    case grpcCode.deadlineExceeded:
      return 'etcd-timeout';
    case grpcCode.resourceExhausted: // "too many requests"
    case grpcCode.unavailable: // No leader, leader changed, stopped: all pass.
      return 'etcd-unavailable';
    default:
      return 'etcd-refused';
  }
}
