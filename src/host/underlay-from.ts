/** The underlay as our devices see it. */
import type { ExternalInterface } from '../backend/backend.ts';
import { networksOf } from '../backend/family.ts';
import type { NetworkConfig } from '../lease/network-config.ts';
import type { ChosenInterface, UnderlayView } from './external-interface.ts';
import { guardedOf } from './guarded.ts';
import type { Guarded } from './peer-table.ts';

/**
 * From another namespace no host is on the link of the interface, and no route takes anything over there.
 * @param isBelow the underlay is in another namespace than our devices
 */
export function underlayFrom(
  isBelow: boolean,
  { external }: ChosenInterface,
  view: UnderlayView,
  config: NetworkConfig,
): { readonly external: ExternalInterface; readonly guarded: readonly Guarded[] } {
  if (isBelow) return { external: { ...external, routes: [] }, guarded: [] };
  return { external, guarded: guardedOf(view, external.name, networksOf(config)) };
}
