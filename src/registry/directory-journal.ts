import { WeftError } from '../base/errors.ts';
import { applyChange, type Change, revisionOf, type StoredEntry } from './history.ts';
import type { Revision } from './registry.ts';

/**
 * The journal is text, one JSON object per line: first the header, then changes in the order of their revisions.
 * Those up to `base` are a checkpoint (the entries as they were then), those after it history that can be told.
 * A line counts once its newline is there.
 */
export interface JournalHeader {
  /** Which history this is: a journal made anew has another one, and its revisions mean something else. */
  readonly id: string;
  readonly base: Revision;
}

export interface Journal {
  readonly header: JournalHeader;
  readonly checkpoint: readonly StoredEntry[];
  readonly changes: readonly Change[];
}

export function renderHeader(header: JournalHeader): string {
  return `${JSON.stringify({ format: 1, id: header.id, base: Number(header.base) })}\n`;
}

export function renderChange(change: Change): string {
  const revision = Number(revisionOf(change));
  if (change.type === 'delete') return `${JSON.stringify({ revision, delete: change.key })}\n`;
  const { entry, expiresAtMs } = change;
  const expires = expiresAtMs === undefined ? undefined : new Date(expiresAtMs).toISOString();
  const from = change.type === 'move' ? change.from : undefined;
  return `${JSON.stringify({ revision, move: from, put: entry.key, value: entry.value, expires })}\n`;
}

/** @throws WeftError `journal-damaged` */
export function parseJournal(text: string): Journal {
  const end = text.indexOf('\n');
  const header = parseHeader(text.slice(0, Math.max(0, end)));
  const all = parseChanges(text.slice(end + 1));
  const checkpoint = all.filter(change => revisionOf(change) <= header.base);
  const changes = all.slice(checkpoint.length);
  const entries = checkpoint.filter(change => change.type === 'put');
  const gapless = changes.every((change, index) => revisionOf(change) === header.base + BigInt(index) + 1n);
  if (entries.length < checkpoint.length || !gapless) throw damaged('its revisions are out of order');
  return { header, checkpoint: entries, changes };
}

/** Parses whole lines of changes. @throws WeftError `journal-damaged` */
export function parseChanges(text: string): Change[] {
  return text.split('\n').filter(Boolean).map(parseChange);
}

/** The same journal with only the last `keep` changes told one by one, the others folded into the checkpoint. */
export function compactJournal(journal: Journal, keep: number): Journal {
  const cut = Math.max(0, journal.changes.length - keep);
  const entries = new Map(journal.checkpoint.map(stored => [stored.entry.key, stored]));
  for (const change of journal.changes.slice(0, cut)) applyChange(entries, change);
  const base = journal.header.base + BigInt(cut);
  return {
    header: { id: journal.header.id, base },
    checkpoint: [...entries.values()],
    changes: journal.changes.slice(cut),
  };
}

export function renderJournal(journal: Journal): string {
  const checkpoint = journal.checkpoint.map(stored => renderChange({ type: 'put', ...stored }));
  return [renderHeader(journal.header), ...checkpoint, ...journal.changes.map(renderChange)].join('');
}

function parseHeader(line: string): JournalHeader {
  const { format, id, base } = parseObject(line);
  if (format !== 1 || typeof id !== 'string' || !isRevision(base))
    throw damaged('its first line is no header');
  return { id, base: BigInt(base) };
}

function parseChange(line: string): Change {
  const { revision, move, put, value, expires, delete: deleted } = parseObject(line);
  if (isRevision(revision) && typeof deleted === 'string') {
    return { type: 'delete', key: deleted, revision: BigInt(revision) };
  }
  const expiresAtMs = typeof expires === 'string' ? Date.parse(expires) : undefined;
  if (
    !isRevision(revision) ||
    typeof put !== 'string' ||
    typeof value !== 'string' ||
    Number.isNaN(expiresAtMs)
  ) {
    throw damaged(`no change in the line ${JSON.stringify(line.slice(0, 80))}`);
  }
  const entry = { key: put, value, revision: BigInt(revision), permanent: expiresAtMs === undefined };
  return typeof move === 'string'
    ? { type: 'move', from: move, entry, expiresAtMs }
    : { type: 'put', entry, expiresAtMs };
}

function parseObject(line: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch {}
  throw damaged(`no JSON object in the line ${JSON.stringify(line.slice(0, 80))}`);
}

function isRevision(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function damaged(why: string): WeftError {
  return new WeftError('journal-damaged', `the journal is damaged: ${why}`);
}
