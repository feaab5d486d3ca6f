/** What checks look at. Each thing is read once, when the first check asks for it, and nothing is changed. */
import type { Family, IpAddress } from '../base/ip.ts';
import { ask } from '../control/ask.ts';
import { controlPath } from '../control/control-path.ts';
import { type LiveStatus, parseLiveStatus, statusQuestion } from '../control/live-status.ts';
import type { Registry } from '../registry/registry.ts';
import { readFirewall } from '../trace/read-firewall.ts';
import { readView } from '../trace/read-view.ts';
import type { FirewallView, KernelView } from '../trace/view.ts';
import { type HostPlan, type PlanOptions, type PlanTools, planFor } from '../view/host-plan.ts';
import type { MemberView } from '../view/member-view.ts';
import { type NetworkView, readNetworkView } from '../view/network-view.ts';
import { type PeerProbes, probePeers } from './peer-probes.ts';

export interface Scene {
  /** As the daemon would be given them. */
  readonly options: DoctorOptions;
  /** Which of several networks it is; undefined: it is the only one. */
  readonly network: string | undefined;
  /** Path of the namespace of the devices; undefined: the process's own. */
  readonly netns: string | undefined;
  readonly tools: PlanTools;
  readonly registry: Registry;
  readonly signal: AbortSignal;
  /** Names of the locks that daemons hold in the namespace of the devices: `flannel.1`. */
  readonly locks: readonly string[];
  /** Whether a check of peers shall look at that of this underlay address, subnet, or address in it. */
  concerns(peer: PeerNames): boolean;
  /** Registry, interface and desired state beside the actual. @throws see {@link readNetworkView} */
  view(): Promise<NetworkView>;
  /** @throws why this host is no member */
  member(): Promise<MemberView>;
  /** Firewall rules as they shall be beside those that are. @throws see {@link planFor} */
  plan(): Promise<HostPlan>;
  /** All links, addresses, rules, routes, neighbours, FDB entries and settings of the namespace of the devices. */
  kernel(): Promise<KernelView>;
  firewall(family: Family): Promise<FirewallView>;
  /** That of the namespace of the underlay, at which tunnel packets come in; the same, unless the devices are elsewhere. */
  underlayFirewall(family: Family): Promise<FirewallView>;
  /** What the daemon says of itself. @throws WeftError `door-closed` while none runs, `door-silent` when it hangs */
  live(): Promise<LiveStatus>;
  /** What peers answer over the overlay and the underlay; of many a sample. @throws see {@link probePeers} */
  probes(): Promise<PeerProbes>;
}

export interface DoctorOptions extends PlanOptions {
  /** Port of the peers' doors, at which their daemons answer; 0: they have none. */
  readonly peerPort: number;
}

export interface PeerNames {
  readonly address: IpAddress | undefined;
  readonly subnets: readonly string[];
}

export interface SceneParts
  extends Pick<Scene, 'options' | 'network' | 'netns' | 'tools' | 'locks' | 'concerns'> {}

/** Chosen: a daemon that lives answers in a few milliseconds. */
const daemonPatienceMs = 1000;

export function createScene(parts: SceneParts): Scene {
  const { options, netns, tools } = parts;
  const { registry, socket, signal } = tools;
  const view = once(() => readNetworkView(options, tools));
  const plan = once(async () => await planFor(await view(), options, tools));
  const firewalls = {
    4: once(() => readFirewall(netns, 4, signal)),
    6: once(() => readFirewall(netns, 6, signal)),
  };
  const underlayFirewalls = {
    4: once(() => readFirewall(undefined, 4, signal)),
    6: once(() => readFirewall(undefined, 6, signal)),
  };
  const scene: Scene = {
    ...parts,
    registry,
    signal,
    plan,
    view,
    member: async () => {
      const { member, notMember } = await view();
      if (member === undefined) throw notMember;
      return member;
    },
    kernel: once(async () => await readView(socket, await firewalls[4]())),
    firewall: family => firewalls[family](),
    underlayFirewall: family => (netns === undefined ? firewalls : underlayFirewalls)[family](),
    live: once(async () => {
      const at = { path: controlPath(options.subnetFile) };
      const said = await ask({ at, question: statusQuestion, patienceMs: daemonPatienceMs, signal });
      return parseLiveStatus(said);
    }),
    probes: once(async () => await probePeers(scene)),
  };
  return scene;
}

function once<T>(read: () => Promise<T>): () => Promise<T> {
  let reading: Promise<T> | undefined;
  return () => {
    reading ??= read();
    return reading;
  };
}
