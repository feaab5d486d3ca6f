/**
 * The competitor of everything that follows leases: a watch that does nothing but note when each put arrived. node
 * bare-watch.ts URL PREFIX prints `watching`, and from then on a subnet and the time, by the clock that all processes share.
 */
import process from 'node:process';
import { openEtcd } from '../../src/etcd/client.ts';
import { prefixEnd } from '../../src/etcd/kv-messages.ts';
import { sharedMs } from './clock.ts';

const [url = '', prefix = ''] = process.argv.slice(2);
const folder = `${prefix}/subnets/`;
const key = new TextEncoder().encode(folder);
const decoder = new TextDecoder();
const { signal } = new AbortController();
for await (const { created, events } of openEtcd({ endpoints: [url] }).watch(
  { key, rangeEnd: prefixEnd(key) },
  { signal },
)) {
  const nowMs = sharedMs();
  const puts = events.filter(({ type }) => type === 'put');
  const lines = puts.map(({ kv }) => `${subnetOf(decoder.decode(kv.key))} ${nowMs}\n`);
  process.stdout.write(created ? 'watching\n' : lines.join(''));
}

function subnetOf(text: string): string {
  return text.slice(folder.length).replace('-', '/');
}
