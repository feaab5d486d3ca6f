/**
 * Two hosts joined by the tunnel alone, without a daemon, so that a test or a bench decides what the tunnel may use:
 *
 *     a  192.0.2.1 (eth0), 10.2.1.0 and fd00:2:1:: (flannel0)   <- cable ->   b  192.0.2.2, 10.2.2.0, fd00:2:2::
 */
import process from 'node:process';
import type { Scope } from '../../src/base/scope.ts';
import type { Ability } from '../../src/tunnel/abilities.ts';
import type { TunnelCounters } from '../../src/tunnel/counters.ts';
import type { Daemon } from './daemon.ts';
import { createNetns, joinByCable, type Netns } from './netns.ts';
import { type TunnelHostSpec, tunnelDevice } from './tunnel-host.ts';

export interface TunnelHostOptions {
  readonly without?: readonly Ability[];
  /** False: the cable takes segments of 64 KiB; see netns.ts. */
  readonly realFrames?: boolean;
  /** Of the underlay; 1500 unless given. */
  readonly underlayMtuBytes?: number;
  /** Of the inner packets; what the underlay leaves unless given. */
  readonly mtuBytes?: number;
  /** Routes to peers that do not exist, beside the one that does. */
  readonly moreRoutes?: number;
  /** Which family carries the datagrams. */
  readonly over?: 4 | 6;
}

export interface TunnelEnd {
  readonly netns: Netns;
  /** What the other end reaches it by. */
  readonly address: string;
  readonly address6: string;
  readonly tunnel: Daemon;
  counters(): Promise<TunnelCounters>;
}

export const tunnelPort = 8285;
const script = new URL('tunnel-host.ts', import.meta.url).pathname;

export async function startTunnelPair(
  scope: Scope,
  options: TunnelHostOptions = {},
): Promise<readonly [TunnelEnd, TunnelEnd]> {
  const { over = 4, underlayMtuBytes = 1500, realFrames = false } = options;
  const [a, b] = [await createNetns(scope, 'a'), await createNetns(scope, 'b')];
  const length = over === 4 ? 24 : 64;
  await joinByCable(
    { netns: a, address: `${underlayAddress(over, 1)}/${length}` },
    { netns: b, address: `${underlayAddress(over, 2)}/${length}` },
    { mtuBytes: underlayMtuBytes, realFrames },
  );
  const peers = { 1: underlayAddress(over, 2), 2: underlayAddress(over, 1) };
  return [await startTunnel(a, 1, peers[1], options), await startTunnel(b, 2, peers[2], options)];
}

export function underlayAddress(family: 4 | 6, host: number): string {
  return family === 4 ? `192.0.2.${host}` : `2001:db8::${host}`;
}

/** Makes the device as the udp backend does, and the tunnel's end in a namespace whose underlay is there. */
export async function startTunnel(
  netns: Netns,
  host: 1 | 2,
  peer: string,
  options: TunnelHostOptions = {},
): Promise<TunnelEnd> {
  const { over = 4, underlayMtuBytes = 1500, without = [], moreRoutes = 0 } = options;
  const mtuBytes = options.mtuBytes ?? underlayMtuBytes - (over === 4 ? 28 : 48);
  const [address, address6] = [`10.2.${host}.0`, `fd00:2:${host}::`];
  const other = 3 - host;
  await netns.ipBatch([
    `tuntap add dev ${tunnelDevice} mode tun`,
    `link set ${tunnelDevice} mtu ${mtuBytes} txqueuelen 4000 up`,
    `address add ${address}/32 dev ${tunnelDevice}`,
    `address add ${address6}/128 dev ${tunnelDevice} nodad`,
    `route add 10.2.0.0/16 dev ${tunnelDevice}`,
    `route add fd00:2::/32 dev ${tunnelDevice}`,
  ]);
  const spec: TunnelHostSpec = {
    port: tunnelPort,
    mtuBytes,
    local: underlayAddress(over, host),
    addresses: { ipv4: address, ipv6: address6 },
    routes: [
      { dst: `10.2.${other}.0/24`, peer },
      { dst: `fd00:2:${other}::/64`, peer },
      ...Array.from({ length: moreRoutes }, (_, index) => ({
        dst: `10.${3 + (index >> 8)}.${index & 0xff}.0/24`,
        peer:
          over === 4
            ? `198.51.${100 + (index >> 8)}.${index & 0xff}`
            : `2001:db8:1::${(index + 1).toString(16)}`,
      })),
    ],
    without,
  };
  const tunnel = await netns.start([process.execPath, script, JSON.stringify(spec)]);
  await tunnel.waitForOutput(/"ready"/);
  return { netns, address, address6, tunnel, counters: () => countersOf(tunnel) };
}

async function countersOf(tunnel: Daemon): Promise<TunnelCounters> {
  return (await answerOf<{ readonly counters: TunnelCounters }>(tunnel)).counters;
}

/** The line of JSON that a process of this folder tells when it gets SIGUSR2. */
export async function answerOf<T>(daemon: Daemon): Promise<T> {
  const before = daemon.stdout.length;
  daemon.signal('SIGUSR2');
  const line = await daemon.waitFor('its answer', () => /^\{.*\}\n/m.exec(daemon.stdout.slice(before))?.[0]);
  return JSON.parse(line) as T;
}
