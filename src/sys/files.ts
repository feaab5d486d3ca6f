import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { WeftError } from '../base/errors.ts';

/**
 * Replaces a file in one step: a reader, and a machine that loses power, sees the old text or the new one. Missing
 * folders are made (0755), the file gets mode 0644.
 * @throws WeftError `file-write`
 */
export function writeFileAtomic(file: string, text: string): void {
  const temporary = path.join(path.dirname(file), `.${path.basename(file)}.${process.pid}`);
  try {
    mkdirSync(path.dirname(file), { recursive: true, mode: 0o755 });
    const fd = openSync(temporary, 'w', 0o644);
    try {
      writeSync(fd, text);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, file);
  } catch (cause) {
    rmSync(temporary, { force: true });
    throw new WeftError('file-write', `writing ${file} failed`, {
      cause,
      remedy: 'check that the folder exists, is writable and has room',
    });
  }
}

/** The text of a file, undefined when there is none. @throws WeftError `file-read` for any other failure */
export function readFileIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new WeftError('file-read', `reading ${file} failed`, { cause });
  }
}
