import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { FolderWatch } from '../../src/sys/folder-watch.ts';
import { eventually } from '../support/eventually.ts';

test('what comes and goes in a folder is told, also in another of its name; where nobody tells that is said', async t => {
  const above = mkdtempSync(path.join(tmpdir(), 'weft-watch-'));
  t.after(() => rmSync(above, { recursive: true }));
  const folder = path.join(above, 'flannel');
  let told = 0;
  const watch = new FolderWatch(folder, () => void told++);
  t.after(() => watch.close());
  const hears = async (what: string, act: () => void): Promise<void> => {
    const before = told;
    act();
    await eventually(`${what} to be told`, () => told > before);
  };
  assert.equal(watch.follow(), false, 'it is not there');
  for (const life of ['first', 'second', 'third']) {
    mkdirSync(folder);
    assert.equal(watch.follow(), true);
    await hears(`a file in its ${life} life`, () => writeFileSync(path.join(folder, 'subnet.sock'), ''));
    await hears('its end', () => rmSync(path.join(folder, 'subnet.sock')));
    await hears("the folder's end", () => rmSync(folder, { recursive: true }));
  }
  const procfs = new FolderWatch('/proc/self/ns', () => {});
  assert.equal(procfs.follow(), false);
});
