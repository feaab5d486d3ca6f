/** Why nothing leads to a peer, sorted by which check tells it. */

import { speaks } from '../host/membership.ts';
import type { Lease } from '../lease/lease.ts';
import type { MemberView, RefusedPeer } from '../view/member-view.ts';

/**
 * `stray`: its lease may not be followed. `foreign`: it publishes what the backend here does not speak. `twin`: it has what
 * is another host's. `other`: none of these.
 */
export type RefusalKind = 'stray' | 'foreign' | 'twin' | 'other';

export function refusedPeers(
  { peers, membership }: Pick<MemberView, 'peers' | 'membership'>,
  kind: RefusalKind,
): RefusedPeer[] {
  const followed = new Set<Lease>(peers.leases);
  return peers.refused.filter(peer => kindOf(peer) === kind);

  function kindOf({ lease, reason }: RefusedPeer): RefusalKind {
    if (/our own address|our own VTEP's MAC|VTEP MAC of/.test(reason)) return 'twin';
    if (!followed.has(lease)) return 'stray';
    return speaks(membership, lease) && !/^has (unusable|the backend|VNI|backend data)/.test(reason)
      ? 'other'
      : 'foreign';
  }
}
