/**
 * Node's http module without what `import` brings along: that reads every export, and one of them loads all of undici,
 * fifteen megabytes that nobody here uses (seen with Node 26).
 */
import process from 'node:process';

export const { createServer, request } = process.getBuiltinModule('node:http');
