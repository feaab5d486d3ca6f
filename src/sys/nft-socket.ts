/**
 * nftables without a process: hears of every committed change (`nft monitor`), and changes elements of sets. One
 * socket for both.
 */
import { ByteWriter } from '../base/bytes.ts';
import { WeftError } from '../base/errors.ts';
import { decodeMessages, decodeVerdict, encodeMessage, type NetlinkMessage, NLMSG } from '../wire/netlink.ts';
import {
  decodeNftNotice,
  type ElementChange,
  elementTransaction,
  type NftNotice,
  netfilterProtocol,
  nftablesGroup,
} from '../wire/nftables.ts';
import { closedError, NetlinkEndpoint } from './netlink-endpoint.ts';
import { NetlinkError } from './netlink-error.ts';

export interface NftSocketOptions {
  /** Path of a network namespace; default: the thread's own. */
  readonly netns?: string | undefined;
  onNotice(notice: NftNotice): void;
  /** Notices were lost: look at everything. */
  onOverrun(): void;
}

/** A whole reload of a large firewall while JavaScript is busy. */
const receiveBufferBytes = 4 * 1024 * 1024;

interface Transaction {
  /** Sequence numbers of the requests that want a verdict, with what they are. */
  readonly open: Map<number, string>;
  readonly first: number;
  readonly last: number;
  readonly finish: () => void;
  readonly fail: (error: WeftError) => void;
}

export class NftSocket {
  readonly #endpoint: NetlinkEndpoint;
  readonly #options: NftSocketOptions;
  #sequence = 0;
  #transaction: Transaction | undefined;
  #queue: Promise<unknown> = Promise.resolve();
  #closed = false;

  private constructor(options: NftSocketOptions) {
    this.#options = options;
    this.#endpoint = NetlinkEndpoint.open(
      { netns: options.netns, protocol: netfilterProtocol, groups: [nftablesGroup], receiveBufferBytes },
      {
        onDatagram: bytes => this.#onDatagram(bytes),
        onOverrun: () => this.#lost(),
        onFailure: () => this.#lost(),
      },
    );
    this.#endpoint.unref();
  }

  /** @throws WeftError `netns-missing`, `syscall-failed` and `netlink-group` also where the kernel has no nftables */
  static open(options: NftSocketOptions): NftSocket {
    return new NftSocket(options);
  }

  /**
   * Adds and deletes elements in one transaction: all of it or nothing. What is added may be there already; what is
   * deleted must be.
   * @throws NetlinkError what the kernel answered, `netlink-enoent` when the set is not there
   */
  changeElements(changes: readonly ElementChange[]): Promise<void> {
    const result = this.#queue.then(() => this.#transact(changes));
    this.#queue = result.catch(() => {});
    return result;
  }

  /** Tells at once of all that was committed until now, by programs that have ended for one. */
  drain(): void {
    this.#endpoint.drain();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#endpoint.close();
    this.#transaction?.fail(closedError());
  }

  #transact(changes: readonly ElementChange[]): Promise<void> {
    const requests = elementTransaction(changes);
    if (requests.length === 2) return Promise.resolve();
    const writer = new ByteWriter(1024);
    const open = new Map<number, string>();
    const first = this.#sequence + 1;
    for (const request of requests) {
      this.#sequence = (this.#sequence + 1) >>> 0;
      encodeMessage(writer, request, this.#sequence);
      if (request.type >>> 8 !== 0) open.set(this.#sequence, request.what());
    }
    return new Promise((resolve, reject) => {
      const settle = (act: () => void) => () => {
        this.#transaction = undefined;
        act();
      };
      this.#transaction = {
        ...{ open, first, last: this.#sequence },
        finish: settle(resolve),
        fail: error => settle(() => reject(error))(),
      };
      try {
        this.#endpoint.send(writer.toBytes());
        // The kernel has answered when send comes back.
        this.#endpoint.drain();
      } catch (error) {
        this.#transaction.fail(error as WeftError);
      }
    });
  }

  #onDatagram(bytes: Uint8Array): void {
    try {
      for (const message of [...decodeMessages(bytes)]) {
        if (message.type === NLMSG.ERROR) this.#onVerdict(message);
        else this.#onMessage(message);
      }
    } catch {
      this.#lost();
    }
  }

  #onVerdict(message: NetlinkMessage): void {
    const transaction = this.#transaction;
    if (transaction === undefined) return;
    if (message.sequence < transaction.first || message.sequence > transaction.last) return;
    const verdict = decodeVerdict(message);
    const what = transaction.open.get(message.sequence) ?? 'nft transaction';
    transaction.open.delete(message.sequence);
    if (verdict.errno !== 0) transaction.fail(new NetlinkError(what, verdict));
    else if (transaction.open.size === 0) transaction.finish();
  }

  #onMessage(message: NetlinkMessage): void {
    const notice = decodeNftNotice(message);
    if (notice !== undefined) this.#options.onNotice(notice);
  }

  #lost(): void {
    this.#transaction?.fail(new WeftError('netlink-overrun', 'answers from nftables were lost'));
    this.#options.onOverrun();
  }
}
