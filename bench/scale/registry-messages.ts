/** What the bench of the registry and its processes of hosts say to each other; each task is answered by a report. */
export type HostsTask =
  | { readonly do: 'start' | 'report' | 'end' }
  /** Let so much time pass at once. */
  | { readonly do: 'shift'; readonly milliseconds: number };

/** Sums over the hosts of a process, since it began. */
export interface HostsReport {
  readonly leased: number;
  readonly renewed: number;
  /** Attempts to acquire or renew that had to be made again, since etcd was silent. */
  readonly failed: number;
  /** Changes that watches told. */
  readonly events: number;
  /** Lists that watches had to begin anew with. */
  readonly snapshots: number;
  /** Hosts whose watch is in order. */
  readonly connected: number;
  /** The fewest leases that a host knows of, its own among them; 0 until each has a list. */
  readonly least: number;
  /** When hosts heard of the probe, since the last report; milliseconds since 1970. */
  readonly heardMs: readonly number[];
  /** When leases were renewed, by the hosts' clock. */
  readonly renewalsMs: readonly number[];
}

/** A lease that no host chooses, by which is measured how soon all hear of a change. */
export const probeKey = 'subnets/10.255.255.0-24';
