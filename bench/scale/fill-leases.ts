/**
 * A program of its own, since etcd is in another network namespace: node fill-leases.ts URL PREFIX FIRST COUNT GENERATION.
 * Prints when it sent the first request, by the clock that all processes share.
 */
import process from 'node:process';
import { openEtcd } from '../../src/etcd/client.ts';
import { sharedMs } from './clock.ts';
import { leasePut } from './lease-put.ts';

const [url = '', prefix = '', ...numbers] = process.argv.slice(2);
const [first = 0, count = 0, generation = 0] = numbers.map(Number);
const client = openEtcd({ endpoints: [url] });
/** etcd takes 128 operations in one transaction. */
const perTransaction = 128;
/** Several on their way at once, so that etcd never waits for the next. */
const writers = 4;

const transactions = Array.from({ length: Math.ceil(count / perTransaction) }, (_, index) => {
  const at = first + index * perTransaction;
  const length = Math.min(perTransaction, first + count - at);
  return Array.from({ length }, (_, offset) => ({
    type: 'put' as const,
    request: leasePut(prefix, at + offset, generation),
  }));
}).values();
const write = async (): Promise<void> => {
  for (const success of transactions) await client.txn({ compare: [], success, failure: [] });
};
const startMs = sharedMs();
await Promise.all(Array.from({ length: writers }, write));
process.stdout.write(`${startMs}\n`);
await client.close();
