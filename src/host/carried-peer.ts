import type { Backend } from '../backend/backend.ts';
import type { Prefix } from '../base/prefix.ts';
import type { Lease } from '../lease/lease.ts';

/** A peer, and which of its prefixes lead to it. */
export interface CarriedPeer {
  readonly lease: Lease;
  readonly routed: readonly Prefix[];
  /** By whose rules it is reached. */
  readonly backend: Backend;
}
