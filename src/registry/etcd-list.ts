import { hasCode } from '../base/errors.ts';
import type { EtcdClient } from '../etcd/client.ts';
import type { KeyRange, RangeResponse } from '../etcd/kv-messages.ts';
import type { EtcdKeys } from './etcd-keys.ts';
import type { RegistryEntry, RegistrySnapshot, RequestOptions } from './registry.ts';

/** Leases are some 250 bytes, so a page is near half a megabyte: little to hold, few round trips. */
const pageKeys = 2_000;

/** How often a list begins anew when etcd compacted its revision away in the middle. */
const maxAttempts = 5;

/**
 * All entries under `prefix`, page by page as of the first page's revision.
 * @throws WeftError as EtcdClient.range
 */
export async function listEtcd(
  client: EtcdClient,
  keys: EtcdKeys,
  prefix: string,
  options: RequestOptions,
): Promise<RegistrySnapshot> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await listOnce(client, keys, prefix, options);
    } catch (error) {
      if (attempt === maxAttempts || !hasCode(error, 'etcd-compacted')) throw error;
    }
  }
}

async function listOnce(
  client: EtcdClient,
  keys: EtcdKeys,
  prefix: string,
  options: RequestOptions,
): Promise<RegistrySnapshot> {
  const entries: RegistryEntry[] = [];
  let range: KeyRange | undefined = keys.rangeOf(prefix);
  let revision: bigint | undefined;
  while (range !== undefined) {
    const page: RangeResponse = await client.range({ ...range, limit: pageKeys, revision }, options);
    revision ??= page.header.revision;
    for (const kv of page.kvs) entries.push(keys.entryOf(kv));
    range = nextPage(range, page);
  }
  return { entries, revision: revision ?? 0n };
}

/** The rest of the range: it begins at the least key after the last, which is that key and a zero byte. */
function nextPage(range: KeyRange, page: RangeResponse): KeyRange | undefined {
  const last = page.kvs.at(-1);
  return page.more && last !== undefined ? { ...range, key: Uint8Array.of(...last.key, 0) } : undefined;
}
