import type { NextHopsWish } from '../backend/next-hop-routes.ts';
import type { Prefix } from '../base/prefix.ts';
import type { InterfaceChoice } from '../host/interface-choice.ts';

/** What the operator asked of the daemon, checked. */
export interface DaemonOptions extends InterfaceChoice {
  /** Name of the network among several of this host; undefined: it is the only one. */
  readonly network?: string | undefined;
  /** What it is called in the firewall when another daemon is beside it; rules of that name are left over. */
  readonly formerNetwork?: string | undefined;
  /** The registry's endpoints, such as `http://10.0.0.1:2379`, whose addresses no peer's route may take over. */
  readonly registryEndpoints: readonly string[];
  /** Path of subnet.env. */
  readonly subnetFile: string;
  /** Whether routes to peers are by next-hop objects. */
  readonly routeNextHops: NextHopsWish;
  /** The lease is renewed this long before it expires, 1 to 1439. */
  readonly renewMarginMinutes: number;
  readonly ipMasq: boolean;
  /** Masquerade with fully random source ports. */
  readonly ipMasqFullyRandom: boolean;
  /** Destinations outside the network to which containers keep their own address. */
  readonly ipMasqExclude: readonly Prefix[];
  readonly iptablesForwardRules: boolean;
  /** How often rules are looked at where the kernel does not tell of changes. */
  readonly iptablesResyncSeconds: number;
  /** Accept tunnel packets only from peers; undefined: as the engine makes it cheap. */
  readonly vtepFilter: boolean | undefined;
  /** Where /healthz and /readyz are served; undefined: nowhere. */
  readonly healthz: { readonly ip: string; readonly port: number } | undefined;
  /** Where /metrics is served, and the version that is told there; undefined: nowhere. */
  readonly metrics: MetricsAddress | undefined;
  /** How often each peer is asked whether it is there, 1 to 3600; undefined: never. */
  readonly peerProbeSeconds: number | undefined;
  /** TCP port on the underlay for the questions of other hosts; 0: none. */
  readonly peerPort: number;
  /** $NOTIFY_SOCKET of sd_notify(3). */
  readonly notifySocket: string | undefined;
}

export interface MetricsAddress {
  /** Name or address. */
  readonly host: string;
  readonly port: number;
  readonly version: string;
}

/** What the operator asked of a daemon of several networks, `-networks`. */
export interface SeveralNetworks {
  readonly networks: readonly NamedNetwork[];
  /** Folder of the subnet files, `<name>.env`. */
  readonly subnetDir: string;
  /** Pairs of networks that may send each other packets. */
  readonly allowed: ReadonlyArray<readonly [string, string]>;
}

export interface NamedNetwork {
  readonly name: string;
  /** Path of the network namespace of its devices; undefined: the daemon's own. */
  readonly netns: string | undefined;
}
