/** The status again and again: on a terminal always in the same place, elsewhere one after the other. */
import { systemClock } from '../sys/clock.ts';

export interface WatchedScreen {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  readonly rows?: number | undefined;
}

export interface WatchOptions {
  readonly screen: WatchedScreen;
  readonly intervalMs: number;
  /** What is printed each time; never rejects but with the signal's reason. */
  read(): Promise<string>;
  /** Stands before each print that is no screen: when it is, or nothing. */
  separator(): string;
  /** Ends it, without an error. */
  readonly signal: AbortSignal;
}

export async function watchStatus({
  screen,
  intervalMs,
  read,
  separator,
  signal,
}: WatchOptions): Promise<void> {
  for (let isFirst = true; !signal.aborted; isFirst = false) {
    try {
      const text = await read();
      screen.write(screen.isTTY ? frame(text, screen.rows, isFirst) : `${separator()}${text}\n`);
      await systemClock.sleep(intervalMs, { signal });
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }
}

/** ECMA-48: cursor home, erase to the end of the line, erase to the end of the screen; each line over the one before. */
const home = '\x1b[H';
const eraseLine = '\x1b[K';
const eraseBelow = '\x1b[J';

/** In one piece, and never empty in between, so that nothing flickers; what does not fit the screen is a number. */
export function frame(text: string, rows = 24, isFirst = false): string {
  const lines = text.split('\n');
  const shown = lines.length < rows ? lines : [...lines.slice(0, rows - 2), more(lines.length - rows + 2)];
  return `${home}${isFirst ? eraseBelow : ''}${shown.join(`${eraseLine}\n`)}${eraseLine}\n${eraseBelow}`;
}

function more(lines: number): string {
  return `... ${lines} more lines: a taller terminal, or -peer`;
}
