/**
 * A request-and-answer conversation with rtnetlink.
 *
 *   requestAll([...]) -> one sendto(2) per {@link requestsPerSend} requests -> kernel -> a verdict for each that was
 *                        refused and for the last, matched by sequence number
 *   dump(request)     -> sendto(2) -> kernel -> many messages, DONE; again from the start when interrupted
 *
 * Operations queue: the kernel runs one dump per socket, and verdicts must not overflow the receive buffer.
 */
import { setImmediate } from 'node:timers/promises';
import { ByteWriter } from '../base/bytes.ts';
import { WeftError } from '../base/errors.ts';
import {
  decodeMessages,
  decodeVerdict,
  encodeMessage,
  type NetlinkMessage,
  type NetlinkRequest,
  NLM_F,
  NLMSG,
} from '../wire/netlink.ts';
import { closedError, NetlinkEndpoint } from './netlink-endpoint.ts';
import { NetlinkError } from './netlink-error.ts';

export interface NetlinkSocketOptions {
  /** Path of a network namespace, such as /run/netns/blue; default: the process's own. */
  readonly netns?: string | undefined;
}

/** What became of one request. */
export type Outcome = { readonly ok: true; readonly reply: NetlinkMessage | undefined } | Refusal;

export interface Refusal {
  readonly ok: false;
  readonly error: WeftError;
}

/**
 * A refusal takes under 1 KiB of the receive buffer: this many fit even into the default 208 KiB. Larger batches gain
 * nothing (measured up to 2,048, November 2026), and other work waits for each.
 */
const requestsPerSend = 128;
const receiveBufferBytes = 1024 * 1024;
const dumpTries = 20;

interface Operation {
  /** Takes one message that answers `sequence`; true when the operation is complete. */
  take(message: NetlinkMessage): boolean;
  finish(): void;
  fail(error: WeftError): void;
}

export class NetlinkSocket implements Disposable {
  /** Path of the network namespace that it is in; undefined: the process's own. */
  readonly netns: string | undefined;
  /** Its number as the kernel's notices tell it: by whom an object was changed. */
  readonly port: number;
  readonly #endpoint: NetlinkEndpoint;
  #sequence = 0;
  #current: Operation | undefined;
  #queue: Promise<unknown> = Promise.resolve();
  #closed = false;

  private constructor(options: NetlinkSocketOptions) {
    this.netns = options.netns;
    this.#endpoint = NetlinkEndpoint.open(
      { netns: options.netns, receiveBufferBytes },
      {
        onDatagram: bytes => this.#onDatagram(bytes),
        onOverrun: () =>
          this.#abort(new WeftError('netlink-overrun', 'the kernel dropped answers (ENOBUFS)')),
        onFailure: ({ name, words }) =>
          this.#abort(new WeftError('netlink-read', `reading from rtnetlink failed: ${name} (${words})`)),
      },
    );
    this.#endpoint.unref();
    this.port = this.#endpoint.port;
  }

  /**
   * Opens a socket in the network namespace given, to which it then belongs for good.
   * @throws WeftError `netns-missing`, `syscall-failed`
   */
  static open(options: NetlinkSocketOptions = {}): NetlinkSocket {
    return new NetlinkSocket(options);
  }

  /**
   * Sends one request and gives its reply, which only GET requests have.
   * @throws NetlinkError what the kernel answered
   */
  async request(request: NetlinkRequest): Promise<NetlinkMessage | undefined> {
    const [outcome] = await this.requestAll([request]);
    if (outcome?.ok !== true) throw outcome?.error ?? closedError();
    return outcome.reply;
  }

  /**
   * Sends many requests in few system calls. The kernel handles them in order and goes on after a refusal.
   * Never throws for a refusal: there is one outcome for each request, in the same order.
   */
  async requestAll(requests: readonly NetlinkRequest[]): Promise<Outcome[]> {
    const outcomes: Outcome[] = [];
    for (let at = 0; at < requests.length; at += requestsPerSend) {
      // Everything here happens without the event loop: let timers, signals and monitors have their turn.
      if (at > 0) await setImmediate();
      const batch = requests.slice(at, at + requestsPerSend);
      for (const outcome of await this.#enqueue(() => this.#sendBatch(batch))) outcomes.push(outcome);
    }
    return outcomes;
  }

  /**
   * Reads a whole table: `take` sees each message, whose bytes are only valid during the call. An interrupted
   * dump (NLM_F_DUMP_INTR: the table changed meanwhile) starts again with `restart`.
   * @throws NetlinkError, WeftError `netlink-dump-interrupted` when it never comes through
   */
  async dump(
    request: NetlinkRequest,
    take: (message: NetlinkMessage) => void,
    restart: () => void,
  ): Promise<void> {
    for (let attempt = 0; attempt < dumpTries; attempt++) {
      if (await this.#enqueue(() => this.#dumpOnce(request, take))) return;
      restart();
    }
    throw new WeftError('netlink-dump-interrupted', `${request.what()} was interrupted ${dumpTries} times`, {
      remedy: 'something changes this table without pause: find it with `ip monitor`',
    });
  }

  /** Fails what is under way and closes the descriptor; idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#endpoint.close();
    this.#abort(closedError());
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #enqueue<T>(start: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(async () => {
      if (this.#closed) throw closedError();
      this.#endpoint.ref();
      try {
        return await start();
      } finally {
        this.#endpoint.unref();
      }
    });
    this.#queue = result.catch(() => {});
    return result;
  }

  /**
   * The kernel deals with the requests in order and tells every refusal, asked for or not (net/netlink/af_netlink.c
   * netlink_rcv_skb): when the last, the only one that asks, has its verdict, silence means that the others were granted.
   */
  #sendBatch(requests: readonly NetlinkRequest[]): Promise<Outcome[]> {
    const first = (this.#sequence + 1) >>> 0;
    const last = requests.length - 1;
    const writer = new ByteWriter(requests.length * 128);
    for (const [position, request] of requests.entries()) {
      const flags = position === last ? request.flags | NLM_F.ACK : request.flags & ~NLM_F.ACK;
      encodeMessage(writer, request, this.#nextSequence(), flags);
    }
    const outcomes = new Array<Outcome>(requests.length).fill(granted);
    const take = (message: NetlinkMessage): boolean => {
      const position = (message.sequence - first) >>> 0;
      const request = requests[position];
      if (request === undefined) return false;
      if (message.type !== NLMSG.ERROR) {
        outcomes[position] = { ok: true, reply: { ...message, body: message.body.slice() } };
        return false;
      }
      const verdict = decodeVerdict(message);
      if (verdict.errno !== 0)
        outcomes[position] = { ok: false, error: new NetlinkError(request.what(), verdict) };
      return position === last;
    };
    return this.#run(writer.toBytes(), take, () => outcomes);
  }

  #dumpOnce(request: NetlinkRequest, each: (message: NetlinkMessage) => void): Promise<boolean> {
    const sequence = this.#nextSequence();
    const writer = new ByteWriter(64);
    encodeMessage(writer, request, sequence);
    let whole = true;
    let failure: unknown;
    const take = (message: NetlinkMessage): boolean => {
      if (message.sequence !== sequence) return false;
      if ((message.flags & NLM_F.DUMP_INTR) !== 0) whole = false;
      if (message.type === NLMSG.DONE || message.type === NLMSG.ERROR) {
        const verdict = decodeVerdict(message);
        if (verdict.errno > 0) throw new NetlinkError(request.what(), verdict);
        if (failure !== undefined) throw failure;
        return true;
      }
      try {
        if (message.type !== NLMSG.NOOP) each(message);
      } catch (error) {
        // The dump must be read to its end: until then the kernel refuses another on this socket (EBUSY).
        failure ??= error;
      }
      return false;
    };
    return this.#run(writer.toBytes(), take, () => whole);
  }

  #run<T>(bytes: Uint8Array, take: Operation['take'], result: () => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#current = { take, finish: () => resolve(result()), fail: reject };
      try {
        this.#endpoint.send(bytes);
      } catch (error) {
        this.#current = undefined;
        reject(error);
        return;
      }
      this.#endpoint.drain();
    });
  }

  #onDatagram(bytes: Uint8Array): void {
    const operation = this.#current;
    if (operation === undefined) return;
    try {
      for (const message of decodeMessages(bytes)) {
        const complete = operation.take(message);
        // Whoever looks at a message may close the socket.
        if (this.#current !== operation) return;
        if (!complete) continue;
        this.#current = undefined;
        operation.finish();
        return;
      }
    } catch (error) {
      this.#current = undefined;
      operation.fail(error as WeftError);
    }
  }

  #abort(error: WeftError): void {
    const operation = this.#current;
    this.#current = undefined;
    operation?.fail(error);
  }

  #nextSequence(): number {
    this.#sequence = (this.#sequence + 1) >>> 0;
    return this.#sequence;
  }
}

/** What most requests come to. */
const granted: Outcome = { ok: true, reply: undefined };
