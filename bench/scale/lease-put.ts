import type { PutRequest } from '../../src/etcd/kv-messages.ts';
import { leaseKey, leaseText } from '../../test/support/weft-cluster.ts';
import { fakePeer } from './fake-peers.ts';

const encoder = new TextEncoder();

/** The request that writes a fake peer's lease, for good. */
export function leasePut(prefix: string, number: number, generation: number): PutRequest {
  const peer = fakePeer(number, generation);
  return {
    key: encoder.encode(`${prefix}/${leaseKey(peer)}`),
    value: encoder.encode(leaseText(peer)),
  };
}
