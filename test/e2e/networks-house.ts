/** Hosts of several networks, and containers in each: `weft run -networks red@red,blue@blue`. */
import assert from 'node:assert/strict';
import type { Scope } from '../../src/base/scope.ts';
import { links } from '../../src/kernel/links.ts';
import { NetlinkSocket } from '../../src/sys/netlink-socket.ts';
import { PacketSocket } from '../../src/sys/packet-socket.ts';
import { decodePacket } from '../../src/wire/packet.ts';
import { CommandError } from '../support/command.ts';
import type { Daemon } from '../support/daemon.ts';
import type { Netns } from '../support/netns.ts';
import { healthFlags, type WeftHost } from '../support/weft-host.ts';

export type Color = 'red' | 'blue';
export const colors: readonly Color[] = ['red', 'blue'];

/** The network config of one of them. */
export function configOf(vni: number, network: string, more: object = {}): string {
  const { Backend = {}, ...rest } = more as { readonly Backend?: object };
  return JSON.stringify({ Network: network, ...rest, Backend: { Type: 'vxlan', VNI: vni, ...Backend } });
}

/** Starts the daemon, and waits until all networks are ready. */
export async function joinNetworks(
  host: WeftHost,
  networks: string,
  more: readonly string[] = [],
): Promise<Daemon> {
  const weft = await startNetworks(host, networks, more);
  await weft.waitForOutput(/ all networks are ready/, { timeoutMs: 60_000 });
  return weft;
}

export async function startNetworks(
  host: WeftHost,
  networks: string,
  more: readonly string[] = [],
): Promise<Daemon> {
  return await host.startWeft(['-networks', networks, ...healthFlags, ...more]);
}

export async function addNamespaces(host: WeftHost, ...names: readonly string[]): Promise<void> {
  for (const name of names) await host.run(`ip netns add ${name}`);
}

/** What a subnet file says of one network. */
export async function subnetOf(
  host: WeftHost,
  color: Color,
): Promise<{ readonly base: string; readonly mtu: string }> {
  const text = await host.readFile(`/run/flannel/networks/${color}.env`);
  const base = /^FLANNEL_SUBNET=(\S+)\.1\/24$/m.exec(text)?.[1];
  const mtu = /^FLANNEL_MTU=(\d+)$/m.exec(text)?.[1];
  assert.ok(base !== undefined && mtu !== undefined, text);
  return { base, mtu };
}

export interface TenantContainer {
  readonly host: WeftHost;
  readonly address: string;
  /** For `startPing`. */
  readonly netns: Netns;
  run(command: string): Promise<string>;
  /** True when the address answers. */
  reaches(address: string): Promise<boolean>;
  /** Echo requests that have come in. */
  echoes(): Promise<number>;
}

/** A namespace behind a bridge of its network, in the network's own namespace or in the host's. */
export async function addTenant(host: WeftHost, color: Color, netns?: string): Promise<TenantContainer> {
  const { base, mtu } = await subnetOf(host, color);
  const [name, bridge, port] = [`c-${color}`, `br-${color}`, `v-${color}`];
  const inside = netns === undefined ? '' : `-n ${netns}`;
  const script = `
    ip netns add ${name}
    ip ${inside} link add ${bridge} mtu ${mtu} type bridge forward_delay 0
    ip ${inside} address add ${base}.1/24 dev ${bridge}
    ip ${inside} link set ${bridge} up
    ip ${inside} link add ${port} mtu ${mtu} type veth peer name eth0 mtu ${mtu} netns ${name}
    ip ${inside} link set ${port} master ${bridge} up
    ip -n ${name} link set lo up
    ip -n ${name} address add ${base}.2/24 dev eth0
    ip -n ${name} link set eth0 up
    ip -n ${name} route add default via ${base}.1`;
  await host.run(['sh', '-euc', script]);
  const enter = ['ip', 'netns', 'exec', name];
  const run = (command: string) => host.run([...enter, ...command.split(' ')]);
  return {
    host,
    address: `${base}.2`,
    netns: {
      ...host.netns,
      start: command =>
        host.start([...enter, ...(typeof command === 'string' ? command.split(' ') : command)]),
    },
    run,
    reaches: async address => await answers(run(`ping -c 1 -W 1 ${address}`)),
    echoes: async () => {
      const icmp = (await run('cat /proc/net/snmp')).split('\n').filter(line => line.startsWith('Icmp: '));
      const [names = [], values = []] = icmp.map(line => line.split(' '));
      return Number(values[names.indexOf('InEchos')]);
    },
  };
}

/** False when the ping ended without an answer. */
async function answers(ping: Promise<string>): Promise<boolean> {
  try {
    await ping;
    return true;
  } catch (error) {
    if (error instanceof CommandError) return false;
    throw error;
  }
}

/** Collects the VNIs of what passes a port of the switch. */
export async function captureVnis(scope: Scope, { path }: Netns, port: string): Promise<Set<number>> {
  const socket = scope.own('netlink socket', NetlinkSocket.open({ netns: path }));
  const link = await links.get(socket, port);
  assert.ok(link);
  const seen = new Set<number>();
  const capture = PacketSocket.open({
    ...{ ifIndex: link.index, netns: path },
    onFrame: ({ bytes }) => {
      for (const layer of decodePacket(bytes)) if (layer.layer === 'vxlan') seen.add(layer.vni);
    },
    onEnd: error => assert.fail(error),
  });
  scope.own('capture', capture);
  return seen;
}
