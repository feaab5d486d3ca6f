/** Small programs for tests, in a folder of their own that goes with the test. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Owner } from './leaks.ts';

export interface ScriptFolder {
  readonly path: string;
  /** Writes a shell script and gives its path. */
  script(name: string, lines: string): string;
  /** What a file holds now; '' when there is none. */
  read(name: string): string;
  write(name: string, text: string): void;
}

export function scriptFolder(owner: Owner): ScriptFolder {
  const folder = mkdtempSync(path.join(tmpdir(), 'weft-scripts-'));
  owner.after(async () => rmSync(folder, { recursive: true, force: true }));
  const at = (name: string): string => path.join(folder, name);
  return {
    path: folder,
    script(name, lines) {
      writeFileSync(at(name), `#!/bin/sh\n${lines}\n`, { mode: 0o755 });
      return at(name);
    },
    read(name) {
      try {
        return readFileSync(at(name), 'utf8');
      } catch {
        return '';
      }
    },
    write: (name, text) => writeFileSync(at(name), text),
  };
}
