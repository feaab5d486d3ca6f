import process from 'node:process';
import { main } from './program.ts';

// The launcher's, for this process alone.
delete process.env['NODE_COMPILE_CACHE'];
await main(process.argv.slice(2));
