import process from 'node:process';
import { styleText } from 'node:util';
import type { CaptureWriter } from '../capture/capture-writer.ts';
import type { OverlayPacket } from '../capture/overlay-packet.ts';
import { packetDetails } from '../capture/packet-details.ts';
import { packetLine } from '../capture/packet-line.ts';
import type { Paint, Weight } from '../capture/styled-line.ts';
import type { CapturedPacket } from '../wire/pcap-record.ts';
import { wantsColour } from './colour.ts';
import { columns, printable, wrap } from './wrap.ts';

const fewestColumns = 40;

/** Lines on stdout, gathered for as long as the event loop is busy with one burst; the file is written as often. */
export class CaptureOutput {
  readonly #writer: CaptureWriter | undefined;
  readonly #form: 'none' | 'line' | 'details';
  readonly #paint = painter();
  #lines: string[] = [];
  #waiting = false;

  constructor(writer: CaptureWriter | undefined, form: 'none' | 'line' | 'details') {
    this.#writer = writer;
    this.#form = form;
  }

  show(packet: CapturedPacket, overlay: OverlayPacket): void {
    if (this.#form === 'line') {
      const width = Math.max(fewestColumns, Math.min(process.stdout.columns ?? columns, columns));
      this.#lines.push(packetLine(packet, overlay, { columns: width, paint: this.#paint }));
    } else if (this.#form === 'details') {
      const lines = packetDetails(withPrintableName(packet), overlay, this.#paint);
      this.#lines.push(...lines.map(line => wrap(line, { hanging: 11 })));
    }
    if (this.#lines.length >= mostLines) this.flush();
    if (this.#waiting) return;
    this.#waiting = true;
    setImmediate(() => {
      this.#waiting = false;
      this.flush();
    });
  }

  flush(): void {
    this.#writer?.flush();
    if (this.#lines.length === 0) return;
    const text = `${this.#lines.join('\n')}\n`;
    this.#lines = [];
    process.stdout.write(text);
  }
}

/** Chosen: what is gathered at most, some tens of kilobytes. */
const mostLines = 500;

const styles: Readonly<Record<Weight, 'dim' | 'bold' | 'red' | undefined>> = {
  quiet: 'dim',
  plain: undefined,
  strong: 'bold',
  bad: 'red',
};

function painter(): Paint {
  if (!wantsColour(process.stdout)) return (_, text) => text;
  return (weight, text) => {
    const style = styles[weight];
    return style === undefined ? text : styleText(style, text, { validateStream: false });
  };
}

/** A file may name its interfaces as it likes. */
function withPrintableName(packet: CapturedPacket): CapturedPacket {
  const { name } = packet.via;
  return name === undefined ? packet : { ...packet, via: { ...packet.via, name: printable(name) } };
}
