/**
 * Puts leases that were not there, one at a time, and takes each away again some puts later, so that the network stays as
 * large as it is: node put-in-turn.ts URL PREFIX FIRST COUNT PAUSE_MS. Prints for each its subnet, and when its put was sent,
 * by the clock that all processes share.
 */
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { openEtcd } from '../../src/etcd/client.ts';
import { sharedMs } from './clock.ts';
import { fakePeer } from './fake-peers.ts';
import { leasePut } from './lease-put.ts';

const [url = '', prefix = '', ...numbers] = process.argv.slice(2);
const [first = 0, count = 0, pauseMs = 0] = numbers.map(Number);
const client = openEtcd({ endpoints: [url] });
/** So late that a slow follower never finds a put and its deletion at once, and leaves both out. */
const lag = 10;
for (let number = first; number < first + count + lag; number++) {
  if (number < first + count) {
    const request = leasePut(prefix, number, 0);
    const sentMs = sharedMs();
    await client.put(request);
    process.stdout.write(`${fakePeer(number).subnet} ${sentMs}\n`);
  }
  await sleep(pauseMs);
  if (number < first + lag) continue;
  const { key } = leasePut(prefix, number - lag, 0);
  await client.deleteRange({ key });
  await sleep(pauseMs);
}
await client.close();
