import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { WeftError } from '../base/errors.ts';
import { type FileEntry, maxFileBytes, parseFile } from './directory-entry.ts';
import { jsonSuffix, keyOfPath, ownFolder, pathOfKey } from './directory-key.ts';

/** The files below a directory, by the key each stands for. Paths are relative to the directory. */
export interface Tree {
  readonly files: ReadonlyMap<string, string>;
  /** Absolute, the directory itself first. */
  readonly folders: readonly string[];
  /** Files that stand for no key, and why. */
  readonly ignored: ReadonlyMap<string, string>;
}

/** Configuration may hold pre-shared keys: nobody but the owner reads it. */
const fileMode = 0o600;
export const folderMode = 0o700;

/**
 * Lists the tree. Names that begin with a dot are skipped silently (editors' and our own); links to files are
 * followed, links to folders are not, so that the walk ends.
 */
export function scanTree(root: string): Tree {
  const files = new Map<string, string>();
  const folders: string[] = [];
  const ignored = new Map<string, string>();
  const walk = (folder: string): void => {
    folders.push(path.join(root, folder));
    for (const found of readdirSync(path.join(root, folder), { withFileTypes: true })) {
      const file = path.join(folder, found.name);
      if (found.name.startsWith('.')) continue;
      if (found.isDirectory()) walk(file);
      else note(file, found.isFile() || found.isSymbolicLink());
    }
  };
  const note = (file: string, isFile: boolean): void => {
    const key = keyOfPath(file);
    if (key === undefined || !isFile) return void ignored.set(file, 'its name is no key');
    const other = files.get(key);
    if (other === undefined) return void files.set(key, file);
    files.set(key, key);
    ignored.set(`${key}${jsonSuffix}`, `${key} is there too`);
  };
  walk('');
  return { files, folders, ignored };
}

/** The file that stands for `key` now; undefined when there is none. */
export function findFile(root: string, key: string): string | undefined {
  const file = pathOfKey(key);
  return [file, `${file}${jsonSuffix}`].find(name =>
    statSync(path.join(root, name), { throwIfNoEntry: false })?.isFile(),
  );
}

/** What tells that a file has changed since. */
export interface FileStamp {
  readonly text: string;
  readonly modifiedMs: number;
}

export function stampFile(root: string, file: string): FileStamp | undefined {
  const stat = statSync(path.join(root, file), { bigint: true, throwIfNoEntry: false });
  if (stat === undefined) return undefined;
  const text = `${file} ${stat.dev} ${stat.ino} ${stat.size} ${stat.mtimeNs} ${stat.ctimeNs}`;
  return { text, modifiedMs: Number(stat.ctimeMs) };
}

/** @throws WeftError `file-malformed` */
export function readEntry(root: string, file: string): FileEntry {
  const full = path.join(root, file);
  const stat = statSync(full);
  if (!stat.isFile()) throw new WeftError('file-malformed', 'it is not a file');
  if (stat.size > maxFileBytes) {
    throw new WeftError('file-malformed', `it has ${stat.size} bytes, expected at most ${maxFileBytes}`);
  }
  return parseFile(readFileSync(full));
}

/**
 * Puts `text` in the place of `key`, at once and for good: at any instant, also after a power cut, the old or
 * the new file is there. To be called under the lock, for the temporary file has one name.
 * @throws WeftError `key-conflict` when a folder has the key's name or a file that of its folder
 */
export function replaceFile(root: string, key: string, text: string): void {
  const target = path.join(root, pathOfKey(key));
  makePlace(root, key, target);
  const temporary = path.join(root, ownFolder, 'entry.tmp');
  writeFileSync(temporary, text, { mode: fileMode, flush: true });
  renameSync(temporary, target);
  rmSync(`${target}${jsonSuffix}`, { force: true });
  syncFolder(path.dirname(target));
}

/** Removes the file of `key`, under both of its names. */
export function removeFile(root: string, key: string): void {
  const target = path.join(root, pathOfKey(key));
  rmSync(`${target}${jsonSuffix}`, { force: true });
  rmSync(target, { force: true });
}

/** Makes the renames and removals in a folder outlive a power cut. */
export function syncFolder(folder: string): void {
  const descriptor = openSync(folder, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Makes a folder and those above it, where they are missing. Not by mkdir's `recursive`: that of Node 26 never
 * returns where the kernel says ENOENT to a folder whose parent is there, as below /proc (seen November 2026).
 */
export function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { mode: folderMode });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' && statSync(folder).isDirectory()) return;
    const parent = path.dirname(folder);
    if (code !== 'ENOENT' || parent === folder || statSync(parent, { throwIfNoEntry: false })) throw error;
    makeFolder(parent);
    makeFolder(folder);
  }
}

function makePlace(root: string, key: string, target: string): void {
  const folder = path.dirname(target);
  try {
    makeFolder(folder);
  } catch (cause) {
    throw conflict(key, `${folder} is not a folder`, cause);
  }
  const real = path.join(realpathSync(root), path.relative(root, folder));
  if (realpathSync(folder) !== real) throw conflict(key, `${folder} is a link`);
  if (statSync(target, { throwIfNoEntry: false })?.isDirectory())
    throw conflict(key, `${target} is a folder`);
}

function conflict(key: string, why: string, cause?: unknown): WeftError {
  return new WeftError('key-conflict', `the key ${key} can have no file: ${why}`, { cause });
}
