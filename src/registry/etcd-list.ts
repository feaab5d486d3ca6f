import { hasCode } from '../base/errors.ts';
import type { EtcdClient } from '../etcd/client.ts';
import type { KeyRange, RangeResponse } from '../etcd/kv-messages.ts';
import type { EtcdKeys } from './etcd-keys.ts';
import type { ListOptions, RegistryEntry, RegistrySnapshot } from './registry.ts';

/**
 * Leases are some 250 bytes, so a page is near a megabyte: little to hold, few round trips. For each page etcd counts
 * all keys of the range anew, so small pages of many keys cost it more than the keys themselves.
 */
const pageKeys = 4_000;

/** How often a list begins anew when etcd compacted its revision away in the middle. */
const maxAttempts = 5;

/**
 * All entries under `prefix`, page by page as of the first page's revision. While a page is looked at, the next is on
 * its way.
 * @throws WeftError as EtcdClient.range
 */
export async function listEtcd(
  client: EtcdClient,
  keys: EtcdKeys,
  prefix: string,
  options: ListOptions & { readonly pageKeys?: number },
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
  { signal, since, onPage, pageKeys: limit = pageKeys }: ListOptions & { readonly pageKeys?: number },
): Promise<RegistrySnapshot> {
  const entries: RegistryEntry[] = [];
  const take = onPage ?? (page => page.entries.forEach(entry => void entries.push(entry)));
  const minModRevision = since === undefined ? undefined : since + 1n;
  const ask = (range: KeyRange, revision?: bigint): Promise<RangeResponse> => {
    const asked = client.range({ ...range, limit, revision, minModRevision }, { signal });
    // Whoever waits for it gets the error.
    asked.catch(() => {});
    return asked;
  };
  const whole = keys.rangeOf(prefix);
  const first = await ask(whole);
  const { revision } = first.header;
  for (let page = first, coming: Promise<RangeResponse> | undefined; ; page = await coming) {
    const rest = nextPage(whole, page);
    coming = rest && ask(rest, revision);
    take({ entries: page.kvs.map(kv => keys.entryOf(kv)), first: page === first });
    if (coming === undefined) return { entries, revision };
  }
}

/** The rest of the range: it begins at the least key after the last, which is that key and a zero byte. */
function nextPage(range: KeyRange, page: RangeResponse): KeyRange | undefined {
  const last = page.kvs.at(-1);
  return page.more && last !== undefined ? { ...range, key: Uint8Array.of(...last.key, 0) } : undefined;
}
