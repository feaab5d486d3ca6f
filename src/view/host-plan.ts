/** All that the daemon would change on this host, for one network: kernel objects and traffic rules. */
import { networksOf } from '../backend/family.ts';
import {
  engineOf,
  type TrafficOptions,
  trafficWishOf,
  wishInside,
  wishOnUnderlay,
} from '../host/traffic-wish.ts';
import type { NetworkConfig } from '../lease/network-config.ts';
import { flannelNames, namesOfNetwork, type RuleNames } from '../traffic/names.ts';
import type { TrafficWish } from '../traffic/plan.ts';
import { type FirewallPlan, planFirewall } from './firewall-plan.ts';
import type { MemberView } from './member-view.ts';
import { type NetworkView, readNetworkView, type ViewOptions, type ViewTools } from './network-view.ts';
import { remarksOn } from './remarks.ts';

export type PlanOptions = ViewOptions & TrafficOptions;

export interface PlanTools extends ViewTools {
  /** Path of the namespace of the devices; undefined: the process's own. */
  readonly netns: string | undefined;
  /** Configs of other networks of this namespace to and from which nothing shall be forwarded. */
  readonly apart?: readonly NetworkConfig[] | undefined;
}

export interface HostPlan {
  readonly view: NetworkView;
  readonly member: MemberView;
  /** In each namespace that the network has to do with. */
  readonly firewalls: readonly FirewallPlan[];
  /** What commands cannot say, as sentences. */
  readonly remarks: readonly string[];
}

/** @throws WeftError see {@link planFor} and {@link readNetworkView} */
export async function readHostPlan(options: PlanOptions, tools: PlanTools): Promise<HostPlan> {
  return await planFor(await readNetworkView(options, tools), options, tools);
}

/** The same for a network that has been read. @throws WeftError `lease-missing`, `public-ip-missing`, `public-ip-not-here` */
export async function planFor(
  view: NetworkView,
  options: PlanOptions,
  tools: Pick<PlanTools, 'netns' | 'apart' | 'signal'>,
): Promise<HostPlan> {
  const { member, notMember } = view;
  if (member === undefined) throw notMember;
  const apart = [...new Set((tools.apart ?? []).flatMap(networksOf))].sort();
  const wish = trafficWishOf(options, member.membership, apart);
  const firewalls = await Promise.all(
    firewallParts(wish, tools.netns).map(part => planPart(options, member, part, tools.signal)),
  );
  return { view, member, firewalls, remarks: remarksOn(options, view, member) };
}

interface FirewallPart {
  readonly netns: string | undefined;
  readonly wish: TrafficWish | undefined;
}

/** What comes to the tunnel's port comes on the underlay. */
function firewallParts(wish: TrafficWish | undefined, netns: string | undefined): FirewallPart[] {
  if (netns === undefined) return [{ netns, wish }];
  return [
    { netns, wish: wish && wishInside(wish) },
    { netns: undefined, wish: wish && wishOnUnderlay(wish) },
  ];
}

async function planPart(
  { network }: PlanOptions,
  { membership, peers }: MemberView,
  { netns, wish }: FirewallPart,
  signal: AbortSignal,
): Promise<FirewallPlan> {
  const question = {
    ...{ wish, netns, engine: engineOf(membership) },
    peers: peers.leases.map(({ attrs }) => attrs),
  };
  const ask = (names: RuleNames): Promise<FirewallPlan> => planFirewall({ ...question, names }, signal);
  if (network !== undefined) return await ask(namesOfNetwork(network));
  const plan = await ask(flannelNames);
  if (plan.differences.length === 0 || wish === undefined) return plan;
  // A daemon beside another has names of its own, and those of flannel are the other's.
  const { devices, type } = membership.backend;
  const beside = await ask(namesOfNetwork(devices[0] ?? type));
  return beside.differences.length === 0 && beside.unread === undefined ? beside : plan;
}
