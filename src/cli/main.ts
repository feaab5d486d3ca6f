import process from 'node:process';
import { main } from './program.ts';

// The launcher's, for this process alone.
for (const name of ['NODE_COMPILE_CACHE', 'MALLOC_ARENA_MAX']) delete process.env[name];
await main(process.argv.slice(2));
