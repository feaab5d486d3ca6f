/**
 * What the hosts of a cluster have in common: a switch, and an etcd at it in a namespace of its own. Made once for a
 * test file; each test plugs in hosts of its own and uses a network of its own in etcd (see weft-cluster.ts).
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Scope } from '../../src/base/scope.ts';
import type { Daemon } from './daemon.ts';
import { createNetns, joinBySwitch, type Netns } from './netns.ts';

export interface Underlay {
  /** The bridge's namespace; etcd is at `port1`, hosts at `port2`, ... */
  readonly bridge: Netns;
  readonly etcd: Etcd;
  /** Gives a namespace an `eth0` at the switch, and an address that no other has had: `192.0.2.11`. */
  plugIn(netns: Netns): Promise<Plugged>;
}

export interface Plugged {
  readonly address: string;
  /** The far end of its `eth0`, in the bridge's namespace. */
  readonly port: string;
}

export interface Etcd {
  readonly netns: Netns;
  /** For daemons: `http://192.0.2.10:2379`. */
  readonly url: string;
  /** Starts it again when it was stopped; `url` otherwise than usual to keep the hosts away from it. */
  start(listenUrl?: string): Promise<void>;
  stop(): Promise<void>;
  /** `etcdctl`, which reaches etcd even when no host does. @throws CommandError */
  ctl(...args: readonly string[]): Promise<string>;
  ctlWithInput(input: string, ...args: readonly string[]): Promise<string>;
}

const etcdAddress = '192.0.2.10';
const firstHost = 11;

export async function createUnderlay(scope: Scope): Promise<Underlay> {
  const netns = await createNetns(scope, 'etcd');
  const bridge = await joinBySwitch(scope, [{ netns, address: `${etcdAddress}/24` }]);
  const etcd = await startEtcd(scope, netns);
  let hosts = 0;
  const plugIn = async (host: Netns): Promise<Plugged> => {
    const [address, port] = [`192.0.2.${firstHost + hosts}`, `port${2 + hosts}`];
    hosts++;
    await bridge.ipBatch([
      `link add ${port} type veth peer name eth0 netns ${host.name}`,
      `link set ${port} master br0 up`,
    ]);
    await host.ipBatch([`address add ${address}/24 dev eth0`, 'link set eth0 up']);
    return { address, port };
  };
  return { bridge, etcd, plugIn };
}

async function startEtcd(scope: Scope, netns: Netns): Promise<Etcd> {
  const folder = await mkdtemp(path.join(tmpdir(), 'etcd-'));
  scope.defer(folder, () => rm(folder, { recursive: true }));
  const url = `http://${etcdAddress}:2379`;
  const local = 'http://127.0.0.1:2379';
  let daemon: Daemon | undefined;
  const ctlWithInput: Etcd['ctlWithInput'] = (input, ...args) =>
    netns.run(['etcdctl', '--endpoints', local, ...args], { env: { ETCDCTL_API: '3' }, input });
  const ctl: Etcd['ctl'] = (...args) => ctlWithInput('', ...args);
  const stop = async (): Promise<void> => void (await daemon?.kill());
  const start = async (listenUrl = url): Promise<void> => {
    daemon = await netns.start([
      ...['etcd', '--data-dir', folder, '--log-level', 'warn'],
      ...['--listen-client-urls', [...new Set([local, listenUrl])].join(',')],
      ...['--advertise-client-urls', url, '--listen-peer-urls', 'http://127.0.0.1:2380'],
    ]);
    await daemon.waitFor('healthy etcd', () => ctl('endpoint', 'health'));
  };
  // Killed here rather than with its namespace, so that it no longer writes when its folder goes.
  scope.defer('etcd', stop);
  await start();
  return { netns, url, start, stop, ctl, ctlWithInput };
}
