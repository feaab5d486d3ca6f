/** Life in the network: peers come and go, the lease is kept, the kernel follows. */
import type { Clock } from '../base/clock.ts';
import { describeError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { monitor } from '../kernel/monitor.ts';
import { describeSubnet } from '../lease/judge.ts';
import { formatSubnetEnv } from '../lease/subnet-env.ts';
import type { KeepEvent } from '../registry/lease-keeper.ts';
import type { SubnetManager } from '../registry/subnet-manager.ts';
import type { WatchedLease } from '../registry/subnet-watch.ts';
import { keyOf } from '../state/kernel-object.ts';
import { writeFileAtomic } from '../sys/files.ts';
import type { NetlinkSocket } from '../sys/netlink-socket.ts';
import { notifyServiceManager } from '../sys/notify.ts';
import type { Readiness } from './health.ts';
import type { Membership } from './join.ts';
import type { DaemonOptions } from './options.ts';
import { type PeerChange, PeerTable } from './peer-table.ts';
import { enableForwarding, refuseRouterAdvertisements } from './preflight.ts';
import { Reconciler } from './reconciler.ts';

export interface ServeTools {
  readonly socket: NetlinkSocket;
  readonly manager: SubnetManager;
  readonly log: Log;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly random: () => number;
}

/** How often the kernel is compared with the plan although nothing happened. */
const auditMs = 60_000;
const announceRetryMs = 500;

/** One host's membership in one network, from the lease to the signal. */
export class NetworkService {
  readonly #options: DaemonOptions;
  readonly #tools: ServeTools;
  readonly #membership: Membership;
  readonly #reconciler: Reconciler;
  readonly #peers: PeerTable;
  #leaseExpiresAtMs: number;
  #leaseProblem = '';
  #working = false;
  #announcing: Promise<void> | undefined;
  #auditing: Promise<void> | undefined;

  constructor(options: DaemonOptions, tools: ServeTools, membership: Membership) {
    const { backend, host, own } = membership;
    this.#options = options;
    this.#tools = tools;
    this.#membership = membership;
    this.#peers = new PeerTable(backend, host);
    this.#leaseExpiresAtMs = own.expiresAtMonotonicMs ?? Number.POSITIVE_INFINITY;
    this.#reconciler = new Reconciler({
      ...tools,
      devices: backend.devices,
      needs: [host.external.name],
      owns: object => backend.owns(host, object),
      prepareDevice: name => refuseRouterAdvertisements(tools.log, name),
    });
  }

  /** Ready: the lease is valid, and all peers known at the start have been applied. */
  readiness(): Readiness {
    if (!this.#working) return { ready: false, reason: 'the peers are not applied yet' };
    if (this.#leaseProblem !== '') return { ready: false, reason: this.#leaseProblem };
    const valid = this.#tools.clock.monotonicMs() < this.#leaseExpiresAtMs;
    return valid ? { ready: true, reason: '' } : { ready: false, reason: 'the subnet lease has expired' };
  }

  /** Serves until the signal aborts. The data path stays as it is. */
  async run(): Promise<void> {
    const { manager, log, signal } = this.#tools;
    const { host, own } = this.#membership;
    enableForwarding(log);
    const listening = monitor({ onEvent: event => this.#reconciler.notice(event) });
    const keeper = manager.keepLease(own, {
      marginSeconds: this.#options.renewMarginMinutes * 60,
      signal,
      onEvent: event => this.#onKeepEvent(event),
    });
    try {
      for await (const event of manager.watchLeases({ config: host.config, own: own.lease, signal })) {
        await this.#onLeaseEvent(event);
      }
    } finally {
      listening.close();
    }
    await Promise.all([keeper.ended, this.#auditing, this.#announcing, this.#reconciler.settled()]);
  }

  async #onLeaseEvent(event: WatchedLease): Promise<void> {
    const { log } = this.#tools;
    switch (event.type) {
      case 'snapshot':
        // Host and peers at once: what an earlier run left would else look stale until the peers are known.
        this.#reconciler.set(this.#membership.backend.planHost(this.#membership.host));
        this.#take(this.#peers.replaceAll(event.leases));
        return await this.#afterSnapshot();
      case 'put': {
        const { lease } = event;
        const change = this.#peers.put(lease);
        this.#take(change);
        if (change.refused.length > 0) return;
        log.info(
          { host: lease.attrs.publicIp ?? lease.attrs.publicIpv6 },
          `peer ${describeSubnet(lease.subnet)}`,
        );
        return;
      }
      case 'removed':
        this.#take(this.#peers.remove(event.subnet));
        return log.info({}, `peer ${describeSubnet(event.subnet)} left`);
      case 'refused':
        return this.#take(this.#peers.remove(event.lease.subnet));
      case 'state':
        if (event.connected) return log.info({}, 'the registry is there again');
        return log.warn({ cause: event.cause }, 'the registry is out of reach: the network stays as it is');
      case 'own':
        return;
    }
  }

  #take({ set, unset, refused }: PeerChange): void {
    for (const { lease, reason } of refused) {
      this.#tools.log.warn({}, `lease ${describeSubnet(lease.subnet)} is left out: it ${reason}`);
    }
    this.#reconciler.unset(unset);
    this.#reconciler.set(set);
  }

  async #afterSnapshot(): Promise<void> {
    const { log, clock } = this.#tools;
    const startMs = clock.monotonicMs();
    const tally = await this.#reconciler.settled();
    const milliseconds = Math.round(clock.monotonicMs() - startMs);
    log.info({ ...tally, milliseconds }, `${this.#peers.size} peers applied`);
    this.#announcing ??= this.#announce();
    this.#auditing ??= this.#audit();
  }

  /** Whoever waits for subnet.env (Docker, the CNI plugin) finds a network that works. */
  async #announce(): Promise<void> {
    const { log, clock, signal } = this.#tools;
    for (let told = false; !signal.aborted; told = true) {
      const problem = this.#deviceProblem() ?? this.#writeSubnetFile();
      if (problem === undefined) break;
      if (!told) log.error({ problem }, 'not ready: trying again until it works');
      await clock.sleep(announceRetryMs, { signal }).catch(() => {});
    }
    if (signal.aborted) return;
    this.#working = true;
    log.info({ subnetFile: this.#options.subnetFile }, 'ready');
    const { notifySocket } = this.#options;
    const problem = notifySocket === undefined ? undefined : notifyServiceManager(notifySocket, 'READY=1');
    if (problem !== undefined)
      log.warn({ problem }, 'the service manager could not be told that we are ready');
  }

  /** Peers may fail one by one; without our own device nothing works. */
  #deviceProblem(): string | undefined {
    const { backend, host } = this.#membership;
    const failing = backend.planHost(host).map(object => this.#reconciler.failing.get(keyOf(object)));
    return failing.find(failure => failure !== undefined)?.error;
  }

  #writeSubnetFile(): string | undefined {
    const { subnetFile, ipMasq } = this.#options;
    const { backend, host } = this.#membership;
    const mtuBytes = backend.containerMtuBytes(host.external);
    try {
      writeFileAtomic(
        subnetFile,
        formatSubnetEnv({ config: host.config, subnet: host.lease.subnet, mtuBytes, ipMasq }),
      );
      return undefined;
    } catch (error) {
      return describeError(error);
    }
  }

  #onKeepEvent(event: KeepEvent): void {
    const { log } = this.#tools;
    if (event.type === 'renewed') {
      this.#leaseExpiresAtMs = event.own.expiresAtMonotonicMs ?? Number.POSITIVE_INFINITY;
      this.#leaseProblem = '';
      log.info({ why: event.why }, `renewed the lease of ${describeSubnet(event.own.lease.subnet)}`);
      return;
    }
    const { error, retryInMs } = event;
    if (event.type === 'failed') {
      log.warn({ error, retryInMs }, 'the lease could not be renewed, trying again');
      return;
    }
    this.#leaseProblem = describeError(error);
    log.error(
      { error, remedy: event.error.remedy, retryInMs },
      'LOST THE SUBNET: containers stay as they are',
    );
  }

  /** Compares the kernel with the plan now and then, for what no event has told. */
  async #audit(): Promise<void> {
    const { clock, signal } = this.#tools;
    while (!signal.aborted) {
      await clock.sleep(auditMs, { signal }).catch(() => {});
      if (signal.aborted) return;
      this.#reconciler.resync();
    }
  }
}
