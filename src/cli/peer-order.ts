/** In which order peers are shown. */
import type { PeerStatus } from '../view/peer-status.ts';
import { isPeerLost, probeOf, type ToldStatus } from './told-status.ts';

/** `state`: those with which something is wrong first, silent ones before all others, then by subnet. */
export type PeerOrder = 'state' | 'subnet' | 'host' | 'latency';

export const peerOrders: readonly PeerOrder[] = ['state', 'subnet', 'host', 'latency'];

export function inPeerOrder(status: ToldStatus, order: PeerOrder): ToldStatus {
  const { peers } = status;
  // They come in the order of their states already, and sorting keeps what it finds equal in order.
  if (order === 'state' && status.probes.size === 0) return status;
  return { ...status, peers: [...peers].sort(comparing(status, order)) };
}

type Comparing = (one: PeerStatus, other: PeerStatus) => number;

function comparing(status: ToldStatus, order: PeerOrder): Comparing {
  switch (order) {
    case 'state':
      return byNumber(peer => (isPeerLost(status, peer) ? 0 : 1));
    case 'subnet':
      return (one, other) => numerically(one.families[0]?.subnet ?? '', other.families[0]?.subnet ?? '');
    case 'host':
      return (one, other) => numerically(one.families[0]?.address ?? '', other.families[0]?.address ?? '');
    case 'latency':
      return byNumber(peer => -latencyOf(status, peer));
  }
}

function byNumber(rank: (peer: PeerStatus) => number): Comparing {
  return (one, other) => rank(one) - rank(other);
}

/** The slowest family's; less than any where none is known, so that those come last. */
function latencyOf(status: ToldStatus, peer: PeerStatus): number {
  return Math.max(...peer.families.map(({ family }) => probeOf(status, peer, family)?.latencyMs ?? -1), -1);
}

let collator: Intl.Collator | undefined;

/** Made when it is needed: that takes longer than all the rest of a short list. */
function numerically(one: string, other: string): number {
  collator ??= new Intl.Collator('en', { numeric: true });
  return collator.compare(one, other);
}
