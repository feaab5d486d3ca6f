import {
  appendFileSync,
  closeSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { WeftError } from '../base/errors.ts';
import {
  compactJournal,
  type Journal,
  parseChanges,
  parseJournal,
  renderChange,
  renderJournal,
} from './directory-journal.ts';
import { ownFolder } from './directory-key.ts';
import { type Change, type History, revisionOf } from './history.ts';

const maxBytes = 16 * 1024 * 1024;
const fileMode = 0o600;

/**
 * The journal as a file, and a history kept in step with it. Everything here happens under the directory's lock.
 * Nothing is synced: after a power cut the files of the entries are the truth, and what the journal lost is
 * found by comparing (see DirectoryStore).
 */
export class JournalFile {
  readonly #path: string;
  readonly #history: History;
  /** Compacted when it holds twice as many changes. */
  readonly #keep: number;
  #id: string | undefined;
  #fd: number | undefined;
  /** Bytes that the history has seen, and the changes in them beside the checkpoint. */
  #seen = 0;
  #changes = 0;

  constructor(root: string, history: History, keep: number) {
    this.#path = path.join(root, ownFolder, 'journal');
    this.#history = history;
    this.#keep = keep;
  }

  /**
   * Reads what others have written. False when there is no journal.
   * @throws WeftError `journal-damaged`
   */
  catchUp(): boolean {
    const there = statSync(this.#path, { throwIfNoEntry: false });
    if (there === undefined) return false;
    const known = this.#fd === undefined ? undefined : fstatSync(this.#fd);
    if (known?.ino === there.ino && known.dev === there.dev && there.size >= this.#seen) {
      if (there.size > this.#seen) this.#record(this.#count(parseChanges(this.#read(there.size))));
    } else {
      this.#load();
    }
    return true;
  }

  /** Writes the next changes and takes them into the history. */
  append(changes: readonly Change[]): void {
    const fd = this.#fd;
    if (fd === undefined) throw new RangeError('append before catchUp');
    const text = changes.map(renderChange).join('');
    try {
      appendFileSync(fd, text);
    } catch (error) {
      ftruncateSync(fd, this.#seen);
      throw error;
    }
    this.#seen += Buffer.byteLength(text);
    this.#record(this.#count(changes));
    if (this.#changes > 2 * this.#keep || this.#seen > maxBytes) this.#compact();
  }

  /** Begins a journal anew. */
  replace(journal: Journal): void {
    writeFileSync(`${this.#path}.tmp`, renderJournal(journal), { mode: fileMode });
    renameSync(`${this.#path}.tmp`, this.#path);
    this.#load();
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  #load(): void {
    this.close();
    this.#fd = openSync(this.#path, 'a+', fileMode);
    this.#seen = 0;
    this.#changes = 0;
    const journal = parseJournal(this.#read(fstatSync(this.#fd).size));
    this.#count(journal.changes);
    const { id, base } = journal.header;
    const { revision } = this.#history;
    const last = base + BigInt(journal.changes.length);
    const goesOn = id === this.#id && base <= revision && revision <= last;
    if (!goesOn) this.#history.replace(journal.checkpoint, base);
    this.#id = id;
    this.#record(journal.changes.slice(Number(this.#history.revision - base)));
  }

  /** The whole lines after what was seen; what a killed process left of a line is cut off. */
  #read(size: number): string {
    const fd = this.#fd ?? -1;
    const bytes = Buffer.alloc(size - this.#seen);
    const length = readSync(fd, bytes, 0, bytes.length, this.#seen);
    const end = bytes.subarray(0, length).lastIndexOf(0x0a) + 1;
    if (end < length) ftruncateSync(fd, this.#seen + end);
    this.#seen += end;
    return bytes.toString('utf8', 0, end);
  }

  #count(changes: readonly Change[]): readonly Change[] {
    this.#changes += changes.length;
    return changes;
  }

  #record(changes: readonly Change[]): void {
    for (const change of changes) {
      if (revisionOf(change) !== this.#history.revision + 1n) {
        const found = `revision ${revisionOf(change)} after ${this.#history.revision}`;
        throw new WeftError('journal-damaged', `the journal ${this.#path} is damaged: ${found}`);
      }
      this.#history.record(change);
    }
    if (this.#history.length > 2 * this.#keep)
      this.#history.forget(this.#history.revision - BigInt(this.#keep));
  }

  #compact(): void {
    this.#seen = 0;
    const journal = parseJournal(this.#read(fstatSync(this.#fd ?? -1).size));
    const keep = this.#seen > maxBytes ? Math.floor(journal.changes.length / 4) : this.#keep;
    this.replace(compactJournal(journal, keep));
  }
}
