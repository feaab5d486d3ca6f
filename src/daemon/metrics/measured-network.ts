import type { Membership } from '../../host/membership.ts';
import type { NetlinkSocket } from '../../sys/netlink-socket.ts';
import type { Carriers } from '../carriers.ts';
import type { LeaseStatus } from '../lease-status.ts';
import type { PeerFollower } from '../peer-follower.ts';
import type { PeerProber } from '../probing/peer-prober.ts';
import type { Reconciler } from '../reconciler.ts';
import type { RegistryStatus } from '../registry-status.ts';
import type { KeptFirewall } from '../traffic.ts';
import type { Instruments } from './instruments.ts';

/** A network in service, as far as metrics look at it: nothing here changes anything. */
export interface MeasuredNetwork {
  readonly membership: Membership;
  /** Ours, in the namespace of the socket. */
  readonly devices: readonly string[];
  readonly socket: NetlinkSocket;
  readonly renewMarginSeconds: number;
  readonly peers: PeerFollower['states'];
  readonly lease: Pick<LeaseStatus, 'problem' | 'remainingMs' | 'permanent' | 'renewals' | 'failures'>;
  readonly registry: Pick<RegistryStatus, 'connected' | 'staleSinceWallMs' | 'reconnects'>;
  readonly reconciler: Pick<Reconciler, 'desired' | 'failing' | 'heldBack' | 'pending' | 'repaired'>;
  readonly instruments: Instruments;
  readonly firewalls: readonly KeptFirewall[];
  readonly tunnels: Carriers['tunnels'];
  readonly probes: Pick<PeerProber, 'facts' | 'counts' | 'latency'>;
}
