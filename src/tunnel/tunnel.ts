/**
 * The udp backend's data path: packets of a TUN device, each in one UDP datagram to the host that leases its subnet.
 *
 *     main thread                                        worker thread
 *     Tunnel: opens and closes all descriptors           DataPath: TUN device <-> UDP sockets
 *             knows the routes           ── change ──>
 *             finds the device again     <─ device-lost ─
 */
import { describeError, WeftError } from '../base/errors.ts';
import { type IpAddress, ipToBytes } from '../base/ip.ts';
import type { Log } from '../base/log.ts';
import type { Prefix } from '../base/prefix.ts';
import { closeDescriptor } from '../sys/libc.ts';
import type { AttachedTun } from '../sys/tun.ts';
import type { Ability } from './abilities.ts';
import { type CounterArray, createCounters, readCounters, type TunnelCounters } from './counters.ts';
import { attachDevice, closeSockets, openDescriptors, type Sockets } from './descriptors.ts';
import type { FromWorker, WorkerSetup } from './worker-messages.ts';
import { WorkerThread } from './worker-thread.ts';

export type { Ability } from './abilities.ts';
export type { TunnelCounters } from './counters.ts';

export interface TunnelOptions {
  /** The TUN device, which is persistent; it may come later, see {@link Tunnel.problem}. */
  readonly device: string;
  /** UDP port, here and at every peer (flannel: 8285). */
  readonly port: number;
  /** Longest inner packet; the sender of a longer one with DF, or of IPv6, is told so by ICMP. */
  readonly mtuBytes: number;
  /** Underlay addresses to send from and to be reached at; at least one. */
  readonly local: { readonly ipv4: IpAddress | undefined; readonly ipv6: IpAddress | undefined };
  /** The device's own addresses: sources of ICMP errors, of which there are none in a family without. */
  readonly addresses: { readonly ipv4: IpAddress | undefined; readonly ipv6: IpAddress | undefined };
  /** Path of the network namespace that the TUN is in; the sockets are the calling thread's. */
  readonly netns?: string | undefined;
  /** Does without these, for tests and benches. */
  readonly without?: readonly Ability[] | undefined;
  readonly log: Log;
}

/** Packets for `dst` go to the host `peer`, and packets from there have their source inside. */
export interface TunnelRoute {
  readonly dst: Prefix;
  readonly peer: IpAddress;
}

export interface TunnelChange {
  readonly set: readonly TunnelRoute[];
  readonly unset: readonly Prefix[];
}

/** How often a device that is not there is looked for. */
const lookMs = 500;

export class Tunnel {
  readonly #options: TunnelOptions;
  readonly #sockets: Sockets;
  readonly #counters: CounterArray = createCounters();
  readonly #routes = new Map<Prefix, IpAddress>();
  readonly #waiting = new Map<number, PromiseWithResolvers<void>>();
  readonly #thread: WorkerThread;
  #device: AttachedTun | undefined;
  #deviceProblem: string | undefined;
  #threadProblem: string | undefined;
  #abilities: readonly Ability[] = [];
  #lastChange = 0;
  #hasRun = false;
  #released = false;
  #look: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;

  private constructor(options: TunnelOptions, sockets: Sockets, device: AttachedTun | undefined) {
    this.#options = options;
    this.#sockets = sockets;
    this.#device = device;
    if (device === undefined) this.#miss();
    this.#thread = new WorkerThread({
      setup: () => this.#setup(),
      onMessage: message => this.#onMessage(message),
      onRestart: () => this.#restarted(),
      onBreak: cause => this.#broke(cause),
      release: () => this.#release(),
    });
  }

  /**
   * Opens the sockets, attaches to the device and starts the worker thread. All is opened before this returns its
   * promise, so that `inNetns(underlay, () => Tunnel.open(...))` puts the sockets into a namespace.
   * @throws WeftError `udp-port-in-use`, `udp-address-missing`, `tun-unavailable`, `tun-busy`, `tun-kind`,
   * `netns-missing`, `syscall-failed`, `tunnel-thread` when no worker starts
   */
  static async open(options: TunnelOptions): Promise<Tunnel> {
    const tunnel = new Tunnel(options, ...openDescriptors(options));
    try {
      await tunnel.change({ set: [], unset: [] });
      return tunnel;
    } catch (error) {
      await tunnel.close();
      throw error;
    }
  }

  /** Resolves when the change is in force; `unset` goes first. @throws WeftError `tunnel-closed` */
  async change(change: TunnelChange): Promise<void> {
    if (this.#closing !== undefined) throw closedError(this.#options.device);
    for (const dst of change.unset) this.#routes.delete(dst);
    for (const { dst, peer } of change.set) this.#routes.set(dst, peer);
    await this.#post(change);
  }

  /** The device was made anew: attach to it now. Without this it is found within a second. */
  attach(): void {
    if (this.#device !== undefined || this.#closing !== undefined) return;
    clearTimeout(this.#look);
    try {
      this.#device = attachDevice(this.#options);
    } catch (error) {
      this.#miss(describeError(error));
      return;
    }
    if (this.#device === undefined) {
      this.#miss();
      return;
    }
    this.#deviceProblem = undefined;
    this.#options.log.info({ device: this.#options.device }, 'the tunnel is attached to its device');
    this.#thread.post({ type: 'attach', device: this.#device });
  }

  counters(): TunnelCounters {
    return readCounters(this.#counters, this.#abilities);
  }

  /** Why no packets pass at present, such as a device that is not there; undefined when all is well. */
  get problem(): string | undefined {
    return this.#threadProblem ?? this.#deviceProblem;
  }

  /** Detaches from the device, which stays. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    clearTimeout(this.#look);
    this.#rejectAll(closedError(this.#options.device));
    // First the thread that uses them.
    await this.#thread.close();
    this.#release();
  }

  #release(): void {
    if (this.#released) return;
    this.#released = true;
    closeSockets(this.#sockets);
    if (this.#device !== undefined) closeDescriptor(this.#device.fd);
  }

  #setup(): Omit<WorkerSetup, 'stopped'> {
    const { port, mtuBytes, addresses, without = [] } = this.#options;
    const bytesOf = (address: IpAddress | undefined) =>
      address === undefined ? undefined : ipToBytes(address);
    const sources = { ipv4: bytesOf(addresses.ipv4), ipv6: bytesOf(addresses.ipv6) };
    const counters = this.#counters;
    return { sockets: this.#sockets, device: this.#device, port, mtuBytes, sources, without, counters };
  }

  #post(change: TunnelChange): Promise<void> {
    const id = ++this.#lastChange;
    const waiting = Promise.withResolvers<void>();
    this.#waiting.set(id, waiting);
    this.#thread.post({ type: 'change', id, change });
    return waiting.promise;
  }

  #onMessage(message: Exclude<FromWorker, { type: 'broke' }>): void {
    switch (message.type) {
      case 'changed':
        this.#changed(message.id);
        break;
      case 'abilities':
        this.#abilities = message.abilities;
        break;
      case 'device-lost':
        this.#lostDevice();
        break;
    }
  }

  /** What a worker had before it broke, its successor has from the start. */
  #changed(upTo: number): void {
    this.#hasRun = true;
    this.#threadProblem = undefined;
    for (const [id, { resolve }] of this.#waiting) {
      if (id > upTo) continue;
      this.#waiting.delete(id);
      resolve();
    }
  }

  #lostDevice(): void {
    if (this.#device !== undefined) closeDescriptor(this.#device.fd);
    this.#device = undefined;
    this.#options.log.warn({ device: this.#options.device }, 'the device was deleted under the tunnel');
    this.attach();
  }

  #miss(problem = `there is no persistent TUN device ${this.#options.device}`): void {
    this.#deviceProblem = problem;
    this.#look = setTimeout(() => this.attach(), lookMs);
  }

  #restarted(): void {
    const set = [...this.#routes].map(([dst, peer]) => ({ dst, peer }));
    this.#post({ set, unset: [] }).catch(() => {});
    this.#options.log.info({ routes: set.length }, 'the thread of the tunnel runs again');
  }

  #broke(cause: unknown): void {
    this.#threadProblem = `the thread of the tunnel broke: ${describeError(cause)}`;
    this.#options.log.error({ err: cause }, 'the thread of the tunnel broke, and is started again');
    if (!this.#hasRun) this.#rejectAll(new WeftError('tunnel-thread', this.#threadProblem, { cause }));
  }

  #rejectAll(error: WeftError): void {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}

function closedError(device: string): WeftError {
  return new WeftError('tunnel-closed', `the tunnel of ${device} is closed`);
}
