/** What the tunnel and its worker thread say to each other. */
import type { AttachedTun } from '../sys/tun.ts';
import type { Ability } from './abilities.ts';
import type { DataPathSetup } from './data-path.ts';
import type { TunnelChange } from './tunnel.ts';

/** What a worker starts with. */
export interface WorkerSetup extends DataPathSetup {
  readonly device: AttachedTun | undefined;
  /** Shared; set to 1 by the worker when it touches no descriptor any more. */
  readonly stopped: Int32Array;
}

export type ToWorker =
  | { readonly type: 'change'; readonly id: number; readonly change: TunnelChange }
  | { readonly type: 'attach'; readonly device: AttachedTun }
  | { readonly type: 'stop' };

export type FromWorker =
  /** That change is in force, and what was asked before it. */
  | { readonly type: 'changed'; readonly id: number }
  /** The device was deleted; the worker has let go of its descriptor. */
  | { readonly type: 'device-lost' }
  /** The last that is heard of this worker. */
  | { readonly type: 'broke'; readonly error: Error }
  | { readonly type: 'abilities'; readonly abilities: readonly Ability[] };
