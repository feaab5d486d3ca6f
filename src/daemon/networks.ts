/**
 * The daemon of a host with several networks, `-networks red,blue@NETNS`: one process, one connection to the registry, one
 * health listener, and for each network a life of its own, which no other's troubles end.
 *
 *     registry ─┬─ red/...  ─┐              ┌─> red:  join, serve; fails, waits, again
 *               └─ blue/... ─┴─> arbiter ───┴─> blue: join, serve; ...
 */
import { realpathSync } from 'node:fs';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { Scope } from '../base/scope.ts';
import { scopedRegistry } from '../registry/scoped.ts';
import { systemClock } from '../sys/clock.ts';
import { NetlinkSocket } from '../sys/netlink-socket.ts';
import { notifyServiceManager } from '../sys/notify.ts';
import type { DaemonTools } from './daemon.ts';
import { type Readiness, serveHealth } from './health.ts';
import { NetworkArbiter } from './network-arbiter.ts';
import { NetworkKeeper } from './network-keeper.ts';
import type { DaemonOptions, NamedNetwork, SeveralNetworks } from './options.ts';
import { PeerDoor } from './peer-door.ts';
import { requireCapabilities } from './preflight.ts';

/**
 * Runs until the signal aborts; resolves with the exit code. A network that cannot be joined is told and tried again.
 * @throws WeftError `capability-missing`, `health-listen`
 */
export async function runNetworks(
  options: DaemonOptions,
  several: SeveralNetworks,
  { version, registry, log, signal, loadPacketAnswers, onReload = () => {} }: DaemonTools,
): Promise<number> {
  const scope = new Scope();
  const ending = AbortSignal.any([signal, scope.signal]);
  try {
    requireCapabilities();
    const tools = { log, signal: ending, clock: systemClock, random: Math.random };
    const underlay = scope.own('netlink socket', NetlinkSocket.open());
    const networks = several.networks.map(network => ({
      ...{ name: network.name, netns: canonical(network.netns) },
      registry: scope.own(network.name, scopedRegistry(registry, network.name)),
    }));
    const arbiter = new NetworkArbiter({ ...tools, networks, allowed: several.allowed });
    let door: PeerDoor | undefined;
    const keepers = networks.map(
      network =>
        new NetworkKeeper({
          ...tools,
          version,
          arbiter,
          underlay,
          network,
          options: optionsOf(options, several, network),
          onServed: () => door?.look(),
        }),
    );
    const readiness = () => readinessOf(keepers);
    if (options.healthz !== undefined) {
      const server = await serveHealth(options.healthz, readiness, log);
      scope.defer('health listener', () => void server.close().closeAllConnections());
    }
    if (options.metrics !== undefined) {
      const { serveMetrics } = await import('./metrics/serve-metrics.ts');
      const measured = () =>
        keepers.map(keeper => ({
          name: keeper.name,
          readiness: keeper.readiness(),
          measured: keeper.measured,
        }));
      scope.own('metrics listener', await serveMetrics(options.metrics, measured, log));
    }
    if (options.peerPort > 0) {
      const asked = { ...tools, port: options.peerPort, version, loadPacketAnswers };
      const served = () =>
        keepers.map(keeper => ({
          name: keeper.name,
          readiness: keeper.readiness(),
          served: keeper.served,
        }));
      door = scope.own('peer door', PeerDoor.keep({ ...asked, networks: served }));
    }
    onReload(() => {
      for (const keeper of keepers) keeper.reload();
    });
    await Promise.all([
      arbiter.run(),
      ...keepers.map(keeper => keeper.run()),
      tellWhenReady(readiness, { ...tools, notifySocket: options.notifySocket }),
    ]);
  } finally {
    await scope.close();
  }
  log.info({}, 'stopped: devices, routes and leases stay, so that the networks go on');
  return 0;
}

/** Two names of one namespace, such as a link, are one. */
function canonical(netns: string | undefined): string | undefined {
  if (netns === undefined) return undefined;
  try {
    return realpathSync(netns);
  } catch {
    return netns;
  }
}

function optionsOf(
  options: DaemonOptions,
  { subnetDir }: SeveralNetworks,
  { name }: NamedNetwork,
): DaemonOptions {
  return {
    ...{ ...options, network: name, subnetFile: `${subnetDir}/${name}.env` },
    // All networks have one listener and one service manager.
    ...{ healthz: undefined, metrics: undefined, notifySocket: undefined },
  };
}

function readinessOf(keepers: readonly NetworkKeeper[]): Readiness {
  const missing = keepers.flatMap(keeper => {
    const { ready, reason } = keeper.readiness();
    return ready ? [] : [`${keeper.name}: ${reason}`];
  });
  return { ready: missing.length === 0, reason: missing.join('; ') };
}

const readyCheckMs = 200;

async function tellWhenReady(
  readiness: () => Readiness,
  {
    log,
    clock,
    signal,
    notifySocket,
  }: {
    readonly log: Log;
    readonly clock: Clock;
    readonly signal: AbortSignal;
    readonly notifySocket: string | undefined;
  },
): Promise<void> {
  while (!signal.aborted && !readiness().ready) {
    await clock.sleep(readyCheckMs, { signal }).catch(() => {});
  }
  if (signal.aborted) return;
  log.info({}, 'all networks are ready');
  const problem = notifySocket === undefined ? undefined : notifyServiceManager(notifySocket, 'READY=1');
  if (problem !== undefined) log.warn({ problem }, 'the service manager could not be told that we are ready');
}
