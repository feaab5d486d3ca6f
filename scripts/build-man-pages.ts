/**
 * `node scripts/build-man-pages.ts` writes the manual pages of all commands to share/man/man1, from the descriptions that
 * help and completion are made of as well. A test says when it is to be run.
 */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type ManPage, manPages } from '../src/cli/man-page.ts';
import { describeWeft } from '../src/cli/program.ts';
import { weftVersion } from '../src/cli/version.ts';

/** Where the pages are: `man` finds them there when bin/ is on the PATH. */
export const manFolder = path.join(import.meta.dirname, '../share/man/man1');

/** The pages that shall be there. */
export async function buildManPages(): Promise<ManPage[]> {
  return manPages(await describeWeft(), weftVersion());
}

async function writeManPages(): Promise<void> {
  mkdirSync(manFolder, { recursive: true });
  for (const file of readdirSync(manFolder)) rmSync(path.join(manFolder, file));
  for (const { file, text } of await buildManPages()) writeFileSync(path.join(manFolder, file), text);
}

if (import.meta.main) await writeManPages();
