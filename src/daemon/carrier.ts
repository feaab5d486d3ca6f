/** What works beside the kernel's objects, in user space: the udp tunnel, the operator's commands. */
import type { Host } from '../backend/backend.ts';
import type { CarriedPeer } from '../host/carried-peer.ts';
import type { TunnelCounters } from '../tunnel/tunnel.ts';

/** Whoever left goes first: a peer in both is reached otherwise than before. */
export interface CarrierChange {
  readonly joined: readonly CarriedPeer[];
  readonly left: readonly CarriedPeer[];
}

export interface CarrierService {
  change(change: CarrierChange): void;
  /** This host has changed in what the carrier depends on, such as its address on the underlay. */
  follow(host: Host): void;
  /** The backend's device has been made, perhaps anew. */
  deviceMade(name: string): void;
  /** Why it does not work; undefined when it does. */
  readonly problem: string | undefined;
  /** What it has carried since it was opened, if packets pass through it. */
  counters?(): TunnelCounters | undefined;
  close(): Promise<void>;
}
