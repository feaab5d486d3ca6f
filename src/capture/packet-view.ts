/** What becomes of each captured packet, from a link or a file: decoded, chosen, written, shown, counted. */
import type { CapturedPacket } from '../wire/pcap-record.ts';
import type { CaptureWriter } from './capture-writer.ts';
import { OverlayDecoder, type OverlayPacket } from './overlay-packet.ts';
import { isChosen, type PacketChoice } from './packet-choice.ts';

export interface PacketViewOptions {
  /** UDP ports of tunnels; may grow. */
  readonly ports: readonly number[];
  readonly choice: PacketChoice;
  /** End after so many; 0: never. */
  readonly count: number;
  readonly writer: CaptureWriter | undefined;
  show(packet: CapturedPacket, overlay: OverlayPacket): void;
}

export class PacketView {
  readonly #options: PacketViewOptions;
  readonly #decoder: OverlayDecoder;
  #shown = 0;
  #taken = 0;
  #leftOut = 0;

  constructor(options: PacketViewOptions) {
    this.#options = options;
    this.#decoder = new OverlayDecoder(options.ports);
  }

  /** Packets of the overlay. */
  get shown(): number {
    return this.#shown;
  }

  /** Captured packets that hold those: fewer where the kernel had several datagrams in one. */
  get taken(): number {
    return this.#taken;
  }

  /** Captured packets that are none of an overlay, or not chosen. */
  get leftOut(): number {
    return this.#leftOut;
  }

  take(packet: CapturedPacket): 'more' | 'enough' {
    const { choice, count, writer, show } = this.#options;
    const chosen = this.#decoder.decode(packet).filter(overlay => isChosen(overlay, choice));
    if (chosen.length === 0) {
      this.#leftOut++;
      return 'more';
    }
    // As it was captured: whoever reads it back sees what was seen here.
    writer?.packet(packet);
    this.#taken++;
    for (const overlay of chosen) {
      show(packet, overlay);
      this.#shown++;
      if (this.#shown === count) return 'enough';
    }
    return 'more';
  }
}
