/**
 * Another etcd for the hosts of an underlay, one that can go wrong: of one member or three, each reached by the hosts
 * through a fault proxy, by tests directly.
 *
 *     const etcd = await startFaultyEtcd(scope, await createUnderlay(scope), { members: 3 });
 *     const cluster = await createCluster(scope, etcd.underlay);
 *     await etcd.fault({ type: 'freeze' });
 */
import { mkdtemp, rm } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import type { Scope } from '../../src/base/scope.ts';
import type { Daemon } from './daemon.ts';
import { eventually } from './eventually.ts';
import type { Fault, ProxyAnswer, ProxyOrder } from './fault-proxy.ts';
import type { Underlay } from './weft-underlay.ts';

export interface FaultyEtcdOptions {
  /** One unless given. */
  readonly members?: number;
  /** More flags for each. */
  readonly flags?: readonly string[];
}

export interface FaultyEtcd {
  /** The underlay with this etcd in place of its own. */
  readonly underlay: Underlay;
  /** What happens between the hosts and one member, or all. */
  fault(fault: Fault, member?: number): Promise<void>;
  /** How many connections the hosts have made, to all members. */
  connections(): Promise<number>;
  /** Sends a signal to one member, or to all. */
  signal(signal: NodeJS.Signals, member?: number): void;
  /** `kill -9`; to one member, or to all. */
  kill(member?: number): Promise<void>;
  /** Starts those that do not run, on their data, and waits until they serve. */
  start(): Promise<void>;
  /** `etcdctl`, past the proxies; asks one member, or any. @throws CommandError */
  ctl(args: readonly string[], member?: number): Promise<string>;
  /** Switches authentication on; what `ctl` does from then on root does. */
  enableAuth(user: { readonly name: string; readonly password: string }): Promise<void>;
  /** A backup (of a single member), to be given to `restore`. */
  backup(): Promise<string>;
  /** Kills the single member, and starts it on the backup. */
  restore(backup: string): Promise<void>;
}

export async function startFaultyEtcd(
  scope: Scope,
  underlay: Underlay,
  options: FaultyEtcdOptions = {},
): Promise<FaultyEtcd> {
  await underlay.etcd.stop();
  const folder = await mkdtemp(path.join(tmpdir(), 'fault-etcd-'));
  scope.defer(folder, () => rm(folder, { recursive: true }));
  const { hostname } = new URL(underlay.etcd.url);
  const members = Array.from({ length: options.members ?? 1 }, (_, index) => new Member(index, hostname));
  const control = await startProxies(underlay, folder, members);
  const of = (index?: number) => members.filter(member => index === undefined || member.index === index);
  let credentials: readonly string[] = [];
  let backups = 0;
  let restored = 0;
  let data = (member: Member): string => path.join(folder, `data-${member.index}`);

  const ctlWithInput = (input: string, args: readonly string[], index?: number): Promise<string> => {
    const endpoints = of(index).map(member => member.url);
    const argv = ['etcdctl', '--endpoints', endpoints.join(','), ...credentials, ...args];
    return underlay.etcd.netns.run(argv, { env: { ETCDCTL_API: '3' }, input });
  };
  const ctl = (args: readonly string[], index?: number) => ctlWithInput('', args, index);
  const kill = async (index?: number): Promise<void> =>
    void (await Promise.all(of(index).map(member => member.daemon?.kill())));
  const start = async (): Promise<void> => {
    const away = members.filter(({ daemon }) => daemon === undefined || daemon.exit !== undefined);
    for (const member of away) {
      const argv = [...member.command(data(member), members), ...(options.flags ?? [])];
      member.daemon = await underlay.etcd.netns.start(argv);
    }
    const serves = (member: Member) =>
      member.daemon?.waitFor('service', () => ctl(['get', 'x'], member.index).then(() => true));
    await Promise.all(away.map(serves));
  };
  scope.defer('members of etcd', () => kill());
  await start();

  return {
    underlay: {
      ...underlay,
      etcd: {
        netns: underlay.etcd.netns,
        url: members.map(member => member.proxyUrl).join(','),
        start,
        stop: kill,
        ctl: (...args) => ctl(args),
        ctlWithInput: (input, ...args) => ctlWithInput(input, args),
      },
    },
    fault: async (fault, index) => {
      for (const member of of(index)) await control({ proxy: member.index, fault });
    },
    connections: async () => {
      const answers = await Promise.all(members.map(member => control({ proxy: member.index })));
      return answers.reduce((sum, { accepted }) => sum + accepted, 0);
    },
    signal: (signal, index) => {
      for (const { daemon } of of(index)) daemon?.signal(signal);
    },
    kill,
    start,
    ctl,
    enableAuth: async ({ name, password }) => {
      await ctl(['user', 'add', 'root:root-secret']);
      await ctl(['user', 'grant-role', 'root', 'root']);
      await ctl(['role', 'add', name]);
      await ctl(['role', 'grant-permission', name, 'readwrite', '--prefix', '/']);
      await ctl(['user', 'add', `${name}:${password}`]);
      await ctl(['user', 'grant-role', name, name]);
      await ctl(['auth', 'enable']);
      credentials = ['--user', 'root:root-secret'];
    },
    backup: async () => {
      const file = path.join(folder, `backup-${++backups}`);
      await ctl(['snapshot', 'save', file]);
      return file;
    },
    restore: async backup => {
      await kill();
      const suffix = `restored-${++restored}`;
      data = member => path.join(folder, `data-${member.index}-${suffix}`);
      for (const member of members) {
        const cluster = member.clusterFlags(members);
        await ctl(['snapshot', 'restore', backup, '--data-dir', data(member), ...cluster]);
      }
      await start();
    },
  };
}

class Member {
  readonly index: number;
  /** Inside etcd's namespace, for tests. */
  readonly url: string;
  /** For hosts. */
  readonly proxyUrl: string;
  daemon: Daemon | undefined;

  constructor(index: number, proxyHost: string) {
    this.index = index;
    this.url = `http://${this.address}:2379`;
    this.proxyUrl = `http://${proxyHost}:${2401 + index}`;
  }

  get address(): string {
    return `127.0.1.${1 + this.index}`;
  }

  get #peerUrl(): string {
    return `http://${this.address}:2380`;
  }

  clusterFlags(members: readonly Member[]): string[] {
    const cluster = members.map(member => `member-${member.index}=${member.#peerUrl}`).join(',');
    const name = `member-${this.index}`;
    return ['--name', name, '--initial-cluster', cluster, '--initial-advertise-peer-urls', this.#peerUrl];
  }

  command(data: string, members: readonly Member[]): string[] {
    return [
      ...['etcd', '--data-dir', data, '--log-level', 'warn', ...this.clusterFlags(members)],
      ...['--listen-client-urls', this.url, '--advertise-client-urls', this.proxyUrl],
      ...['--listen-peer-urls', this.#peerUrl],
    ];
  }
}

/** One program with a listener for each member, in etcd's namespace. */
async function startProxies(
  underlay: Underlay,
  folder: string,
  members: readonly Member[],
): Promise<(order: ProxyOrder) => Promise<ProxyAnswer>> {
  const socket = path.join(folder, 'control');
  const pairs = members.map(({ proxyUrl, url }) => `${new URL(proxyUrl).host}=${new URL(url).host}`);
  const program = path.join(import.meta.dirname, 'fault-proxy.ts');
  const daemon = await underlay.etcd.netns.start([process.execPath, program, socket, ...pairs]);
  const control = (order: ProxyOrder): Promise<ProxyAnswer> => ask(socket, order);
  await daemon.waitFor('control socket', () => control({ proxy: 0 }));
  return control;
}

async function ask(path: string, order: ProxyOrder): Promise<ProxyAnswer> {
  const socket = net.connect({ path });
  try {
    socket.write(`${JSON.stringify(order)}\n`);
    for await (const line of createInterface({ input: socket })) return JSON.parse(line) as ProxyAnswer;
    throw new Error('the fault proxy gave no answer');
  } finally {
    socket.destroy();
  }
}

/** Waits for what must hold again within 15 seconds after a recovery. */
export function recovered<T>(what: string, check: () => T | Promise<T>): Promise<unknown> {
  return eventually(what, check, { timeoutMs: 15_000 });
}
