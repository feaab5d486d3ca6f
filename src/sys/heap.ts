/** The memory of this process: V8's heap, the C library's, and the program itself. */
import { setTimeout } from 'node:timers';
import v8 from 'node:v8';
import vm from 'node:vm';
import koffi from 'koffi';
import { letProgramPagesGo } from './program-pages.ts';

/** For what makes ten thousand objects that stay: they are copied out of a nursery that is large enough once, not twice. */
export function letNurseryGrow(): void {
  v8.setFlagsFromString('--semi-space-growth-factor=4');
}

/**
 * Collects all garbage and gives its pages back to the kernel, which V8 does not do by itself while nothing is allocated:
 * with 10,000 leases 60 MB of what the start needed; then lets go of the code that only the start ran. Everything waits for it,
 * about 100 ms with so many, twice. From then on the heap is kept near what is in use.
 */
export function giveMemoryBack(): void {
  giveBack();
  // What has been made since then was mostly the end of all that.
  setTimeout(giveBack, settledMs).unref();
}

function giveBack(): void {
  for (const flag of tight) v8.setFlagsFromString(`--${flag}`);
  // Only this kind of collection also empties V8's pool of pages (heap.cc CollectAllAvailableGarbage).
  collector ??= exposeCollector();
  collector?.({ type: 'major', flavor: 'last-resort' });
  trim?.(0);
  letProgramPagesGo();
}

const settledMs = 3000;

/** A small nursery, and collected as soon as the heap has grown by a third, not by three times. */
const tight = ['semi-space-growth-factor=1', 'heap-growing-percent=30'];

/** Gives free pages of the C library's heaps back (malloc_trim(3)); undefined where it has no such call. */
const trim = findTrim();

function findTrim(): ((pad: number) => number) | undefined {
  try {
    return koffi.load(null).func('int malloc_trim(size_t pad)');
  } catch {
    return undefined;
  }
}

type Collector = (options: { readonly type: 'major'; readonly flavor: 'last-resort' }) => void;

let collector: Collector | undefined;

/** V8 gives a new context the function, once the flag is set. */
function exposeCollector(): Collector | undefined {
  v8.setFlagsFromString('--expose-gc');
  const found: Collector | undefined = vm.runInNewContext('globalThis.gc');
  v8.setFlagsFromString('--no-expose-gc');
  return found;
}
