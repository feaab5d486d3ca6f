/**
 * The daemon of one host, from start to end:
 *
 *     capabilities -> health listener -> config -> interface -> lease      (join.ts; waits, changes nothing)
 *     -> device, address, peers -> subnet.env -> ready -> follow           (serve.ts)
 *     -> SIGTERM: everything stops but the data path
 */

import type { Log } from '../base/log.ts';
import { Scope } from '../base/scope.ts';
import { controlPath } from '../control/control-path.ts';
import type { Registry } from '../registry/registry.ts';
import { createSubnetManager } from '../registry/subnet-manager.ts';
import { systemClock } from '../sys/clock.ts';
import { NetlinkSocket } from '../sys/netlink-socket.ts';
import { type Readiness, serveHealth } from './health.ts';
import { answerLive } from './live-answer.ts';
import { liveInNetwork } from './network-life.ts';
import { placeOnUnderlay } from './network-place.ts';
import type { DaemonOptions } from './options.ts';
import { type PacketAnswers, PeerDoor } from './peer-door.ts';
import { requireCapabilities } from './preflight.ts';
import { tellsOfRepair } from './repair-log.ts';
import type { NetworkService } from './serve.ts';
import { TroubleBook } from './trouble-book.ts';

export interface DaemonTools {
  /** Of this program. */
  readonly version: string;
  /** Opened by the caller, who closes it. */
  readonly registry: Registry;
  readonly log: Log;
  /** Aborts on SIGTERM or SIGINT. */
  readonly signal: AbortSignal;
  /** Loads what answers other hosts' questions about packets, with the first of them. */
  readonly loadPacketAnswers: () => Promise<PacketAnswers>;
  /** Registers what SIGHUP shall do. */
  readonly onReload?: ((reload: () => void) => void) | undefined;
}

/**
 * Runs until the signal aborts; resolves with the exit code.
 * @throws WeftError when the host cannot join: see {@link liveInNetwork} and preflight.ts
 */
export async function runDaemon(
  options: DaemonOptions,
  { version, registry, log: told, signal, loadPacketAnswers, onReload = () => {} }: DaemonTools,
): Promise<number> {
  const scope = new Scope();
  const troubles = new TroubleBook(systemClock, message => !tellsOfRepair(message));
  const log = troubles.listen(told);
  // Whatever ends the daemon, a signal or an error, ends all that runs in it.
  const ending = AbortSignal.any([signal, scope.signal]);
  let joined = false;
  let reload = (): void => log.info({}, 'SIGHUP: the network is not joined yet, nothing to look at again');
  onReload(() => reload());
  let readiness = (): Readiness => ({ ready: false, reason: 'no lease yet' });
  let service: NetworkService | undefined;
  let door: PeerDoor | undefined;
  try {
    requireCapabilities();
    const source = { version, troubles, readiness: () => readiness(), service: () => service };
    const path = controlPath(options.subnetFile);
    scope.own('control socket', answerLive(source, { path, log, clock: systemClock }));
    if (options.healthz !== undefined) {
      const server = await serveHealth(options.healthz, () => readiness(), log);
      scope.defer('health listener', () => void server.close().closeAllConnections());
    }
    if (options.metrics !== undefined) {
      const { serveMetrics } = await import('./metrics/serve-metrics.ts');
      const networks = () => [{ readiness: readiness(), measured: service?.measured }];
      scope.own('metrics listener', await serveMetrics(options.metrics, networks, log));
    }
    if (options.peerPort > 0) {
      const networks = () => [{ name: undefined, readiness: readiness(), served: service?.served }];
      const asked = { port: options.peerPort, version, networks, loadPacketAnswers, log };
      door = scope.own('peer door', PeerDoor.keep({ ...asked, clock: systemClock, random: Math.random }));
    }
    const socket = scope.own('netlink socket', NetlinkSocket.open());
    const tools = { log, signal: ending, clock: systemClock, random: Math.random };
    const manager = createSubnetManager({ registry, ...tools });
    const onJoined = (now: NetworkService): void => {
      service = now;
      readiness = () => now.readiness();
      joined = true;
      reload = () => now.reload();
      door?.look();
    };
    const onMembership = (): void => door?.look();
    await liveInNetwork(options, {
      ...tools,
      manager,
      place: placeOnUnderlay(socket),
      onJoined,
      onMembership,
    });
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    await scope.close();
  }
  const kept = joined
    ? 'devices, routes and the lease stay, so that the network goes on'
    : 'nothing was changed';
  log.info({}, `stopped: ${kept}`);
  return 0;
}
