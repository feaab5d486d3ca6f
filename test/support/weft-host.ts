/** A test host at the switch that runs `weft run`, and what its kernel says of the overlay. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import process from 'node:process';
import type { Scope } from '../../src/base/scope.ts';
import type { Daemon, DaemonOptions } from './daemon.ts';
import { eventually } from './eventually.ts';
import { createHost, type Host } from './host.ts';
import { createNetns, type Netns } from './netns.ts';
import type { Underlay } from './weft-underlay.ts';

export interface WeftHost extends Host {
  /** On the underlay, where its `eth0` is. */
  readonly address: string;
  /** Its port at the switch, in the bridge's namespace. */
  readonly port: string;
  /** The flags that `join` and `startWeft` put first: etcd, network and `-iface eth0`. */
  readonly flags: readonly string[];
  /** Starts the daemon and does not wait for anything. Later flags win over the usual ones. */
  startWeft(flags?: readonly string[], options?: WeftOptions): Promise<Daemon>;
  /** Starts the daemon and waits until it is ready. */
  join(flags?: readonly string[], options?: WeftOptions): Promise<Daemon>;
  /** What subnet.env says. */
  subnetEnv(): Promise<SubnetEnvText>;
  /** The lines that lead to peers, as iproute2 prints them, sorted. */
  overlay(): Promise<Overlay>;
  /** Asks the health listener, which `healthFlags` switch on: `200 flanneld is ready`. */
  health(path: '/healthz' | '/readyz' | (string & {})): Promise<string>;
  /** A namespace behind a bridge, as a container runtime would make it. */
  addContainer(): Promise<Container>;
}

export interface WeftOptions extends DaemonOptions {
  /** What to put before the program. */
  readonly wrap?: readonly string[];
}

export interface SubnetEnvText {
  readonly text: string;
  /** `10.2.14.0/24`. */
  readonly subnet: string;
}

/** All that is on `flannel.1`, one string per line of iproute2's, sorted. */
export interface Overlay {
  readonly routes: readonly string[];
  readonly neighbours: readonly string[];
  readonly fdb: readonly string[];
}

export interface Container {
  readonly netns: Netns;
  readonly address: string;
}

/** A peer as its lease describes it. */
export interface PeerFacts {
  /** `10.2.14.0/24`. */
  readonly subnet: string;
  readonly publicIp: string;
  readonly mac: string;
}

const subnetFile = '/run/flannel/subnet.env';
export const vtep = 'flannel.1';
export const healthFlags = ['-healthz-ip', '127.0.0.1', '-healthz-port', '8081'] as const;

export async function createWeftHost(
  scope: Scope,
  underlay: Underlay,
  prefix: string,
  name: string,
): Promise<WeftHost> {
  const host = await createHost(scope, name);
  const { address, port } = await underlay.plugIn(host.netns);
  const flags = ['-etcd-endpoints', underlay.etcd.url, '-etcd-prefix', prefix, '-iface', 'eth0'];
  const startWeft: WeftHost['startWeft'] = (more = [], { wrap = [], ...options } = {}) =>
    host.start([...wrap, 'bin/weft', 'run', ...flags, ...more], options);
  return {
    ...host,
    address,
    port,
    flags,
    startWeft,
    join: async (more, options) => {
      const weft = await startWeft(more, options);
      await waitUntilReady(weft);
      return weft;
    },
    subnetEnv: async () => {
      const text = await host.readFile(subnetFile);
      const [, base = '', length = ''] = /^FLANNEL_SUBNET=(\S+)\.1\/(\d+)$/m.exec(text) ?? [];
      return { text, subnet: `${base}.0/${length}` };
    },
    overlay: () => readOverlay(host.netns),
    health: path => host.netns.run([process.execPath, '-e', askHealth, path]),
    addContainer: () => addContainer(scope, host),
  };
}

const askHealth = `
fetch('http://127.0.0.1:8081' + process.argv[1]).then(
  async answer => process.stdout.write(answer.status + ' ' + (await answer.text())),
  error => process.stdout.write(String(error.cause?.code)));
`;

/** The daemon says so after subnet.env is written; /readyz says the same, see daemon-ready.test.ts. */
export async function waitUntilReady(weft: Daemon): Promise<void> {
  await weft.waitForOutput(/ ready subnetFile=/, { timeoutMs: 60_000 });
}

/**
 * All of the host's links, IPv4 addresses and routes, and whether it forwards: what a daemon changes. Without IPv6
 * and the operational states, where the kernel itself goes on working for a while.
 */
export async function kernelOf(host: Host): Promise<readonly string[]> {
  const commands = [
    ...['ip link', 'ip -d link show type vxlan', 'ip -4 addr', 'ip -4 route show table all'],
    'sysctl net.ipv4.ip_forward',
  ];
  const texts = await Promise.all(commands.map(command => host.netns.run(command)));
  return texts.flatMap(text => text.replace(/ state \S+|NO-CARRIER,|,LOWER_UP|,M-DOWN/g, '').split('\n'));
}

/** What a host must have on `flannel.1` for exactly these peers. */
export function overlayFor(peers: readonly PeerFacts[]): Overlay {
  const base = ({ subnet }: PeerFacts): string => subnet.replace(/\/\d+$/, '');
  return {
    routes: peers.map(peer => `${peer.subnet} via ${base(peer)} onlink`).sort(),
    neighbours: peers.map(peer => `${base(peer)} lladdr ${peer.mac} PERMANENT`).sort(),
    fdb: peers.map(peer => `${peer.mac} dst ${peer.publicIp} self permanent`).sort(),
  };
}

/** Waits until a host leads to these peers and to no others. */
export async function eventuallyLeadsTo(host: WeftHost, peers: readonly PeerFacts[]): Promise<void> {
  const wanted = overlayFor(peers);
  try {
    await eventually(`${host.name} to lead to ${peers.map(peer => peer.subnet).join(', ')}`, async () => {
      assert.deepEqual(await host.overlay(), wanted);
      return true;
    });
  } catch {
    assert.deepEqual(await host.overlay(), wanted, host.name);
  }
}

/** Empty for a device that does not exist. */
async function readOverlay(netns: Netns): Promise<Overlay> {
  const lines = async (command: string): Promise<string[]> => {
    const text = await netns.run(`${command} show dev ${vtep}`).catch((error: Error) => {
      if (/Cannot find device|does not exist/.test(error.message)) return '';
      throw error;
    });
    return text
      .split('\n')
      .map(line => line.trim())
      .filter(Boolean)
      .sort();
  };
  const [routes, neighbours, fdb] = await Promise.all(['ip route', 'ip neigh', 'bridge fdb'].map(lines));
  return { routes: routes ?? [], neighbours: neighbours ?? [], fdb: fdb ?? [] };
}

let containers = 0;

async function addContainer(scope: Scope, host: Host): Promise<Container> {
  const netns = await createNetns(scope, `${host.name}-c`);
  const text = await readFile(host.file(subnetFile), 'utf8');
  const gateway = /^FLANNEL_SUBNET=(\S+)\/24$/m.exec(text)?.[1];
  assert.ok(gateway, text);
  const mtu = /^FLANNEL_MTU=(\d+)$/m.exec(text)?.[1];
  const address = gateway.replace(/\.1$/, '.2');
  const port = `veth${++containers}`;
  await host.netns.ipBatch([
    'link add cni0 type bridge forward_delay 0',
    `link set cni0 mtu ${mtu} up`,
    `address add ${gateway}/24 dev cni0`,
    `link add ${port} mtu ${mtu} type veth peer name eth0 mtu ${mtu} netns ${netns.name}`,
    `link set ${port} master cni0 up`,
  ]);
  await netns.ipBatch([
    `address add ${address}/24 dev eth0`,
    'link set eth0 up',
    `route add default via ${gateway}`,
  ]);
  return { netns, address };
}
