/**
 * Hosts that share one network, as a test of the daemon needs them:
 *
 *     const underlay = await createUnderlay(testScope({ after }));     // once per file
 *     const cluster = await createCluster(testScope(t), underlay);     // a network config of its own in etcd
 *     const [a, b] = await cluster.addHosts('a', 'b');
 *     const weft = await a.join();
 */
import type { Scope } from '../../src/base/scope.ts';
import type { Daemon } from './daemon.ts';
import { createWeftHost, eventuallyLeadsTo, type PeerFacts, type WeftHost } from './weft-host.ts';
import type { Underlay } from './weft-underlay.ts';

/** The network config of the README's walk-through. */
export const usualConfig =
  '{"Network":"10.2.0.0/16","SubnetLen":24,"SubnetMin":"10.2.1.0","SubnetMax":"10.2.20.0","Backend":{"Type":"vxlan"}}';

export interface Cluster {
  readonly underlay: Underlay;
  /** The network's key in etcd. */
  readonly prefix: string;
  addHosts<Names extends readonly string[]>(...names: Names): Promise<{ [I in keyof Names]: WeftHost }>;
  /** Writes a key below the prefix with etcdctl, for good unless an etcd lease is given: `put('config', '{...}')`. */
  put(key: string, value: string, leaseId?: string): Promise<void>;
  delete(key: string): Promise<void>;
  /** Writes the lease of a vxlan peer as flanneld does, for good; `more` replaces fields of its value. */
  putLease(facts: PeerFacts, more?: object): Promise<void>;
  /** The value; undefined when there is no such key. */
  get(key: string): Promise<string | undefined>;
  /** All leases in etcd, whoever wrote them, by subnet as in `10.2.14.0/24`. */
  leases(): Promise<ReadonlyMap<string, StoredLease>>;
}

export interface StoredLease {
  /** Below the prefix: `subnets/10.2.14.0-24`. */
  readonly key: string;
  readonly value: string;
  readonly publicIp: string;
  readonly mac: string;
  /** Of the etcd lease, in hexadecimal as etcdctl takes it; undefined when the key never expires. */
  readonly leaseId: string | undefined;
}

export interface ClusterOptions {
  /** {@link usualConfig} unless given; undefined for none. */
  readonly config?: string | undefined;
  /** One that no other test of the file has, unless given. */
  readonly prefix?: string;
}

let made = 0;

export async function createCluster(
  scope: Scope,
  underlay: Underlay,
  options: ClusterOptions = {},
): Promise<Cluster> {
  const { prefix = `/weft-test/${++made}/network` } = options;
  const { etcd } = underlay;
  const cluster: Cluster = {
    underlay,
    prefix,
    addHosts: async (...names) => {
      const hosts = [];
      for (const name of names) hosts.push(await createWeftHost(scope, underlay, prefix, name));
      return hosts as { [I in keyof typeof names]: WeftHost };
    },
    put: async (key, value, leaseId) => {
      const lease = leaseId === undefined ? [] : ['--lease', leaseId];
      await etcd.ctl('put', ...lease, '--', `${prefix}/${key}`, value);
    },
    putLease: (facts, more) => cluster.put(leaseKey(facts), leaseText(facts, more)),
    delete: async key => void (await etcd.ctl('del', `${prefix}/${key}`)),
    get: async key => {
      const text = await etcd.ctl('get', '--print-value-only', `${prefix}/${key}`);
      return text === '' ? undefined : text.replace(/\n$/, '');
    },
    leases: async () =>
      readLeases(prefix, await etcd.ctl('get', '--prefix', `${prefix}/subnets/`, '-w', 'json')),
  };
  const config = 'config' in options ? options.config : usualConfig;
  if (config !== undefined) await cluster.put('config', config);
  return cluster;
}

/** `subnets/10.2.14.0-24`. */
export function leaseKey({ subnet }: PeerFacts): string {
  return `subnets/${subnet.replace('/', '-')}`;
}

/** The value as flanneld writes it. */
export function leaseText({ publicIp, mac }: Omit<PeerFacts, 'subnet'>, more: object = {}): string {
  const BackendData = { VNI: 1, VtepMAC: mac };
  return JSON.stringify({ PublicIP: publicIp, PublicIPv6: null, BackendType: 'vxlan', BackendData, ...more });
}

interface EtcdAnswer {
  readonly kvs?: ReadonlyArray<{ readonly key: string; readonly value: string; readonly lease?: number }>;
}

/** Of etcdctl's JSON the lease's number is the one thing too large for JavaScript, so it is taken from the text. */
function readLeases(prefix: string, json: string): Map<string, StoredLease> {
  const exact = json.replace(/"lease":(\d+)/g, '"lease":"$1"');
  const { kvs = [] } = JSON.parse(exact) as EtcdAnswer;
  return new Map(
    kvs.map(({ key, value, lease }) => {
      const [name, text] = [decode(key).slice(prefix.length + 1), decode(value)];
      const attrs = JSON.parse(text) as { PublicIP: string; BackendData?: { VtepMAC: string } };
      const stored: StoredLease = {
        key: name,
        value: text,
        publicIp: attrs.PublicIP,
        mac: attrs.BackendData?.VtepMAC ?? '',
        leaseId: lease === undefined ? undefined : BigInt(lease).toString(16),
      };
      return [name.replace('subnets/', '').replace('-', '/'), stored];
    }),
  );
}

/** All start at once; resolves when each leads to all others. */
export async function joinAll(cluster: Cluster, hosts: readonly WeftHost[]): Promise<Daemon[]> {
  const daemons = await Promise.all(hosts.map(host => host.join()));
  await eventuallyMeshed(cluster, hosts);
  return daemons;
}

/** Waits until each host leads to all others, by the leases in etcd. */
export async function eventuallyMeshed(cluster: Cluster, hosts: readonly WeftHost[]): Promise<void> {
  const peers = await peersOf(cluster);
  for (const host of hosts) {
    await eventuallyLeadsTo(
      host,
      peers.filter(peer => peer.publicIp !== host.address),
    );
  }
}

/** All leases as facts about hosts. */
export async function peersOf(cluster: Cluster): Promise<PeerFacts[]> {
  return [...(await cluster.leases())].map(([subnet, { publicIp, mac }]) => ({ subnet, publicIp, mac }));
}

/** The lease of a host, which has one. */
export async function leaseOf(cluster: Cluster, host: WeftHost): Promise<StoredLease & PeerFacts> {
  for (const [subnet, lease] of await cluster.leases()) {
    if (lease.publicIp === host.address) return { ...lease, subnet };
  }
  throw new Error(`${host.name} (${host.address}) has no lease`);
}

function decode(base64: string): string {
  return Buffer.from(base64, 'base64').toString('utf8');
}
