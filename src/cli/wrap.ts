/** No line of output is longer, unless it holds a single longer word. */
export const columns = 100;

/** How wide text for a stream is: as its terminal, within reason; elsewhere as most terminals are. */
export function columnsOf({ columns: terminal = 80 }: { readonly columns?: number | undefined }): number {
  return Math.min(columns, Math.max(40, terminal));
}

export interface WrapOptions {
  /** {@link columns} unless given. */
  readonly width?: number | undefined;
  /** Spaces before the first line. */
  readonly indent?: number | undefined;
  /** Spaces before every further line. */
  readonly hanging?: number | undefined;
}

/**
 * Breaks each line of `text` between words so that it fits the width; words longer than a line, such as
 * addresses and paths, stay whole. Colours take no room.
 */
export function wrap(text: string, { width = columns, indent = 0, hanging = 0 }: WrapOptions = {}): string {
  const lines: string[] = [];
  for (const paragraph of text.split('\n')) {
    let used = lines.length === 0 ? indent : hanging;
    let line = ' '.repeat(used);
    let empty = true;
    for (const word of paragraph.split(' ')) {
      const length = visibleLength(word);
      if (!empty && used + 1 + length > width) {
        lines.push(line);
        line = ' '.repeat(hanging) + word;
        used = hanging + length;
      } else {
        line += (empty ? '' : ' ') + word;
        used += (empty ? 0 : 1) + length;
      }
      empty = false;
    }
    lines.push(line.trimEnd());
  }
  return lines.join('\n');
}

/** Without what switches colours: ECMA-48, SELECT GRAPHIC RENDITION. */
function visibleLength(word: string): number {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it is what is looked for
  return word.includes('\x1b') ? word.replace(/\x1b\[[\d;]*m/g, '').length : word.length;
}

/** Makes text from outside safe to print: control characters, which could steer a terminal, become `\xNN`. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  return text.replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, character => {
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
}
