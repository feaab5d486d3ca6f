/** What this host tells of itself to a trace, or a doctor, on another one: asked through the daemon's peer door. */
import { networksOf } from '../backend/family.ts';
import { WeftError } from '../base/errors.ts';
import { familyOf, type IpAddress } from '../base/ip.ts';
import {
  type ArmedWatch,
  readSeenQuestion,
  readThereQuestion,
  readWatchQuestion,
  type Sighting,
} from '../control/peer-questions.ts';
import type { ServedNetwork } from '../host/served-network.ts';
import { NetlinkSocket } from '../sys/netlink-socket.ts';
import type { Arrival } from './arrival.ts';
import type { WatchedDevice } from './device-watch.ts';
import { noFirewall, readFirewall } from './read-firewall.ts';
import { readView } from './read-view.ts';
import { runArrival } from './run-trace.ts';
import { deviceBehind } from './start.ts';
import type { ThereAnswer } from './there-answer.ts';
import {
  bridgeEntryOf,
  isOwnAddress,
  type KernelView,
  linkOf,
  type NetworkView,
  neighbourOf,
} from './view.ts';
import { WatchBook } from './watch-book.ts';

/** Chosen: each reads the kernel and starts the firewall's programs. */
const mostTraces = 2;

export class PacketAnswers {
  readonly #watches = new WatchBook();
  #traces = 0;

  /**
   * Our half of a packet's way, and of the answer to it.
   * @throws WeftError `question-invalid`, `trace-busy`; NetlinkError
   */
  async trace(of: ServedNetwork, query: URLSearchParams, signal: AbortSignal): Promise<ThereAnswer> {
    const { from: source, to: destination } = readThereQuestion(query);
    if (this.#traces >= mostTraces) {
      throw new WeftError('trace-busy', `${mostTraces} others trace here already`, {
        remedy: 'ask again in a moment',
      });
    }
    this.#traces++;
    try {
      return await arrivalOf(of, { source, destination }, signal);
    } finally {
      this.#traces--;
    }
  }

  /** @throws WeftError `question-invalid`, `watch-busy`; NetlinkError */
  async watch(of: ServedNetwork, query: URLSearchParams): Promise<ArmedWatch> {
    const question = readWatchQuestion(query);
    return this.#watches.arm(question, await devicesToward(of, question.to));
  }

  /** @throws WeftError `question-invalid`, `watch-unknown` */
  async seen(
    query: URLSearchParams,
    signal: AbortSignal,
  ): Promise<{ readonly sightings: readonly Sighting[] }> {
    return { sightings: await this.#watches.seen(readSeenQuestion(query), signal) };
  }

  close(): void {
    this.#watches.close();
  }
}

async function arrivalOf(of: ServedNetwork, arrival: Arrival, signal: AbortSignal): Promise<ThereAnswer> {
  const socket = openSocket(of);
  try {
    const firewall = await readFirewall(of.netns, familyOf(arrival.destination), signal);
    const view = await readView(socket, firewall);
    return { hops: await runArrival(socket, view, networkViewOf(of), arrival) };
  } finally {
    socket.close();
  }
}

/** One of our own: the daemon's is for its work. */
function openSocket({ netns }: ServedNetwork): NetlinkSocket {
  return NetlinkSocket.open(netns === undefined ? {} : { netns });
}

function networkViewOf({ membership, leases }: ServedNetwork): NetworkView {
  const { config, lease: own } = membership.host;
  return {
    unread: undefined,
    config,
    leases: [own, ...leases],
    networks: networksOf(config),
    subnet: own.subnet,
    own,
  };
}

/** From the underlay to the address, as far as a packet is to be seen on a device. */
async function devicesToward(of: ServedNetwork, to: IpAddress): Promise<WatchedDevice[]> {
  const { membership, netns } = of;
  const { backend, host, chosen } = membership;
  const underlay = { name: chosen.external.name, index: chosen.index, netns: undefined };
  const socket = openSocket(of);
  try {
    const view = await readView(socket, noFirewall);
    const tunnel = backend.tunnelDevice(familyOf(to), host.external);
    const names = [tunnel === underlay.name ? [] : tunnel, behind(view, to)].flat();
    const links = names.map(name => linkOf(view, name)).filter(link => link !== undefined);
    return [underlay, ...links.map(({ name, index }) => ({ name, index, netns }))];
  } finally {
    socket.close();
  }
}

/** The container's bridge and its port there; none for an address of this host itself. */
function behind(view: KernelView, to: IpAddress): string[] {
  const dev = isOwnAddress(view, to) ? undefined : deviceBehind(view, to);
  if (dev === undefined) return [];
  const mac = neighbourOf(view, dev, to)?.lladdr;
  const port = mac === undefined ? undefined : bridgeEntryOf(view, dev, mac)?.dev;
  return port === undefined || port === dev ? [dev] : [dev, port];
}
