import assert from 'node:assert/strict';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { hasCode } from '../../../src/base/errors.ts';
import { openDirectoryRegistry } from '../../../src/registry/directory.ts';
import type { Registry, RegistryEvent } from '../../../src/registry/registry.ts';
import { registryContract } from '../../contract/registry.ts';
import { outline, readWatch } from '../../contract/watch-reader.ts';
import { systemClock } from './clocks.ts';
import { recordingLog } from './subnets.ts';

interface Place {
  readonly root: string;
  /** What the registries opened here have logged. */
  readonly lines: readonly string[];
  /** Another registry in the same directory, as another process would open it. */
  open(options?: { readonly historyLength?: number }): Promise<Registry>;
  file(name: string): string;
  write(name: string, text: string | Uint8Array): void;
}

/** A directory of its own for `body`; whatever it opened is closed, and the directory is gone afterwards. */
async function inPlace(body: (place: Place) => Promise<void>): Promise<void> {
  const root = mkdtempSync(path.join(tmpdir(), 'weft-registry-'));
  const opened: Registry[] = [];
  const { log, lines } = recordingLog();
  const file = (name: string): string => path.join(root, name);
  try {
    await body({
      root,
      lines,
      file,
      write(name, text) {
        mkdirSync(path.dirname(file(name)), { recursive: true });
        writeFileSync(file(name), text);
      },
      async open(options = {}) {
        const registry = await openDirectoryRegistry({
          path: root,
          clock: systemClock,
          random: Math.random,
          log,
          ...options,
        });
        opened.push(registry);
        return registry;
      },
    });
  } finally {
    for (const registry of opened) await registry.close();
    for (const folder of [root, `${root}-away`]) rmSync(folder, { recursive: true, force: true });
  }
}

registryContract('directory', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'weft-registry-'));
  const registry = await openDirectoryRegistry({ path: folder, clock: systemClock, random: Math.random });
  return {
    registry,
    async close() {
      await registry.close();
      rmSync(folder, { recursive: true });
    },
  };
});

const config = '{"Network":"10.2.0.0/16","Backend":{"Type":"vxlan"}}';

test('an entry is a file that people can read, and only its owner may', () =>
  inPlace(async ({ open, file }) => {
    const registry = await open();
    await registry.put('config', config);
    await registry.put('subnets/10.2.14.0-24', '{"PublicIP":"192.168.3.1"}', { ttlSeconds: 86_400 });
    await registry.put('note', 'no JSON');
    assert.equal(readFileSync(file('config'), 'utf8'), `{\n  "revision": 1,\n  "value": ${config}\n}\n`);
    assert.match(
      readFileSync(file('subnets/10.2.14.0-24'), 'utf8'),
      /^\{\n {2}"revision": 2,\n {2}"expires": "20\d\d-\d\d-\d\dT[0-9:.]+Z",\n {2}"value": \{"PublicIP":"192\.168\.3\.1"\}\n\}\n$/,
    );
    assert.equal(readFileSync(file('note'), 'utf8'), '{\n  "revision": 3,\n  "text": "no JSON"\n}\n');
    assert.equal(statSync(file('config')).mode & 0o777, 0o600);
    assert.equal(registry.name, `dir:${file('')}`.replace(/\/$/, ''));
  }));

for (const name of ['config', 'config.json']) {
  test(`a network config that a hand wrote as ${name} is the config, and may be edited, put and removed`, () =>
    inPlace(async ({ open, file, write }) => {
      write(name, `${config}\n`);
      const registry = await open();
      const entry = await registry.get('config');
      assert.equal(entry?.value, `${config}\n`);
      assert.equal(entry.permanent, true);
      assert.equal(readFileSync(file(name), 'utf8'), `${config}\n`, 'the file stays as the hand wrote it');
      const again = await open();
      assert.deepEqual(await again.get('config'), entry, 'whoever looks sees the same revision');

      write(name, '{"Network":"10.3.0.0/16"}');
      const edited = await registry.get('config');
      assert.equal(edited?.value, '{"Network":"10.3.0.0/16"}');
      assert.ok(edited.revision > entry.revision);
      assert.equal((await registry.put('config', 'x', { expect: entry.revision })).written, false);

      assert.ok((await registry.put('config', config, { expect: edited.revision })).written);
      assert.deepEqual(
        readdirSync(file('')).filter(found => !found.startsWith('.')),
        ['config'],
      );
      assert.equal((await again.get('config'))?.value, config);
      rmSync(file('config'));
      assert.equal(await registry.get('config'), undefined);
      assert.ok((await registry.put('config', config, { expect: 'absent' })).written);
    }));
}

test('what a hand writes, edits, moves and removes is told to watchers as any other change', () =>
  inPlace(async ({ open, file, write }) => {
    const [registry, other] = [await open(), await open()];
    await registry.put('subnets/a', '1');
    const watches = [readWatch(registry, ''), readWatch(other, '')];
    for (const watch of watches) await watch.first(1);
    const steps: ReadonlyArray<readonly [string, () => void]> = [
      ['put config=bare', () => write('config', 'bare')],
      ['put subnets/a=2', () => write('subnets/a', '2')],
      ['put new/folder/b=3', () => write('new/folder/b', '3')],
      ['put new/folder/c=4', () => write('new/folder/c.json', '4')],
      ['delete subnets/a', () => rmSync(file('subnets/a'))],
    ];
    for (const [index, [expected, act]] of steps.entries()) {
      act();
      for (const watch of watches) assert.equal(outline(await watch.first(index + 2)).at(-1), expected);
    }
    assert.deepEqual(
      watches[0]?.told,
      watches[1]?.told,
      'each change has one revision, whoever saw it first',
    );
    for (const watch of watches) await watch.stop();
  }));

test('a file that cannot be an entry is ignored and reported once, and the rest goes on', () =>
  inPlace(async ({ open, write, lines }) => {
    const registry = await open();
    await registry.put('subnets/kept', 'good');
    write('config', '  \n');
    write('subnets/latin', Uint8Array.of(0x7b, 0xe9, 0x7d));
    write('subnets/date', '{"revision":1,"expires":"soon","value":1}');
    write('subnets/huge', 'x'.repeat(1.5 * 1024 * 1024 + 1));
    write('subnets/edi tor~', 'x');
    write('subnets/.hidden.swp', 'x');
    write('subnets/twice', '1');
    write('subnets/twice.json', '2');
    write('subnets/kept', '');
    for (let look = 0; look < 3; look++) {
      assert.deepEqual(
        (await registry.list('')).entries.map(({ key, value }) => `${key}=${value}`),
        ['subnets/kept=good', 'subnets/twice=1'],
      );
    }
    const reported = lines
      .filter(line => line.startsWith('warn'))
      .map(line => /file (.*?): /.exec(line)?.[1]);
    assert.deepEqual(reported.sort(), [
      'config',
      'subnets/date',
      'subnets/edi tor~',
      'subnets/huge',
      'subnets/kept',
      'subnets/latin',
      'subnets/twice.json',
    ]);
    assert.ok((await registry.put('subnets/date', 'fine', { expect: 'absent' })).written);
    assert.equal((await registry.get('subnets/date'))?.value, 'fine');
  }));

const unsafe = [
  '',
  '/etc/passwd',
  '../up',
  'a/../b',
  'a//b',
  'a/',
  './a',
  '.weft/lock',
  'a\0b',
  'a b',
  'é',
  'a.json',
];
for (const key of [...unsafe, 'x'.repeat(251), 'a/b/c/d/e/f/g/h/i']) {
  test(`the key ${JSON.stringify(key).slice(0, 30)} is refused`, () =>
    inPlace(async ({ open, root }) => {
      const registry = await open();
      const isInvalid = (error: unknown): boolean => hasCode(error, 'key-invalid');
      await assert.rejects(registry.get(key), isInvalid);
      await assert.rejects(registry.put(key, 'x'), isInvalid);
      await assert.rejects(registry.delete(key), isInvalid);
      assert.deepEqual(readdirSync(root), ['.weft']);
    }));
}

test('a key below another key, or above one, is refused and changes nothing', () =>
  inPlace(async ({ open, root }) => {
    const registry = await open();
    await registry.put('a', 'x');
    await registry.put('b/c', 'x');
    const before = await registry.list('');
    for (const key of ['a/b', 'b']) {
      await assert.rejects(registry.put(key, 'y'), error => hasCode(error, 'key-conflict'));
    }
    assert.deepEqual(await registry.list(''), before);
    const outside = mkdtempSync(path.join(tmpdir(), 'weft-outside-'));
    try {
      symlinkSync(outside, path.join(root, 'link'));
      await assert.rejects(registry.put('link/a', 'y'), error => hasCode(error, 'key-conflict'));
      assert.deepEqual(readdirSync(outside), []);
    } finally {
      rmSync(outside, { recursive: true });
    }
  }));

test('what one registry writes is told to watchers of another, each change once and in order', () =>
  inPlace(async ({ open }) => {
    const [writer, other] = [await open(), await open()];
    const watch = readWatch(other, 'subnets/');
    await watch.first(1);
    for (let index = 0; index < 100; index++) await writer.put(`subnets/${index % 7}`, `${index}`);
    await writer.delete('subnets/0');
    await watch.first(102);
    assert.deepEqual(outline(watch.told), [
      'snapshot',
      ...Array.from({ length: 100 }, (_, index) => `put subnets/${index % 7}=${index}`),
      'delete subnets/0',
    ]);
    await watch.stop();
  }));

test('a past that the journal has forgotten is told as a snapshot; who keeps up misses nothing', () =>
  inPlace(async ({ open, file }) => {
    const writer = await open({ historyLength: 5 });
    const other = await open({ historyLength: 5 });
    await writer.put('subnets/a', '0');
    const { revision } = await writer.list('');
    const watch = readWatch(other, '');
    await watch.first(1);
    for (let index = 1; index <= 100; index++) {
      await writer.put('subnets/a', `${index}`);
      if (index % 4 === 0) await watch.first(index + 1);
    }
    assert.equal(watch.told.filter(event => event.type === 'snapshot').length, 1);
    assert.ok(statSync(file('.weft/journal')).size < 2000, 'the journal does not grow for ever');
    const late = readWatch(await open({ historyLength: 5 }), '', { after: revision });
    assert.deepEqual(outline(await late.first(1)), ['snapshot subnets/a=100']);
    await watch.stop();
    await late.stop();
  }));

test('the directory taken away is an outage, told as state and with a remedy; given back it is told anew', () =>
  inPlace(async ({ open, root, write }) => {
    const registry = await open();
    await registry.put('a', '1');
    const controller = new AbortController();
    const events: RegistryEvent[] = [];
    const reading = (async () => {
      for await (const event of registry.watch('', { signal: controller.signal })) events.push(event);
    })();
    const told = async (line: string): Promise<void> => {
      for (const deadline = Date.now() + 30_000; !outline(events).includes(line); await sleep(20)) {
        assert.ok(Date.now() < deadline, `waited for ${line}, was told ${outline(events)}`);
      }
    };
    await told('snapshot a=1');
    renameSync(root, `${root}-away`);
    await told('state disconnected');
    await assert.rejects(
      registry.put('a', '2'),
      error =>
        hasCode(error, 'registry-unavailable') && error.message.includes(root) && error.remedy !== undefined,
    );
    assert.ok(!existsSync(root), "it is not made again behind the operator's back");
    renameSync(`${root}-away`, root);
    await told('state connected');
    await registry.put('a', '2');
    await told('put a=2');
    rmSync(root, { recursive: true });
    for (
      const deadline = Date.now() + 30_000;
      outline(events).filter(line => line === 'state disconnected').length < 2;
    ) {
      assert.ok(Date.now() < deadline, `${outline(events)}`);
      await sleep(20);
    }
    write('config', config);
    await told(`snapshot config=${config}`);
    controller.abort();
    await reading;
  }));

const damages: Readonly<Record<string, (journal: string) => void>> = {
  'is missing': journal => rmSync(journal),
  'has a line of nonsense': journal => appendFileSync(journal, 'nonsense\n'),
  'has lost a line': journal => {
    const lines = readFileSync(journal, 'utf8').split('\n');
    writeFileSync(journal, lines.toSpliced(2, 1).join('\n'));
  },
  'is empty': journal => truncateSync(journal),
};
for (const [what, damage] of Object.entries(damages)) {
  test(`a journal that ${what} is made anew from the files, at a revision never seen before`, () =>
    inPlace(async ({ open, file }) => {
      const registry = await open();
      for (const value of ['1', '2', '3']) await registry.put('subnets/a', value);
      await registry.put('gone', 'x');
      await registry.delete('gone');
      const before = await registry.list('');
      const watch = readWatch(registry, '', { after: before.revision });
      await sleep(50);
      damage(file('.weft/journal'));
      const other = await open();
      const after = await other.list('');
      assert.deepEqual(
        after.entries.map(({ key, value }) => `${key}=${value}`),
        ['subnets/a=3'],
      );
      assert.ok(after.revision > before.revision);
      const put = await other.put('subnets/a', '4');
      assert.ok(put.written);
      const told = outline(await watch.upTo(put.revision));
      assert.match(told[0] ?? '', /^snapshot subnets\/a=[34]$/, 'the past cannot be told');
      assert.match(told.at(-1) ?? '', /subnets\/a=4$/);
      await watch.stop();
    }));
}

test('whatever a killed process left undone is finished by the next one that looks', () =>
  inPlace(async ({ open, file, write }) => {
    const registry = await open();
    await registry.put('subnets/a', '"old"');
    await registry.put('subnets/b', '"old"');
    const { revision } = await registry.list('');
    write('.weft/entry.tmp', '{\n  "revision": 3,\n  "val'); // killed while writing the new file
    appendFileSync(file('.weft/journal'), '{"revision":3,"put":"subn'); // killed while writing the journal
    write('subnets/a', '{\n  "revision": 3,\n  "value": "new"\n}\n'); // killed between rename and journal
    rmSync(file('subnets/b')); // killed between unlink and journal
    write('subnets/c', '{\n  "revision": 1,\n  "expires": "2001-01-01T00:00:00Z",\n  "value": 1\n}\n'); // while expiring
    const other = await open();
    const entries = (await other.list('')).entries.map(({ key, value }) => `${key}=${value}`);
    assert.deepEqual(entries, ['subnets/a="new"']);
    assert.ok(!existsSync(file('subnets/c')));
    const watch = readWatch(registry, '', { after: revision });
    assert.deepEqual(outline(await watch.first(2)).sort(), ['delete subnets/b', 'put subnets/a="new"']);
    await watch.stop();
    assert.ok((await registry.put('subnets/b', 'again', { expect: 'absent' })).written);
  }));

test('a lease that a hand made permanent just in time is not expired by those who had not looked', () =>
  inPlace(async ({ open, write }) => {
    const registry = await open();
    await registry.put('subnets/a', '"lease"', { ttlSeconds: 1 });
    write('subnets/a', '"reserved"');
    await sleep(1500);
    const entry = await registry.get('subnets/a');
    assert.equal(entry?.value, '"reserved"');
    assert.equal(entry.permanent, true);
  }));

test('a directory that cannot be made is an error that names it', async () => {
  const options = { path: '/proc/nowhere/registry', clock: systemClock, random: Math.random };
  await assert.rejects(
    openDirectoryRegistry(options),
    error => hasCode(error, 'registry-unavailable') && error.message.includes('/proc/nowhere/registry'),
  );
});
