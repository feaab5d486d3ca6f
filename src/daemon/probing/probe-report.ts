/** What the log hears of peers that fall silent or come back: each by name, and one line where it is many at once. */
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { PeerTurn, ProbedPeer } from './probed-peer.ts';

export interface ProbeReportOptions {
  readonly log: Log;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Chosen: what breaks together is found broken within one interval and two seconds. */
const gatherMs = 3000;
const mostByName = 5;

export class ProbeReport {
  readonly #options: ProbeReportOptions;
  /** Since the first of them was gathered; the later word on a peer wins. */
  readonly #turns = new Map<ProbedPeer, PeerTurn>();

  constructor(options: ProbeReportOptions) {
    this.#options = options;
  }

  note(peer: ProbedPeer, turn: PeerTurn): void {
    if (this.#turns.size === 0) void this.#gather();
    const earlier = this.#turns.get(peer);
    if (earlier !== undefined && opposite[earlier] === turn) this.#turns.delete(peer);
    else this.#turns.set(peer, turn);
  }

  async #gather(): Promise<void> {
    const { clock, signal } = this.#options;
    await clock.sleep(gatherMs, { signal }).catch(() => {});
    const turns = [...this.#turns].filter(([peer]) => !peer.gone);
    this.#turns.clear();
    if (signal.aborted) return;
    for (const turn of ['silent', 'back', 'short', 'whole'] as const) {
      this.#tell(
        turn,
        turns.flatMap(([peer, its]) => (its === turn ? [peer] : [])),
      );
    }
  }

  #tell(turn: PeerTurn, peers: readonly ProbedPeer[]): void {
    const [first] = peers;
    if (first === undefined) return;
    if (peers.length > mostByName) this.#say(turn, many[turn](peers.length), first);
    else for (const peer of peers) this.#say(turn, one[turn](peer), peer);
  }

  #say(turn: PeerTurn, message: string, { target: { subnet, address } }: ProbedPeer): void {
    const { log } = this.#options;
    if (turn === 'back' || turn === 'whole') log.info({}, message);
    else log.warn({ asked: address, remedy: `see why with: weft doctor -peer ${subnet}` }, message);
  }
}

const opposite: Readonly<Record<PeerTurn, PeerTurn>> = {
  silent: 'back',
  back: 'silent',
  short: 'whole',
  whole: 'short',
};

const one: Readonly<Record<PeerTurn, (peer: ProbedPeer) => string>> = {
  silent: ({ target }) => `peer ${target.subnet} does not answer any more`,
  back: ({ target }) => `peer ${target.subnet} answers again`,
  short: ({ target: { subnet, wantedBytes }, search }) =>
    `packets to ${subnet} larger than ${search.largestBytes} bytes vanish: ${wantedBytes} should pass`,
  whole: ({ target: { subnet, wantedBytes } }) => `packets to ${subnet} of ${wantedBytes} bytes pass again`,
};

const many: Readonly<Record<PeerTurn, (count: number) => string>> = {
  silent: count => `${count} peers do not answer any more`,
  back: count => `${count} peers answer again`,
  short: count => `large packets to ${count} peers vanish`,
  whole: count => `large packets to ${count} peers pass again`,
};
