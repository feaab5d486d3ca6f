import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type {
  PutResult,
  Registry,
  RegistryEntry,
  RegistryPage,
  Revision,
} from '../../src/registry/registry.ts';
import { outline, readWatch, revisionOf } from './watch-reader.ts';

/** A registry of its own for one test: empty, and gone after `close`. */
export interface OpenedRegistry {
  readonly registry: Registry;
  close(): Promise<void>;
}

/** What every engine must do, word for word the doc comments of src/registry/registry.ts. */
export function registryContract(name: string, open: () => Promise<OpenedRegistry>): void {
  const contract = (title: string, body: (registry: Registry) => Promise<void>): void => {
    test(title, async () => {
      const opened = await open();
      try {
        await body(opened.registry);
      } finally {
        await opened.close();
      }
    });
  };

  describe(`${name} registry`, () => {
    readingAndWriting(contract);
    listing(contract);
    expectations(contract);
    moving(contract);
    expiry(contract);
    watching(contract);
    ending(contract);
  });
}

type Contract = (title: string, body: (registry: Registry) => Promise<void>) => void;

const leaseKey = 'subnets/10.2.14.0-24';

function readingAndWriting(contract: Contract): void {
  contract('an absent key has no entry and an empty store an empty list', async registry => {
    assert.equal(await registry.get('config'), undefined);
    assert.deepEqual((await registry.list('')).entries, []);
  });

  contract('what was put is got and listed, with the revision of the put', async registry => {
    const revision = written(await registry.put(leaseKey, 'one'));
    const entry: RegistryEntry = { key: leaseKey, value: 'one', revision, permanent: true };
    assert.deepEqual(await registry.get(leaseKey), entry);
    const snapshot = await registry.list('subnets/');
    assert.deepEqual(snapshot.entries, [entry]);
    assert.ok(snapshot.revision >= revision);
  });

  contract('a list is in key order and holds every key that starts with the prefix', async registry => {
    const keys = [
      'subnets/10.2.9.0-24',
      'config',
      'subnets/10.2.14.0-24',
      'subnets-old/10.2.14.0-24',
      'subnets/10.2.1.0-24',
    ];
    for (const key of keys) await registry.put(key, `value of ${key}`);
    const listed = async (prefix: string) => (await registry.list(prefix)).entries.map(entry => entry.key);
    const below = ['subnets/10.2.1.0-24', 'subnets/10.2.14.0-24', 'subnets/10.2.9.0-24'];
    assert.deepEqual(await listed('subnets/'), below);
    assert.deepEqual(await listed('subnets'), ['subnets-old/10.2.14.0-24', ...below]);
    assert.deepEqual(await listed('subnets/10.2.1'), below.slice(0, 2));
    assert.deepEqual(await listed('config'), ['config']);
    assert.deepEqual(await listed(''), ['config', 'subnets-old/10.2.14.0-24', ...below]);
    assert.deepEqual(await listed('subnets/172.'), []);
  });

  for (const key of ['config', 'subnets/10.12.13.0-24', 'subnets/10.12.13.0-24&fd00:12:13::-56']) {
    contract(`the key ${key} is read back as it was written`, async registry => {
      await registry.put(key, 'value');
      assert.equal((await registry.get(key))?.key, key);
      assert.deepEqual(
        (await registry.list('')).entries.map(entry => entry.key),
        [key],
      );
      assert.equal(await registry.delete(key), true);
      assert.equal(await registry.get(key), undefined);
    });
  }

  const values: Readonly<Record<string, string>> = {
    'compact JSON': '{"PublicIP":"192.168.3.1","PublicIPv6":null,"BackendData":{"VNI":1}}',
    'JSON that a hand wrote': '{\n  "Network" : "10.2.0.0/16",\n\t"SubnetLen": 24.0\n}\n',
    'text that is no JSON': 'hello, "world" \\ } {\n',
    'a JSON string': '"quoted"',
    'UTF-8 of every length': 'aé€😀\u0000\u2028',
    'the empty text': '',
    '64 KiB': JSON.stringify({ data: 'é'.repeat(32 * 1024) }),
  };
  for (const [what, value] of Object.entries(values)) {
    contract(`${what} comes back unchanged from get, list and watch`, async registry => {
      const watch = readWatch(registry, '');
      await watch.first(1);
      const revision = written(await registry.put('config', value));
      assert.equal((await registry.get('config'))?.value, value);
      assert.equal((await registry.list('')).entries[0]?.value, value);
      await watch.upTo(revision);
      assert.deepEqual(outline(watch.told), ['snapshot', `put config=${value}`]);
      await watch.stop();
    });
  }

  contract('the revision grows with every change', async registry => {
    const revisions: Revision[] = [(await registry.list('')).revision];
    for (const key of ['a', 'b', 'a']) {
      const put = written(await registry.put(key, 'same'));
      assert.ok(put > (revisions.at(-1) ?? 0n), 'a put is later than all before');
      assert.ok((await registry.list('')).revision >= put, 'a list after a put is not from before it');
      revisions.push(put);
    }
    await registry.delete('a');
    revisions.push((await registry.list('')).revision);
    revisions.push(written(await registry.put('a', 'same', { expect: 'absent' })));
    assert.ok(isGrowing(revisions), `got ${revisions}`);
  });
}

function listing(contract: Contract): void {
  contract('a list since a revision has what was written later, under its prefix alone', async registry => {
    await registry.put('subnets/old', '1');
    await registry.put('subnets/renewed', '1');
    const { revision } = await registry.list('subnets/');
    const since = async () =>
      (await registry.list('subnets/', { since: revision })).entries.map(({ key, value }) => [key, value]);
    assert.deepEqual(await since(), []);
    await registry.put('subnets/renewed', '2', { ttlSeconds: 3600 });
    await registry.put('subnets/gone', '1');
    await registry.put('subnets/new', '1');
    await registry.put('config', 'outside');
    await registry.delete('subnets/gone');
    await registry.delete('subnets/old');
    assert.deepEqual(await since(), [
      ['subnets/new', '1'],
      ['subnets/renewed', '2'],
    ]);
  });

  contract('a list in pages tells the same entries, and the snapshot has none of them', async registry => {
    for (const key of ['subnets/b', 'subnets/a', 'config', 'subnets/c']) await registry.put(key, `is ${key}`);
    const pages: RegistryPage[] = [];
    const snapshot = await registry.list('subnets/', { onPage: page => pages.push(page) });
    const whole = await registry.list('subnets/');
    assert.deepEqual(
      pages.flatMap(({ entries }) => entries),
      whole.entries,
    );
    assert.deepEqual(
      pages.map(({ first }) => first),
      pages.map((_, index) => index === 0),
    );
    assert.deepEqual(snapshot, { entries: [], revision: whole.revision });
    const empty: RegistryPage[] = [];
    await registry.list('nothing/', { onPage: page => empty.push(page) });
    assert.deepEqual(empty, [{ entries: [], first: true }], 'an empty list is one empty page');
  });

  contract('a watch goes on from a list with its last entry as witness', async registry => {
    await registry.put('subnets/a', '1');
    await registry.put('subnets/b', '1');
    await registry.delete('subnets/a');
    await registry.put('config', 'outside');
    const { entries, revision } = await registry.list('subnets/');
    await registry.put('subnets/c', '1');
    const watch = readWatch(registry, 'subnets/', { after: revision, witness: entries.at(-1) });
    await watch.upTo(written(await registry.put('subnets/d', '1')));
    assert.deepEqual(outline(watch.told), ['put subnets/c=1', 'put subnets/d=1']);
    await watch.stop();
  });
}

function expectations(contract: Contract): void {
  contract('a put that expects absence creates, and never overwrites', async registry => {
    const revision = written(await registry.put('a', 'first', { expect: 'absent' }));
    const current: RegistryEntry = { key: 'a', value: 'first', revision, permanent: true };
    assert.deepEqual(await registry.put('a', 'second', { expect: 'absent' }), { written: false, current });
    assert.deepEqual(await registry.get('a'), current);
  });

  contract('a put that expects a revision writes only when the key has not changed since', async registry => {
    const first = written(await registry.put('a', '1'));
    const second = written(await registry.put('a', '2', { expect: first }));
    const current: RegistryEntry = { key: 'a', value: '2', revision: second, permanent: true };
    assert.deepEqual(await registry.put('a', '3', { expect: first }), { written: false, current });
    await registry.delete('a');
    const lost = { written: false, current: undefined };
    assert.deepEqual(await registry.put('a', '3', { expect: second }), lost, 'deleted is changed');
    assert.deepEqual(await registry.put('never', '3', { expect: second }), lost);
    const again = written(await registry.put('a', '4', { expect: 'absent' }));
    assert.notEqual(again, second);
    assert.equal(
      (await registry.put('a', '5', { expect: second })).written,
      false,
      'created anew is changed',
    );
  });

  contract('a put that expects anything always writes', async registry => {
    for (const value of ['1', '2']) written(await registry.put('a', value, { expect: 'any' }));
    assert.equal((await registry.get('a'))?.value, '2');
  });

  contract(
    'of many that create one key at once exactly one wins, and the others see its entry',
    async registry => {
      const values = Array.from({ length: 20 }, (_, index) => `racer ${index}`);
      const results = await Promise.all(values.map(value => registry.put('a', value, { expect: 'absent' })));
      const stored = await registry.get('a');
      assertOneWinner(results, stored);
      assert.equal(stored?.value, values[results.findIndex(result => result.written)]);
    },
  );

  contract('of many that replace one revision at once exactly one wins', async registry => {
    const expect = written(await registry.put('a', 'start'));
    const racers = Array.from({ length: 20 }, (_, index) => registry.put('a', `${index}`, { expect }));
    assertOneWinner(await Promise.all(racers), await registry.get('a'));
  });

  contract(
    'many that create different keys at once all succeed, each at its own revision',
    async registry => {
      const results = await Promise.all(
        Array.from({ length: 20 }, (_, index) => registry.put(`subnets/${index}`, 'x', { expect: 'absent' })),
      );
      assert.equal(new Set(results.map(written)).size, 20);
      assert.equal((await registry.list('subnets/')).entries.length, 20);
    },
  );

  contract('a delete tells whether it removed, and minds the expected revision', async registry => {
    assert.equal(await registry.delete('a'), false);
    const first = written(await registry.put('a', '1'));
    const second = written(await registry.put('a', '2'));
    assert.equal(await registry.delete('a', { expect: first }), false);
    assert.equal((await registry.get('a'))?.value, '2');
    assert.equal(await registry.delete('a', { expect: second }), true);
    assert.equal(await registry.get('a'), undefined);
    assert.equal(await registry.delete('a', { expect: second }), false);
    await registry.put('a', '3');
    assert.equal(await registry.delete('a'), true);
  });
}

const dualKey = 'subnets/10.2.14.0-24&fd00:2:14::-64';

function moving(contract: Contract): void {
  contract(
    'a moved entry has its new key and value at one revision, and the old key is gone',
    async registry => {
      const expect = written(await registry.put(leaseKey, 'one', { ttlSeconds: 3600 }));
      const result = await registry.move(leaseKey, dualKey, 'two', { expect, ttlSeconds: 3600 });
      const revision = written(result);
      assert.ok(result.written && result.ttlSeconds !== undefined && result.ttlSeconds >= 3600);
      const entry: RegistryEntry = { key: dualKey, value: 'two', revision, permanent: false };
      assert.equal(await registry.get(leaseKey), undefined);
      assert.deepEqual(await registry.get(dualKey), entry);
      assert.deepEqual((await registry.list('')).entries, [entry]);
      const back = await registry.move(dualKey, leaseKey, 'three', { expect: revision });
      assert.ok(back.written && back.ttlSeconds === undefined);
      assert.equal((await registry.get(leaseKey))?.permanent, true);
      assert.ok((await registry.put(dualKey, 'free', { expect: 'absent' })).written);
    },
  );

  contract('a move is not made when the entry has changed or gone, or its place is taken', async registry => {
    const first = written(await registry.put(leaseKey, '1'));
    const second = written(await registry.put(leaseKey, '2'));
    const current: RegistryEntry = { key: leaseKey, value: '2', revision: second, permanent: true };
    const move = (expect: Revision) => registry.move(leaseKey, dualKey, 'x', { expect, ttlSeconds: 3600 });
    assert.deepEqual(await move(first), { written: false, current });
    await registry.put(dualKey, 'taken');
    assert.deepEqual(await move(second), { written: false, current });
    await registry.delete(dualKey);
    await registry.delete(leaseKey);
    assert.deepEqual(await move(second), { written: false, current: undefined });
    assert.deepEqual((await registry.list('')).entries, []);
  });

  contract('a watch tells a move as a removal that names what comes, and then that', async registry => {
    const expect = written(await registry.put(leaseKey, 'one'));
    await registry.put('config', 'x');
    const { revision: after } = await registry.list('');
    const watches = ['subnet', leaseKey, dualKey, 'config'].map(prefix =>
      readWatch(registry, prefix, { after }),
    );
    const revision = written(await registry.move(leaseKey, dualKey, 'two', { expect }));
    const last = written(await registry.put('config', 'end'));
    const entry: RegistryEntry = { key: dualKey, value: 'two', revision, permanent: true };
    const [both, old, coming, config] = watches;
    // The old key begins the new one: whoever watches it sees both.
    const told = [
      { type: 'delete', key: leaseKey, revision, movedTo: entry },
      { type: 'put', entry },
    ];
    assert.deepEqual(await both?.first(2), told);
    assert.deepEqual(await old?.first(2), told);
    assert.deepEqual(await coming?.first(1), [told[1]]);
    await config?.upTo(last);
    assert.deepEqual(config?.told.length, 1);
    for (const watch of watches) await watch.stop();
  });

  contract(
    'of many that move one entry at once exactly one wins, and it is never there twice',
    async registry => {
      const expect = written(await registry.put('a', 'start'));
      const racers = Array.from({ length: 20 }, (_, index) =>
        registry.move('a', `b${index}`, 'x', { expect }),
      );
      const results = await Promise.all(racers);
      assert.equal(results.filter(result => result.written).length, 1);
      assert.deepEqual(
        (await registry.list('')).entries.map(entry => entry.key),
        [`b${results.findIndex(result => result.written)}`],
      );
    },
  );
}

function expiry(contract: Contract): void {
  contract('a key with a TTL expires for get, list and watch, and can then be created', async registry => {
    const watch = readWatch(registry, 'subnets/');
    await watch.first(1);
    await registry.put('subnets/stays', 'x');
    const result = await registry.put('subnets/goes', 'x', { ttlSeconds: 2 });
    const revision = written(result);
    assert.ok(result.written && result.ttlSeconds !== undefined && result.ttlSeconds >= 2);
    assert.equal((await registry.get('subnets/goes'))?.permanent, false);
    assert.deepEqual(
      (await registry.list('subnets/')).entries.map(entry => entry.permanent),
      [false, true],
    );
    const told = await watch.first(4);
    assert.deepEqual(outline(told).slice(1), [
      'put subnets/stays=x',
      'put subnets/goes=x',
      'delete subnets/goes',
    ]);
    assert.ok((told[3] === undefined ? 0n : (revisionOf(told[3]) ?? 0n)) > revision);
    assert.equal(await registry.get('subnets/goes'), undefined);
    assert.deepEqual(
      (await registry.list('subnets/')).entries.map(entry => entry.key),
      ['subnets/stays'],
    );
    written(await registry.put('subnets/goes', 'again', { expect: 'absent' }));
    await watch.stop();
  });

  contract('a key with a TTL expires when nobody watches', async registry => {
    await registry.put('a', 'x', { ttlSeconds: 1 });
    const before = (await registry.list('')).revision;
    const deadline = Date.now() + 30_000;
    while ((await registry.get('a')) !== undefined) {
      assert.ok(Date.now() < deadline, 'still there');
      await sleep(200);
    }
    const after = await registry.list('');
    assert.deepEqual(after.entries, []);
    assert.ok(after.revision > before, 'an expiry is a change like any other');
  });

  contract('each put sets the TTL anew, and a put without one makes the key permanent', async registry => {
    await registry.put('prolonged', '1', { ttlSeconds: 2 });
    await registry.put('pinned', '1', { ttlSeconds: 2 });
    await registry.put('spared', '1');
    await registry.put('lost', '1', { ttlSeconds: 3600 });
    await registry.put('prolonged', '2', { ttlSeconds: 3600 });
    const pinned = await registry.put('pinned', '2');
    assert.ok(pinned.written && pinned.ttlSeconds === undefined);
    await registry.put('spared', '2', { ttlSeconds: 2, expect: 'absent' });
    await registry.put('lost', '2', { ttlSeconds: 2 });
    await sleep(6000);
    assert.deepEqual(
      (await registry.list('')).entries.map(({ key, value, permanent }) => ({ key, value, permanent })),
      [
        { key: 'pinned', value: '2', permanent: true },
        { key: 'prolonged', value: '2', permanent: false },
        { key: 'spared', value: '1', permanent: true },
      ],
    );
  });

  contract(
    'what remains of a key is at most its TTL and less and less; nothing of one that stays',
    async registry => {
      await registry.put('stays', 'x');
      const result = await registry.put('goes', 'x', { ttlSeconds: 3600 });
      const granted = (result.written && result.ttlSeconds) || 0;
      assert.equal(await registry.remaining('stays'), undefined);
      assert.equal(await registry.remaining('never'), undefined);
      const first = (await registry.remaining('goes')) ?? Number.NaN;
      assert.ok(first <= granted && first > granted - 300, `${first} of ${granted}`);
      await sleep(1100);
      const later = (await registry.remaining('goes')) ?? Number.NaN;
      assert.ok(later < first, `${later} is not less than ${first}`);
      await registry.put('goes', 'x');
      assert.equal(await registry.remaining('goes'), undefined, 'it was made permanent');
    },
  );

  for (const ttlSeconds of [0, -1, 1.5, Number.NaN]) {
    contract(`a TTL of ${ttlSeconds} seconds is refused and nothing is written`, async registry => {
      await assert.rejects(registry.put('a', 'x', { ttlSeconds }));
      assert.equal(await registry.get('a'), undefined);
    });
  }
}

function watching(contract: Contract): void {
  contract('a watch begins with a snapshot and goes on with every change in order', async registry => {
    await registry.put('subnets/b', '1');
    await registry.put('subnets/a', '1');
    await registry.put('config', 'outside');
    const watch = readWatch(registry, 'subnets/');
    const [snapshot] = await watch.first(1);
    const listed = await registry.list('subnets/');
    assert.ok(snapshot?.type === 'snapshot' && snapshot.revision <= listed.revision);
    assert.deepEqual(snapshot.entries, listed.entries);
    const put = written(await registry.put('subnets/a', '2', { ttlSeconds: 3600 }));
    await registry.put('config', 'still outside');
    await registry.put('subnets-old/a', 'outside as well');
    await registry.delete('subnets/b');
    await registry.put('subnets/b', '3');
    await watch.upTo(written(await registry.put('subnets/b', '4')));
    assert.deepEqual(outline(watch.told), [
      'snapshot subnets/a=1 subnets/b=1',
      'put subnets/a=2',
      'delete subnets/b',
      'put subnets/b=3',
      'put subnets/b=4',
    ]);
    const entry: RegistryEntry = { key: 'subnets/a', value: '2', revision: put, permanent: false };
    assert.deepEqual(watch.told[1], { type: 'put', entry });
    assert.ok(isGrowing(watch.told.map(event => revisionOf(event) ?? 0n)));
    await watch.stop();
  });

  contract('the snapshot of an empty store is empty', async registry => {
    const watch = readWatch(registry, 'subnets/');
    assert.deepEqual(outline(await watch.first(1)), ['snapshot']);
    await watch.stop();
  });

  contract(
    'a watch after a revision tells each later change once, in order, without a snapshot',
    async registry => {
      await registry.put('subnets/a', 'before');
      const { revision } = await registry.list('subnets/');
      await registry.put('subnets/a', '1');
      await registry.put('config', 'outside');
      await registry.put('subnets/b', '2');
      await registry.delete('subnets/a');
      const watch = readWatch(registry, 'subnets/', { after: revision });
      await watch.first(3);
      const last = written(await registry.put('subnets/a', '3'));
      await watch.upTo(last);
      assert.deepEqual(outline(watch.told), [
        'put subnets/a=1',
        'put subnets/b=2',
        'delete subnets/a',
        'put subnets/a=3',
      ]);
      await watch.stop();

      const resumed = readWatch(registry, 'subnets/', { after: last });
      await resumed.upTo(written(await registry.put('subnets/c', '4')));
      assert.deepEqual(outline(resumed.told), ['put subnets/c=4']);
      await resumed.stop();
    },
  );

  contract('watching after the revision of any list misses nothing while others write', async registry => {
    const writing = Promise.all(
      Array.from({ length: 60 }, (_, index) => registry.put(`subnets/${index % 20}`, `${index}`)),
    );
    const listed = await registry.list('subnets/');
    const watch = readWatch(registry, 'subnets/', { after: listed.revision });
    await writing;
    await watch.upTo(written(await registry.put('subnets/end', 'end')));
    const state = new Map(listed.entries.map(entry => [entry.key, entry.value]));
    for (const event of watch.told) if (event.type === 'put') state.set(event.entry.key, event.entry.value);
    const truth = (await registry.list('subnets/')).entries.map(entry => [entry.key, entry.value] as const);
    assert.deepEqual(state, new Map(truth));
    assert.ok(isGrowing([listed.revision, ...watch.told.map(event => revisionOf(event) ?? 0n)]));
    await watch.stop();
  });

  contract('several watchers are told the same, each by its prefix', async registry => {
    const watches = ['', '', 'subnets/'].map(prefix => readWatch(registry, prefix));
    for (const watch of watches) await watch.first(1);
    await registry.put('config', '0');
    for (let index = 0; index < 30; index++) await registry.put(`subnets/${index % 7}`, `${index}`);
    const last = written(await registry.put('subnets/last', 'end'));
    for (const watch of watches) await watch.upTo(last);
    const [one, two, narrow] = watches.map(watch => watch.told);
    assert.deepEqual(one, two);
    assert.equal(one?.length, 33);
    assert.deepEqual(
      narrow?.slice(1),
      one?.slice(1).filter(event => event.type === 'put' && event.entry.key !== 'config'),
    );
    for (const watch of watches) await watch.stop();
  });
}

function ending(contract: Contract): void {
  contract('an aborted watch finishes without an error, also when it was aborted before', async registry => {
    const watch = readWatch(registry, '');
    await watch.first(1);
    await watch.stop();
    await registry.put('a', 'x');
    assert.deepEqual(outline(watch.told), ['snapshot']);
    for await (const event of registry.watch('', { signal: AbortSignal.abort() })) {
      assert.equal(event.type, 'never', 'an aborted watch tells nothing');
    }
  });

  contract('a watch whose reader leaves the loop is over, and the registry works on', async registry => {
    await registry.put('a', 'x');
    const { signal } = new AbortController();
    for await (const event of registry.watch('', { signal })) if (event.type === 'snapshot') break;
    assert.equal((await registry.get('a'))?.value, 'x');
  });

  contract('a request with an aborted signal is refused and changes nothing', async registry => {
    const signal = AbortSignal.abort(new Error('changed my mind'));
    await assert.rejects(registry.put('a', 'x', { signal }));
    await assert.rejects(registry.get('a', { signal }));
    await assert.rejects(registry.list('', { signal }));
    await assert.rejects(registry.delete('a', { signal }));
    assert.equal(await registry.get('a'), undefined);
  });

  contract('close ends watchers, refuses what comes later, and may be called twice', async registry => {
    const watches = [readWatch(registry, ''), readWatch(registry, 'subnets/')];
    for (const watch of watches) await watch.first(1);
    await registry.close();
    for (const watch of watches) await watch.ended;
    await assert.rejects(registry.get('a'));
    await assert.rejects(registry.put('a', 'x'));
    await registry.close();
  });
}

/** The revision of a put that must have been written. */
function written(result: PutResult): Revision {
  assert.ok(result.written, 'the put was written');
  return result.revision;
}

function assertOneWinner(results: readonly PutResult[], stored: RegistryEntry | undefined): void {
  const winners = results.filter(result => result.written);
  assert.equal(winners.length, 1);
  assert.equal(winners[0]?.revision, stored?.revision);
  for (const result of results) if (!result.written) assert.deepEqual(result.current, stored);
}

function isGrowing(revisions: readonly Revision[]): boolean {
  return revisions.every((revision, index) => index === 0 || revision > (revisions[index - 1] ?? 0n));
}
