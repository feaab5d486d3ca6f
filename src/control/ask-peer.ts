/** Questions to the daemon of another host, at its peer door. Most hosts answer; flanneld's, of course, do not. */
import type { IpAddress } from '../base/ip.ts';
import { type Asking, ask } from './ask.ts';
import {
  helloQuestion,
  type PeerHello,
  parseArmedWatch,
  parseHello,
  parseSightings,
  type Sighting,
  seenQuestion,
  watchQuestion,
} from './peer-questions.ts';

export interface AskingPeer {
  /** Of the answer to one question; a watch is waited for on top of that. */
  readonly patienceMs: number;
  /** Of the connection alone: how long to wait where no daemon is, and a firewall says nothing. */
  readonly connectMs?: number | undefined;
  readonly signal: AbortSignal;
  /** The address to ask from, by which the other host knows us; default: whichever the kernel takes. */
  readonly from?: IpAddress | undefined;
  /** Name of the network there, where there are several; default: the one that our addresses tell. */
  readonly network?: string | undefined;
}

/** The address of a host's peer door: a daemon listens on the underlay, by IPv4 where it has both. */
export function peerAddress({
  publicIp,
  publicIpv6,
}: {
  readonly publicIp: IpAddress | undefined;
  readonly publicIpv6: IpAddress | undefined;
}): IpAddress | undefined {
  return publicIp ?? publicIpv6;
}

/** @throws WeftError as {@link ask} */
export async function askHello(peer: IpAddress, port: number, asking: AskingPeer): Promise<PeerHello> {
  return parseHello(await askPeer(peer, port, helloQuestion, {}, asking));
}

export interface WatchRequest extends AskingPeer {
  /** Where the packet is sent: an address of the other host, or of a container there. */
  readonly destination: IpAddress;
  /** Thirty-two bits, that begin the payload of the echo request. */
  readonly mark: number;
  /** From now until the packet has been sent and is lost. At most {@link longestWatchMs}. */
  readonly watchMs: number;
}

/** Captures on the other host, which run from before this is given. */
export interface WatchThere {
  /**
   * Where it was seen there, in the order of the way: underlay, tunnel, container. Ends the watch.
   * @param milliseconds how much longer to wait for what has not been seen yet
   * @throws WeftError as {@link ask}
   */
  seen(milliseconds: number): Promise<Sighting[]>;
}

/** @throws WeftError as {@link ask}; `watch-busy` while too many others watch there */
export async function watchAt(peer: IpAddress, port: number, request: WatchRequest): Promise<WatchThere> {
  const { destination, mark, watchMs, patienceMs } = request;
  const query = { to: destination, mark: String(mark), milliseconds: String(watchMs) };
  const { id } = parseArmedWatch(await askPeer(peer, port, watchQuestion, query, request));
  return {
    async seen(milliseconds) {
      const asking = { ...request, patienceMs: patienceMs + milliseconds };
      const said = { id, milliseconds: String(milliseconds) };
      return parseSightings(await askPeer(peer, port, seenQuestion, said, asking));
    },
  };
}

/** @throws WeftError as {@link ask} */
export async function askPeer(
  host: IpAddress,
  port: number,
  question: string,
  query: NonNullable<Asking['query']>,
  { patienceMs, connectMs, signal, from, network }: AskingPeer,
): Promise<unknown> {
  return await ask({
    ...{ at: { host, port }, from, question, patienceMs, connectMs, signal },
    query: network === undefined ? query : { ...query, network },
  });
}
