/** A network's traffic rules, in one namespace or in two: what comes to the tunnel's port comes on the underlay. */

import type { Membership } from '../host/membership.ts';
import { wishInside, wishOnUnderlay } from '../host/traffic-wish.ts';
import type { Lease, Subnet } from '../lease/lease.ts';
import type { DaemonOptions } from './options.ts';
import { TrafficRules, type TrafficTools } from './traffic.ts';

/** See {@link TrafficRules}, whose meaning each has. */
export type NetworkTraffic = Pick<
  TrafficRules,
  'begin' | 'guarded' | 'firewalls' | 'put' | 'remove' | 'adopt' | 'reportSettings' | 'close'
>;

/** @param netns path of the namespace of the devices; undefined: all is in one */
export function openTraffic(
  options: DaemonOptions,
  tools: TrafficTools,
  membership: Membership,
  netns: string | undefined,
): NetworkTraffic {
  if (netns === undefined) return TrafficRules.open(options, tools, membership);
  const inside = TrafficRules.open(options, tools, membership, { netns, of: wishInside });
  const onUnderlay = TrafficRules.open(options, tools, membership, { netns: undefined, of: wishOnUnderlay });
  const both = async (act: (rules: TrafficRules) => Promise<void>): Promise<void> => {
    await Promise.all([act(inside), act(onUnderlay)]);
  };
  return {
    begin: (peers: readonly Lease[], after?: Promise<void>) => both(rules => rules.begin(peers, after)),
    get guarded() {
      return inside.guarded || onUnderlay.guarded;
    },
    get firewalls() {
      return [...inside.firewalls, ...onUnderlay.firewalls];
    },
    put: (peer: Lease) => both(rules => rules.put(peer)),
    remove: (subnet: Subnet) => both(rules => rules.remove(subnet)),
    adopt: (next: Membership) => both(rules => rules.adopt(next)),
    reportSettings: () => inside.reportSettings(),
    close: () => both(rules => rules.close()),
  };
}
