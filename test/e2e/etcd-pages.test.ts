import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, describe, test } from 'node:test';
import fc from 'fast-check';
import { Scope } from '../../src/base/scope.ts';
import { openEtcd } from '../../src/etcd/client.ts';
import { EtcdKeys } from '../../src/registry/etcd-keys.ts';
import { listEtcd } from '../../src/registry/etcd-list.ts';
import type { RegistryEntry, RegistryPage } from '../../src/registry/registry.ts';
import { startEtcd } from '../support/etcd.ts';

const scope = new Scope();
after(() => scope.close());
const etcd = await startEtcd(scope);
const client = openEtcd({ endpoints: etcd.endpoints });
scope.defer('client', () => client.close());
let networks = 0;

describe('a list of etcd in pages', () => {
  test('is the same as in one piece, whatever a page holds and whatever is written meanwhile', async () => {
    const keys = fc.uniqueArray(fc.stringMatching(/^[a-z0-9&:.\u00fc-]{1,12}$/), { maxLength: 24 });
    const pageKeys = fc.integer({ min: 1, max: 30 });
    await fc.assert(
      fc.asyncProperty(keys, pageKeys, fc.nat(), async (names, size, chosen) => {
        const place = await fill(names);
        const whole = await listEtcd(client, place, 'subnets/', {});
        const since = whole.entries[chosen % (names.length || 1)]?.revision ?? 0n;
        const writing: Promise<unknown>[] = [];
        // Later than the first page: nothing of it belongs to the list.
        const onPage = (page: RegistryPage): void => {
          if (page.first)
            writing.push(write(place, 'subnets/', 'late'), write(place, `subnets/${names[0]}`, 'late'));
        };
        const paged = await collect(take =>
          listEtcd(client, place, 'subnets/', {
            pageKeys: size,
            onPage: page => {
              take(page);
              onPage(page);
            },
          }),
        );
        await Promise.all(writing);
        assert.deepEqual(paged, whole);
        const asOfThen = whole.entries.filter(({ revision }) => revision > since);
        const later = await listEtcd(client, place, 'subnets/', { pageKeys: size, since });
        const untouched = later.entries.filter(({ value }) => value !== 'late');
        assert.deepEqual(
          untouched,
          asOfThen.filter(({ key }) => key !== `subnets/${names[0]}`),
        );
      }),
      { numRuns: 40 },
    );
  });

  test('begins anew when its revision is compacted away in the middle, and says so', async () => {
    const place = await fill(Array.from({ length: 10 }, (_, index) => `${index}`));
    const etcdctl = (...line: string[]) =>
      execFileSync('etcdctl', [`--endpoints=${etcd.endpoints.join()}`, ...line], { encoding: 'utf8' });
    const firsts: boolean[] = [];
    const listed = await collect(take =>
      listEtcd(client, place, 'subnets/', {
        pageKeys: 2,
        onPage: page => {
          take(page);
          firsts.push(page.first);
          if (firsts.length !== 2) return;
          const { header } = JSON.parse(etcdctl('put', `${place.base}subnets/9`, 'new', '--write-out=json'));
          etcdctl('compact', String(header.revision));
        },
      }),
    );
    assert.equal(firsts.filter(Boolean).length, 2);
    assert.deepEqual(listed, await listEtcd(client, place, 'subnets/', {}));
    assert.equal(listed.entries.at(-1)?.value, 'new');
  });
});

/** A network of its own whose subnets have these names; each is its own value. */
async function fill(names: readonly string[]): Promise<EtcdKeys> {
  const place = new EtcdKeys(`/pages-${++networks}`);
  for (const name of names) await write(place, `subnets/${name}`, name);
  return place;
}

async function write(place: EtcdKeys, key: string, value: string): Promise<void> {
  await client.put({ key: place.bytesOf(key), value: new TextEncoder().encode(value) });
}

/** What a reader of pages ends with, in the form of a list in one piece. */
async function collect(
  list: (take: (page: RegistryPage) => void) => Promise<{ readonly revision: bigint }>,
): Promise<{ readonly entries: readonly RegistryEntry[]; readonly revision: bigint }> {
  let entries: RegistryEntry[] = [];
  const { revision } = await list(page => {
    entries = page.first ? [...page.entries] : [...entries, ...page.entries];
  });
  return { entries, revision };
}
