import type { Carrier } from '../backend/backend.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Former } from '../host/membership.ts';
import type { CarrierService } from './carrier.ts';
import { ExtensionCarrier } from './extension-carrier.ts';
import { TunnelCarrier } from './tunnel-carrier.ts';

export interface CarrierTools {
  readonly log: Log;
  readonly clock: Clock;
  readonly random: () => number;
  /** Path of the network namespace of our devices; undefined: the daemon's own. */
  readonly netns: string | undefined;
}

/** Starts what a backend needs in user space. */
export function openCarrier(
  carrier: Carrier,
  { backend, host }: Former,
  tools: CarrierTools,
): CarrierService {
  switch (carrier.type) {
    case 'tunnel':
      return new TunnelCarrier({ ...tools, carrier, backend, host });
    case 'commands':
      return new ExtensionCarrier({ ...tools, commands: carrier.commands });
  }
}
