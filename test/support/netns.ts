/**
 * Network namespaces, and the underlay that joins them: a cable between two, or a switch for more.
 *
 *     const scope = testScope(t);
 *     const [a, b] = [await createNetns(scope, 'a'), await createNetns(scope, 'b')];
 *     await joinByCable({ netns: a, address: '192.0.2.1/24' }, { netns: b, address: '192.0.2.2/24' });
 *     await a.run('ping -c1 192.0.2.2');
 *
 * Names are unique to the test process, so test files that run at the same time never meet.
 */
import process from 'node:process';
import type { Scope } from '../../src/base/scope.ts';
import { argvOf, type Command, type RunOptions, run } from './command.ts';
import { type Daemon, type DaemonOptions, startDaemon } from './daemon.ts';

/** A named network namespace, as `ip netns` lists it. */
export interface Netns {
  readonly name: string;
  /** The file that stands for it, for `nsenter --net=` and for setns(2). */
  readonly path: string;
  /** What to put before a program so that it runs inside; its /sys and /run stay the sandbox's. */
  readonly enter: readonly string[];
  /** Runs a program inside to its end and gives its output. @throws CommandError */
  run(command: Command, options?: RunOptions): Promise<string>;
  /** Starts a program that stays; it is killed before the namespace goes. */
  start(command: Command, options?: DaemonOptions): Promise<Daemon>;
  /** Feeds `ip -batch`: one command a line, without the leading `ip`. @throws CommandError at the first that fails */
  ipBatch(lines: readonly string[]): Promise<void>;
}

/** Every namespace of this test process starts so; see leaks.ts. */
export const ownNamePrefix = `t${process.pid}-`;

let created = 0;

/**
 * Makes a namespace with `lo` up; the scope kills what runs inside and deletes it again, its devices with it.
 * @param label tells people which one it is: the name is `t<pid>-<number>-<label>`
 */
export async function createNetns(scope: Scope, label = 'ns'): Promise<Netns> {
  requireSandbox();
  const name = `${ownNamePrefix}${++created}-${label}`;
  await run(['ip', 'netns', 'add', name]);
  scope.defer(`network namespace ${name}`, async () => {
    for (const pid of (await run(['ip', 'netns', 'pids', name])).split('\n').filter(Boolean))
      kill(Number(pid));
    await run(['ip', 'netns', 'delete', name]);
  });
  const netns = netnsNamed(name);
  await netns.ipBatch(['link set lo up']);
  return netns;
}

function netnsNamed(name: string): Netns {
  const path = `/run/netns/${name}`;
  const enter = ['nsenter', `--net=${path}`, '--'];
  return {
    name,
    path,
    enter,
    run: (command, options) => run([...enter, ...argvOf(command)], options),
    start: (command, options) => startDaemon({ enter, forks: false }, command, options),
    ipBatch: async lines => {
      await run([...enter, 'ip', '-batch', '-'], { input: `${lines.join('\n')}\n` });
    },
  };
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended by itself in the meantime.
  }
}

/** One end of a cable, or one host at a switch. */
export interface Port {
  readonly netns: Netns;
  /** With the prefix length, `192.0.2.1/24`; a list for several (IPv6 too), none for a bare device. */
  readonly address?: string | readonly string[];
  /** The device inside; `eth0` unless given. */
  readonly device?: string;
  /** Becomes the default route. */
  readonly gateway?: string;
}

export interface UnderlayOptions {
  /** 1500 unless given. */
  readonly mtuBytes?: number;
  /**
   * True makes the veths pass frames as a wire does: no segment larger than the MTU crosses them (their segmentation
   * offloads are off, receive offload is on). By default veths hand over segments of up to 64 KiB.
   */
  readonly realFrames?: boolean;
}

/** Joins two namespaces by a veth pair; the devices go with their namespaces. */
export async function joinByCable(one: Port, other: Port, options: UnderlayOptions = {}): Promise<void> {
  const [near, far] = [deviceOf(one), deviceOf(other)];
  await one.netns.ipBatch([`link add ${near} type veth peer name ${far} netns ${other.netns.name}`]);
  await Promise.all([plugIn(one, options), plugIn(other, options)]);
}

/**
 * Joins namespaces by a bridge, which stands in a namespace of its own (returned, to capture or to break things in):
 * its ports are `port1`, `port2`, ... in the order of `ports`.
 */
export async function joinBySwitch(
  scope: Scope,
  ports: readonly Port[],
  options: UnderlayOptions = {},
): Promise<Netns> {
  const bridge = await createNetns(scope, 'switch');
  const mtu = options.mtuBytes ?? 1500;
  await bridge.ipBatch([
    `link add br0 mtu ${mtu} type bridge forward_delay 0 mcast_snooping 0`,
    'link set br0 up',
    ...ports.flatMap((port, index) => [
      `link add port${index + 1} mtu ${mtu} type veth peer name ${deviceOf(port)} netns ${port.netns.name}`,
      `link set port${index + 1} master br0 up`,
    ]),
  ]);
  await Promise.all(ports.map(port => plugIn(port, options)));
  if (options.realFrames === true) {
    for (const index of ports.keys()) await segmentInSoftware(bridge, `port${index + 1}`);
  }
  return bridge;
}

async function plugIn(port: Port, options: UnderlayOptions): Promise<void> {
  const device = deviceOf(port);
  const addresses = port.address === undefined ? [] : [port.address].flat();
  await port.netns.ipBatch([
    // No duplicate address detection: an address is usable at once.
    ...addresses.map(
      address => `address add ${address} dev ${device}${address.includes(':') ? ' nodad' : ''}`,
    ),
    `link set ${device} mtu ${options.mtuBytes ?? 1500} up`,
    ...(port.gateway === undefined ? [] : [`route add default via ${port.gateway} dev ${device}`]),
  ]);
  if (options.realFrames !== true) return;
  await segmentInSoftware(port.netns, device);
  await port.netns.run(['ethtool', '-K', device, 'gro', 'on']);
}

async function segmentInSoftware(netns: Netns, device: string): Promise<void> {
  const offloads = ['tso', 'tx-udp-segmentation', 'tx-udp_tnl-segmentation', 'tx-udp_tnl-csum-segmentation'];
  await netns.run(['ethtool', '-K', device, ...offloads.flatMap(offload => [offload, 'off'])]);
}

function deviceOf(port: Port): string {
  return port.device ?? 'eth0';
}

/** @throws Error outside the sandbox of test/run.ts, where a test would reach the machine itself */
export function requireSandbox(): void {
  if (process.env['WEFT_TEST_SANDBOX'] === undefined) {
    throw new Error('this test makes namespaces and runs only in the sandbox: npm test -- FILE');
  }
}
