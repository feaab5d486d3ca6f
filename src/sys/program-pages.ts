/** The pages of Node's own program that are in memory on our account. */
import { readFileSync } from 'node:fs';
import process from 'node:process';
import koffi from 'koffi';

const madvise = koffi.load(null).func('int madvise(uintptr_t address, size_t length, int advice)');
/** asm-generic/mman-common.h MADV_DONTNEED. */
const dontNeed = 4;

/**
 * Lets go of the code that has run, and of the data that was read with it: 45 MB after the start, of which a daemon at rest needs
 * half. Whatever is used again comes back from the page cache, where all stays, a few microseconds for each 64 KiB
 * (mm/filemap.c filemap_map_pages).
 */
export function letProgramPagesGo(): void {
  for (const { start, bytes } of programPages(smapsOf('self'), process.execPath))
    madvise(start, bytes, dontNeed);
}

/** Empty where the kernel does not tell: nothing depends on it. */
function smapsOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/smaps`, 'utf8');
  } catch {
    return '';
  }
}

interface Mapping {
  readonly start: number;
  readonly bytes: number;
}

/**
 * Mappings of the file `program` that are only read or run, without any in which a page has been written, as the dynamic linker
 * does, or a debugger to set a breakpoint: that would be lost.
 * @param smaps of /proc/PID/smaps (proc_pid_smaps(5))
 */
export function programPages(smaps: string, program: string): Mapping[] {
  return smaps.split(/\n(?=[0-9a-f]+-[0-9a-f]+ )/).flatMap(text => {
    const [head = ''] = text.split('\n');
    const match = /^([0-9a-f]+)-([0-9a-f]+) r-[-x]p \S+ \S+ \S+ +(.*)$/.exec(head);
    // A page that was written is anonymous, or in swap.
    const isWritten = !/^Anonymous: +0 kB$/m.test(text) || !/^Swap: +0 kB$/m.test(text);
    if (match?.[3] !== program || isWritten) return [];
    const [start, end] = [match[1], match[2]].map(hex => Number.parseInt(hex ?? '', 16));
    return start === undefined || end === undefined ? [] : [{ start, bytes: end - start }];
  });
}
