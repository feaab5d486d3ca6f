/** Echo requests by ourselves, so that nothing needs a `ping` program. */
import { WeftError } from '../base/errors.ts';
import { type Family, familyOf, type IpAddress } from '../base/ip.ts';
import { decodeIcmp, encodeIcmp } from '../wire/icmp.ts';
import { type IcmpReply, IcmpSocket } from './icmp-socket.ts';
import { inNetns } from './netns.ts';

export interface Echo {
  readonly identifier: number;
  readonly sequence: number;
}

export interface EchoReply extends Echo {
  /** As it came in; undefined in IPv6, where the kernel keeps the header. */
  readonly ttl: number | undefined;
}

export interface EchoSocketOptions {
  /** Path of the network namespace that it sends from. */
  readonly netns: string;
  readonly destination: IpAddress;
  /** Every reply that reaches the namespace, to whomever. */
  onReply(reply: EchoReply): void;
}

/** Sends echo requests to one address, on Node's event loop. Needs CAP_NET_RAW in the namespace. */
export class EchoSocket {
  readonly #socket: IcmpSocket;
  readonly #family: Family;
  readonly #options: EchoSocketOptions;

  private constructor(options: EchoSocketOptions) {
    const family = familyOf(options.destination);
    this.#family = family;
    this.#options = options;
    this.#socket = inNetns(options.netns, () =>
      IcmpSocket.open({ family, onReply: reply => this.#take(reply) }),
    );
  }

  /** @throws WeftError `netns-missing`, `icmp-forbidden`, `syscall-failed` */
  static open(options: EchoSocketOptions): EchoSocket {
    return new EchoSocket(options);
  }

  /** @throws WeftError `echo-send`, also when there is no route */
  send(echo: Echo, payload: Uint8Array): void {
    const { destination } = this.#options;
    const message = encodeIcmp({ kind: 'echo-request', ...echo }, this.#family, payload);
    const failure = this.#socket.send(destination, message);
    if (failure === undefined) return;
    const { name, words } = failure;
    throw new WeftError('echo-send', `sending to ${destination} failed: ${name} (${words})`);
  }

  close(): void {
    this.#socket.close();
  }

  #take({ message: bytes, ttl }: IcmpReply): void {
    const { message } = decodeIcmp(bytes, this.#family).header;
    if (message.kind === 'echo-reply') this.#options.onReply({ ...message, ttl });
  }
}
