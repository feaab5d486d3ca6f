/**
 * Two hosts with a tunnel each, and a "container" address behind each device:
 *
 *     10.5.1.1, fd05:1::1 (c0) ─ flannel0 ═ 192.0.2.1, 2001:db8::1 ── cable ── 192.0.2.2, 2001:db8::2 ═ flannel0 ─ 10.5.2.1, fd05:2::1
 */
import { type IpAddress, parseIp } from '../../src/base/ip.ts';
import type { Log } from '../../src/base/log.ts';
import { parsePrefix } from '../../src/base/prefix.ts';
import type { Scope } from '../../src/base/scope.ts';
import { inNetns } from '../../src/sys/netns.ts';
import { makePersistentTun } from '../../src/sys/tun.ts';
import type { Ability } from '../../src/tunnel/abilities.ts';
import { Tunnel, type TunnelOptions, type TunnelRoute } from '../../src/tunnel/tunnel.ts';
import { createNetns, joinByCable, type Netns } from '../support/netns.ts';

export interface TunnelHost {
  /** 1 or 2. */
  readonly number: number;
  readonly netns: Netns;
  readonly tunnel: Tunnel;
  /** What the tunnel was opened with. */
  readonly options: TunnelOptions;
  /** Underlay addresses. */
  readonly ipv4: IpAddress;
  readonly ipv6: IpAddress;
  /** Container addresses. */
  readonly inner4: string;
  readonly inner6: string;
}

export interface TunnelPairOptions {
  readonly without?: readonly Ability[];
  /** Family of the underlay; 4 unless given. */
  readonly outer?: 4 | 6;
  /** Of the underlay; 1500 unless given. */
  readonly underlayMtuBytes?: number;
  /** Of the tunnel; what fits the underlay unless given. */
  readonly mtuBytes?: number;
  /** Of the device; the tunnel's unless given. */
  readonly deviceMtuBytes?: number;
  readonly realFrames?: boolean;
  readonly log?: Log;
}

export interface TunnelPair {
  readonly a: TunnelHost;
  readonly b: TunnelHost;
}

export const tunnelPort = 8285;

/** What fails should be seen. */
export const loudLog: Log = {
  debug() {},
  info() {},
  warn: (fields, message) => process.stderr.write(`warn: ${message} ${JSON.stringify(fields)}\n`),
  error: (fields, message) => process.stderr.write(`error: ${message} ${JSON.stringify(fields)}\n`),
};

export async function openTunnelPair(scope: Scope, options: TunnelPairOptions = {}): Promise<TunnelPair> {
  const [near, far] = [await createNetns(scope, 'a'), await createNetns(scope, 'b')];
  const { underlayMtuBytes: mtuBytes = 1500, realFrames = false } = options;
  await joinByCable(
    { netns: near, address: ['192.0.2.1/24', '2001:db8::1/64'] },
    { netns: far, address: ['192.0.2.2/24', '2001:db8::2/64'] },
    { mtuBytes, realFrames },
  );
  return { a: await openHost(scope, near, 1, options), b: await openHost(scope, far, 2, options) };
}

/** Makes the device as the planner wants it, with addresses and routes. */
export async function makeDevice(netns: Netns, number: number, mtuBytes: number): Promise<void> {
  makePersistentTun({ name: 'flannel0', mode: 'tun' }, netns.path);
  await netns.ipBatch([
    `address add 10.5.${number}.0/32 dev flannel0`,
    `link set flannel0 mtu ${mtuBytes} txqueuelen 4000 up`,
    'route add 10.5.0.0/16 dev flannel0',
    ...(mtuBytes < 1280
      ? []
      : [`address add fd05:${number}::/128 dev flannel0 nodad`, 'route add fd05::/16 dev flannel0']),
  ]);
}

/** Routes to the other host of the pair. */
export function routesTo(number: number, outer: 4 | 6 = 4): TunnelRoute[] {
  const peer = parseIp(outer === 4 ? `192.0.2.${number}` : `2001:db8::${number}`);
  return [
    { dst: parsePrefix(`10.5.${number}.0/24`), peer },
    { dst: parsePrefix(`fd05:${number}::/64`), peer },
  ];
}

async function openHost(
  scope: Scope,
  netns: Netns,
  number: number,
  options: TunnelPairOptions,
): Promise<TunnelHost> {
  const { outer = 4, underlayMtuBytes = 1500, without, log = loudLog } = options;
  const { mtuBytes = underlayMtuBytes - (outer === 4 ? 28 : 48) } = options;
  await makeDevice(netns, number, options.deviceMtuBytes ?? mtuBytes);
  await netns.ipBatch([
    'link add c0 type bridge',
    `address add 10.5.${number}.1/24 dev c0`,
    `address add fd05:${number}::1/64 dev c0 nodad`,
    'link set c0 up',
  ]);
  const host = { ipv4: parseIp(`192.0.2.${number}`), ipv6: parseIp(`2001:db8::${number}`) };
  const tunnelOptions: TunnelOptions = {
    device: 'flannel0',
    port: tunnelPort,
    mtuBytes,
    local: host,
    addresses: { ipv4: parseIp(`10.5.${number}.0`), ipv6: parseIp(`fd05:${number}::`) },
    netns: netns.path,
    without,
    log,
  };
  const tunnel = await inNetns(netns.path, () => Tunnel.open(tunnelOptions));
  scope.own(`tunnel of ${netns.name}`, tunnel);
  await tunnel.change({ set: routesTo(3 - number, outer), unset: [] });
  const inner = { inner4: `10.5.${number}.1`, inner6: `fd05:${number}::1` };
  return { number, netns, tunnel, options: tunnelOptions, ...host, ...inner };
}
