import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import process from 'node:process';
import { test } from 'node:test';
import { programPages } from '../../../src/sys/program-pages.ts';

const mapping = (head: string, anonymousKib: number, swapKib = 0): string =>
  `${head}\nSize: 8 kB\nRss: 8 kB\nAnonymous:      ${anonymousKib} kB\nSwap:      ${swapKib} kB\nVmFlags: rd ex`;

test('only pages of the program itself are let go, and none that were written, as for a breakpoint', () => {
  const smaps = [
    mapping('00400000-00402000 r-xp 00000000 fe:00 42                         /usr/bin/node', 0),
    mapping('00402000-00403000 r--p 00002000 fe:00 42                         /usr/bin/node', 0),
    mapping('00403000-00404000 r-xp 00003000 fe:00 42                         /usr/bin/node', 4),
    mapping('00405000-00406000 r--p 00005000 fe:00 42                         /usr/bin/node', 0, 4),
    mapping('00404000-00405000 rw-p 00004000 fe:00 42                         /usr/bin/node', 0),
    mapping('7f0000000000-7f0000001000 r-xp 00000000 fe:00 43                 /usr/lib/libc.so.6', 0),
    mapping('7f0000001000-7f0000002000 r-xp 00000000 00:00 0', 0),
  ].join('\n');
  assert.deepEqual(programPages(`${smaps}\n`, '/usr/bin/node'), [
    { start: 0x400000, bytes: 0x2000 },
    { start: 0x402000, bytes: 0x1000 },
  ]);
  assert.deepEqual(programPages(smaps, '/usr/bin/nod'), []);
});

/** A program of its own: the collection would count the garbage of other tests. */
function runProgram(call: string): { before: number; after: number; kept: number } {
  const text = `
    import { readFileSync } from 'node:fs';
    import { giveMemoryBack } from './src/sys/heap.ts';
    import { letProgramPagesGo } from './src/sys/program-pages.ts';
    const rssKib = () => Number(/VmRSS:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]);
    let garbage = Array.from({ length: 200_000 }, (_, index) => ({ name: 'peer ' + index }));
    const kept = garbage.filter((_, index) => index % 100 === 0);
    garbage = undefined;
    const before = rssKib();
    ${call}();
    const after = rssKib();
    const good = kept.filter(({ name }, index) => name === 'peer ' + index * 100);
    console.log(JSON.stringify({ before, after, kept: good.length }));`;
  const answer = execFileSync(process.execPath, ['--input-type=module-typescript', '-e', text], {
    encoding: 'utf8',
  });
  return JSON.parse(answer);
}

for (const [call, leastKib] of [
  ['letProgramPagesGo', 4 * 1024],
  ['giveMemoryBack', 8 * 1024],
] as const) {
  test(`after ${call} a program takes less memory, and goes on`, () => {
    const { before, after, kept } = runProgram(call);
    assert.equal(kept, 2000);
    assert.ok(after < before - leastKib, `${before} KiB before, ${after} KiB after`);
  });
}
