/** One device under watch for one marked echo request and its answer. */
import { readU8 } from '../base/bytes.ts';
import { describeError } from '../base/errors.ts';
import type { Family } from '../base/ip.ts';
import type { Sighting } from '../control/peer-questions.ts';
import type { LinkName } from '../state/kernel-object.ts';
import { type CapturedFrame, PacketSocket } from '../sys/packet-socket.ts';
import { markFilter, markOffset } from './mark-filter.ts';

export interface WatchedDevice {
  readonly name: LinkName;
  readonly index: number;
  /** Path of its network namespace; undefined: the process's own. */
  readonly netns: string | undefined;
}

export interface WatchedProbe {
  readonly family: Family;
  /** Thirty-two random bits, by which the probe is known again. */
  readonly mark: number;
  /** Called when the request or its answer has been seen on a device for the first time. */
  onSeen(kind: Seen): void;
}

export type Seen = 'request' | 'answer';

/** Chosen: enough of a frame for the headers of both packets and the mark. */
const snapBytes = 256;

export class DeviceWatch {
  readonly #name: LinkName;
  readonly #seen = new Map<Seen, number>();
  #socket: PacketSocket | undefined;
  #problem: string | undefined;

  /** What keeps it from watching is told with the sighting. */
  constructor({ name, index, netns }: WatchedDevice, { family, mark, onSeen }: WatchedProbe) {
    this.#name = name;
    const onFrame = (frame: CapturedFrame): void => {
      const kind = kindOf(frame.bytes, mark, family);
      if (kind === undefined || this.#seen.has(kind)) return;
      this.#seen.set(kind, Number(frame.timeNs / 1000n) / 1000);
      onSeen(kind);
    };
    const onEnd = (error: Error): void => {
      this.#problem = describeError(error);
    };
    const filter = markFilter(mark, snapBytes);
    try {
      this.#socket = PacketSocket.open({ ifIndex: index, name, netns, filter, snapBytes, onFrame, onEnd });
    } catch (error) {
      this.#problem = describeError(error);
    }
  }

  get times(): number[] {
    return [...this.#seen.values()];
  }

  /** Nothing more is to be expected of it. */
  get isDone(): boolean {
    return this.#problem !== undefined || this.#seen.size === 2;
  }

  sighting(first: number): Sighting {
    const since = (kind: Seen): number | undefined => {
      const at = this.#seen.get(kind);
      return at === undefined ? undefined : at - first;
    };
    const dropped = this.#socket?.counts().dropped ?? 0;
    const problem = this.#problem ?? (dropped > 0 ? 'the kernel had no room for all packets' : undefined);
    return { device: this.#name, requestMs: since('request'), answerMs: since('answer'), problem };
  }

  close(): void {
    this.#socket?.close();
    this.#socket = undefined;
  }
}

/** Times are from the first of them all. */
export function sightingsOf(watches: readonly DeviceWatch[]): Sighting[] {
  const first = Math.min(...watches.flatMap(({ times }) => times));
  return watches.map(watch => watch.sighting(first));
}

function kindOf(frame: Uint8Array, mark: number, family: Family): Seen | undefined {
  const at = markOffset(frame, mark);
  if (at === undefined) return undefined;
  const type = readU8(frame, at - 8);
  const [request, answer] = family === 4 ? [8, 0] : [128, 129];
  return type === request ? 'request' : type === answer ? 'answer' : undefined;
}
