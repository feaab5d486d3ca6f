/** Echo requests by ourselves, so that nothing needs a `ping` program: icmp(7) and its IPv6 twin over raw(7). */
import { ByteWriter } from '../base/bytes.ts';
import { WeftError } from '../base/errors.ts';
import { type Family, familyOf, type IpAddress, ipToBytes } from '../base/ip.ts';
import { decodeIcmp, encodeIcmp } from '../wire/icmp.ts';
import { decodeIpv4, ipProtocols } from '../wire/ipv4.ts';
import { closeDescriptor, lastErrno, pointerOf, receive, sendDatagramTo, socket } from './libc.ts';
import { inNetns } from './netns.ts';
import { ReadableWatch } from './readable.ts';

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

const AF = { 4: 2, 6: 10 } as const;
const SOCK_RAW_CLOEXEC_NONBLOCK = 3 | 0x80000 | 0x800;
const protocols = { 4: ipProtocols.icmp, 6: ipProtocols.icmp6 } as const;
/** More than the largest packet, and so large that V8 never moves it. */
const packetBytes = 65_536;
const readsPerTurn = 64;

/** Sends echo requests on Node's event loop. Needs CAP_NET_RAW in the namespace. */
export class EchoSocket {
  readonly #fd: number;
  readonly #family: Family;
  readonly #options: EchoSocketOptions;
  readonly #buffer = new Uint8Array(new ArrayBuffer(packetBytes));
  readonly #watch: ReadableWatch;
  #closed = false;

  private constructor(fd: number, family: Family, options: EchoSocketOptions) {
    this.#fd = fd;
    this.#family = family;
    this.#options = options;
    this.#watch = new ReadableWatch(fd, () => this.#drain());
  }

  /** @throws WeftError `netns-missing`, `syscall-failed` */
  static open(options: EchoSocketOptions): EchoSocket {
    const family = familyOf(options.destination);
    const open = (): number => socket(AF[family], SOCK_RAW_CLOEXEC_NONBLOCK, protocols[family]);
    return new EchoSocket(inNetns(options.netns, open), family, options);
  }

  /**
   * The kernel puts the IP header before it and, in IPv6, the checksum into it (RFC 3542 section 3.1).
   * @throws WeftError `echo-send`, also when there is no route
   */
  send(echo: Echo, payload: Uint8Array): void {
    const { destination } = this.#options;
    const message = encodeIcmp({ kind: 'echo-request', ...echo }, this.#family, payload);
    if (sendDatagramTo(this.#fd, message, socketAddress(destination)) >= 0) return;
    const { name, words } = lastErrno();
    throw new WeftError('echo-send', `sending to ${destination} failed: ${name} (${words})`);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#watch.close();
    closeDescriptor(this.#fd);
  }

  /** Also takes the errors that routers reported, by which the socket would stay readable. */
  #drain(): void {
    for (let reads = 0; reads < readsPerTurn && !this.#closed; reads++) {
      const length = receive(this.#fd, pointerOf(this.#buffer), packetBytes, 0);
      if (length >= 0) this.#take(this.#buffer.subarray(0, length));
      else if (lastErrno().name === 'EAGAIN') return;
    }
  }

  /** An IPv4 socket is given the header too, an IPv6 one is not. */
  #take(bytes: Uint8Array): void {
    const packet = this.#family === 4 ? decodeIpv4(bytes) : undefined;
    const { message } = decodeIcmp(packet?.payload ?? bytes, this.#family).header;
    if (message.kind === 'echo-reply') this.#options.onReply({ ...message, ttl: packet?.header.ttl });
  }
}

/** struct sockaddr_in (family, port, address, padding) or sockaddr_in6 (family, port, flow, address, scope). */
function socketAddress(address: IpAddress): Uint8Array {
  const family = familyOf(address);
  const writer = new ByteWriter().u16le(AF[family]).zeros(family === 4 ? 2 : 6);
  return writer
    .bytes(ipToBytes(address))
    .zeros(family === 4 ? 8 : 4)
    .toBytes();
}
