/**
 * The door for the daemons, doctors and traces of other hosts: on the underlay, so that it answers when the overlay is
 * broken; for members of the network only, and for nothing but looking. docs/adr/0021-peer-door.md says why.
 */
import { type Backoff, backoffMs } from '../base/backoff.ts';
import { Bell } from '../base/bell.ts';
import type { Clock } from '../base/clock.ts';
import { describeError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { type Answer, type Door, type DoorPlace, describePlace, openDoor } from '../control/door.ts';
import { helloQuestion, seenQuestion, thereQuestion, watchQuestion } from '../control/peer-questions.ts';
import { knowsHost, type ServedNetwork } from '../host/served-network.ts';
import { networkAskedFor, type PeeredNetwork } from './asked-network.ts';
import { helloOf } from './peer-hello.ts';

export interface PeerDoorOptions {
  /** TCP. */
  readonly port: number;
  /** Of this program. */
  readonly version: string;
  /** Those of this host, joined or not. */
  networks(): readonly PeeredNetwork[];
  /** Loads what few hosts are ever asked for. */
  loadPacketAnswers(): Promise<PacketAnswers>;
  readonly log: Log;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

/** Answers about packets: how they go here, and where they are seen. */
export interface PacketAnswers {
  trace(of: ServedNetwork, query: URLSearchParams, signal: AbortSignal): Promise<unknown>;
  watch(of: ServedNetwork, query: URLSearchParams): Promise<unknown>;
  seen(query: URLSearchParams, signal: AbortSignal): Promise<unknown>;
  close(): void;
}

/** Whoever changes the underlay's address says so; this is for what went wrong in saying it. */
const auditMs = 60_000;
const retry: Backoff = { firstMs: 2000, maxMs: 60_000 };

export class PeerDoor {
  readonly #options: PeerDoorOptions;
  readonly #closing = new AbortController();
  readonly #bell = new Bell();
  #door: { readonly door: Door; readonly at: string } | undefined;
  #packetAnswers: Promise<PacketAnswers> | undefined;
  #told = '';

  /** Opens as soon as the host has joined a network, and moves with its address, until it is closed. Never rejects. */
  static keep(options: PeerDoorOptions): PeerDoor {
    const door = new PeerDoor(options);
    void door.#keep();
    return door;
  }

  /** Use {@link keep}. */
  constructor(options: PeerDoorOptions) {
    this.#options = options;
  }

  /** The networks are joined, or their address is another: it listens where it should now. */
  look(): void {
    this.#bell.ring();
  }

  close(): void {
    this.#closing.abort();
    this.#door?.door.close();
    void this.#packetAnswers?.then(answers => answers.close()).catch(() => {});
  }

  async #keep(): Promise<void> {
    const { clock, random } = this.#options;
    const { signal } = this.#closing;
    for (let failures = 0; !signal.aborted; ) {
      failures = (await this.#settle()) ? 0 : failures + 1;
      const pauseMs = failures === 0 ? auditMs : backoffMs(retry, failures - 1, random());
      await this.#bell.heard(clock, pauseMs, signal);
    }
  }

  /** Listens where it should. False when that failed. */
  async #settle(): Promise<boolean> {
    const listen = this.#place();
    const at = listen === undefined ? undefined : describePlace(listen);
    if (at === this.#door?.at) return true;
    this.#door?.door.close();
    this.#door = undefined;
    if (listen === undefined || at === undefined) return true;
    const { log } = this.#options;
    try {
      const answers = this.#answers();
      const door = await openDoor({ listen, answers, admits: from => this.#knownTo(from).length > 0, log });
      if (this.#closing.signal.aborted) door.close();
      else this.#door = { door, at };
      this.#told = '';
      log.debug({ at }, 'other hosts may ask here');
      return true;
    } catch (error) {
      this.#tell(describeError(error));
      return false;
    }
  }

  #place(): (DoorPlace & { readonly host: unknown; readonly port: number }) | undefined {
    for (const { served } of this.#options.networks()) {
      const external = served?.membership.chosen.external;
      const host = external?.ipv4 ?? external?.ipv6;
      if (host !== undefined) return { host, port: this.#options.port };
    }
    return undefined;
  }

  #tell(problem: string): void {
    if (problem === this.#told) return;
    this.#told = problem;
    const { log, port } = this.#options;
    const remedy = `see who has the port with: ss -ltnp sport = :${port}; choose another -peer-port, the same on all hosts, or 0 for none`;
    log.warn({ remedy }, `other hosts cannot ask this one, trying again now and then: ${problem}`);
  }

  /** The networks in which this is the address of a host; for anybody else there are none. */
  #knownTo(from: Parameters<Answer>[2]): PeeredNetwork[] {
    if (from === undefined) return [];
    return this.#options.networks().filter(({ served }) => served !== undefined && knowsHost(served, from));
  }

  #answers(): Readonly<Record<string, Answer>> {
    const { version, clock, loadPacketAnswers } = this.#options;
    const packets = (): Promise<PacketAnswers> => {
      this.#packetAnswers ??= loadPacketAnswers().catch((error: unknown) => {
        // What could not be loaded may be loaded the next time.
        this.#packetAnswers = undefined;
        throw error;
      });
      return this.#packetAnswers;
    };
    const served = (query: URLSearchParams, from: Parameters<Answer>[2]): ServedNetwork =>
      networkAskedFor(this.#knownTo(from), query).served;
    return {
      [helloQuestion]: (query, _, from) => helloOf(this.#knownTo(from), query, { version, clock }),
      [thereQuestion]: async (query, signal, from) =>
        (await packets()).trace(served(query, from), query, signal),
      [watchQuestion]: async (query, _, from) => (await packets()).watch(served(query, from), query),
      [seenQuestion]: async (query, signal) => (await packets()).seen(query, signal),
    };
  }
}
