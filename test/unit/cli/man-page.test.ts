import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { buildManPages, manFolder } from '../../../scripts/build-man-pages.ts';
import { CommandError, run } from '../../support/command.ts';

const pages = await buildManPages();

test('the manual pages are as `node scripts/build-man-pages.ts` writes them', () => {
  assert.deepEqual(readdirSync(manFolder).sort(), pages.map(({ file }) => file).sort());
  for (const { file, text } of pages) {
    assert.equal(readFileSync(path.join(manFolder, file), 'utf8'), text, `${file}: write it anew`);
  }
});

test('there is a page for weft and for every command, those below others too', () => {
  const files = pages.map(({ file }) => file);
  for (const file of ['weft.1', 'weft-run.1', 'weft-config.1', 'weft-config-put.1', 'weft-lab-up.1']) {
    assert.ok(files.includes(file), file);
  }
});

test('mandoc finds nothing wrong with the pages but that they bear no date', async () => {
  for (const { text } of pages) assert.deepEqual(await complaints(text), []);
});

/** What mandoc complains of beside taste (STYLE) and the date, which would make each build another. */
async function complaints(text: string): Promise<string[]> {
  const said = await run('mandoc -T lint -W warning', { input: text }).catch((error: unknown) => {
    if (error instanceof CommandError) return error.stdout + error.stderr;
    throw error;
  });
  return said.split('\n').filter(line => line !== '' && !line.includes('missing date'));
}

test('mandoc does complain of what is wrong', async () => {
  assert.equal((await complaints('.TH X 1 "" "" ""\n.SH NAME\nx \\- y\n.NONSENSE\n')).length, 1);
});

test('a page reads as text, each command line as it can be typed', async () => {
  const page = pages.find(({ file }) => file === 'weft-config-check.1');
  assert.ok(page !== undefined);
  const text = (await run('mandoc -T ascii -O width=100', { input: page.text })).replace(/.[\b]/g, '');
  const sections = ['NAME', 'SYNOPSIS', 'DESCRIPTION', 'OPTIONS', 'EXIT STATUS', 'EXAMPLES', 'SEE ALSO'];
  assert.deepEqual(text.match(/^[A-Z][A-Z ]+$/gm), sections);
  assert.ok(text.includes('weft-config-check - check a config file'), text);
  assert.ok(text.includes(`echo '{"Network":"10.5.0.0/16"}' | weft config check -\n`), text);
  for (const line of text.split('\n')) assert.ok(line.length <= 100, line);
});
