import type { Backend } from '../backend/backend.ts';
import type { Prefix } from '../base/prefix.ts';
import type { Lease } from '../lease/lease.ts';
import type { KernelObject } from '../state/kernel-object.ts';

/** A peer, and what leads to it. */
export interface CarriedPeer {
  readonly lease: Lease;
  /** Which of its prefixes lead to it. */
  readonly routed: readonly Prefix[];
  /** By what in the kernel; nothing where a carrier leads to it. */
  readonly objects: readonly KernelObject[];
  /** By whose rules it is reached. */
  readonly backend: Backend;
}
