import assert from 'node:assert/strict';
import process from 'node:process';
import { after, before, describe, test } from 'node:test';
import { Scope } from '../../src/base/scope.ts';
import { openEtcdRegistry } from '../../src/registry/etcd.ts';
import type { Registry } from '../../src/registry/registry.ts';
import { run } from '../support/command.ts';
import { type EtcdServer, startEtcd } from '../support/etcd.ts';
import { systemClock } from '../unit/registry/clocks.ts';

const prefix = '/coreos.com/network';

describe('the etcd registry', () => {
  const scope = new Scope();
  let etcd: EtcdServer;
  let registry: Registry;

  const open = (text = prefix): Registry => {
    const around = { clock: systemClock, random: Math.random };
    return scope.own('registry', openEtcdRegistry({ endpoints: etcd.endpoints, prefix: text, ...around }));
  };
  const leases = async (): Promise<number> => {
    const text = await etcd.etcdctl('lease list');
    return Number(/found (\d+) leases/.exec(text)?.[1]);
  };

  before(async () => {
    etcd = await startEtcd(scope);
    registry = open();
  });
  after(() => scope.close());

  test('is named by its endpoints and prefix', () => {
    assert.equal(registry.name, `etcd ${etcd.endpoints[0]}${prefix}`);
  });

  for (const text of [prefix, `${prefix}/`, `${prefix}//`, '//coreos.com//network']) {
    test(`with the prefix ${text} it finds the keys that flannel writes`, async () => {
      await etcd.etcdctl(['put', `${prefix}/config`, text]);
      assert.equal((await open(text).get('config'))?.value, text);
    });
  }

  for (const [text, key] of [
    ['/', '/config'],
    ['', 'config'],
  ] as const) {
    test(`with the prefix ${JSON.stringify(text)} its config is at ${key}, and it lists every key`, async () => {
      const whole = open(text);
      await whole.put('config', 'whole');
      assert.equal(await etcd.etcdctl(['get', key, '--print-value-only']), 'whole\n');
      const keys = (await whole.list('')).entries.map(entry => entry.key);
      assert.ok(keys.includes('config') && keys.includes(`${prefix}/config`.slice(text.length)), keys.join());
    });
  }

  test('a key that somebody else gave a lease is not permanent, and one without is', async () => {
    const [, lease = ''] = /lease (\w+) granted/.exec(await etcd.etcdctl('lease grant 600')) ?? [];
    await etcd.etcdctl(['put', `${prefix}/permanence/leased`, 'x', `--lease=${lease}`]);
    await etcd.etcdctl(['put', `${prefix}/permanence/reserved`, 'x']);
    const { entries } = await registry.list('permanence/');
    assert.deepEqual(
      entries.map(({ key, permanent }) => ({ key, permanent })),
      [
        { key: 'permanence/leased', permanent: false },
        { key: 'permanence/reserved', permanent: true },
      ],
    );
  });

  test('a lease of a day is granted as such, and is what the key expires with', async () => {
    const result = await registry.put('ttl/day', 'x', { ttlSeconds: 86_400 });
    assert.ok(result.written && result.ttlSeconds === 86_400);
    const fields = await etcd.etcdctl(['get', `${prefix}/ttl/day`, '--write-out=fields']);
    const lease = BigInt(/"Lease" : (-?\d+)/.exec(fields)?.[1] ?? 0).toString(16);
    assert.match(await etcd.etcdctl(['lease', 'timetolive', lease]), /granted with TTL\(86400s\)/);
  });

  test('a put whose expectation fails leaves no lease behind', async () => {
    await registry.put('race/a', 'first', { ttlSeconds: 600 });
    const before = await leases();
    const options = { ttlSeconds: 600, expect: 'absent' } as const;
    const results = await Promise.all(['b', 'c', 'd'].map(value => registry.put('race/a', value, options)));
    assert.ok(results.every(result => !result.written && result.current?.value === 'first'));
    assert.equal(await leases(), before);
  });

  test('lists more keys than a page holds, in order, as of one revision, while others write', async () => {
    const keys = Array.from({ length: 5_001 }, (_, index) => `pages/${String(index).padStart(5, '0')}`);
    for (let from = 0; from < keys.length; from += 100) {
      const puts = keys.slice(from, from + 100).map(key => `put ${prefix}/${key} x`);
      await etcd.etcdctl('txn', `\n${puts.join('\n')}\n\n\n`);
    }
    let writing = true;
    const writer = (async () => {
      for (let round = 0; writing; round++) await registry.put('pages/04999', `${round}`);
    })();
    const snapshots = [await registry.list('pages/'), await registry.list('pages/')];
    writing = false;
    await writer;
    for (const { entries, revision } of snapshots) {
      assert.deepEqual(
        entries.map(entry => entry.key),
        keys,
      );
      assert.ok(entries.every(entry => entry.revision <= revision));
    }
  });

  test('a foreign key that is not UTF-8 hides nobody else', async () => {
    const key = Buffer.concat([Buffer.from(`${prefix}/foreign/`), Buffer.of(0xff, 0xfe)]).toString('base64');
    const url = `${etcd.endpoints[0]}/v3/kv/put`;
    await fetch(url, { method: 'POST', body: JSON.stringify({ key, value: 'gICA' }) });
    await registry.put('foreign/a', 'x');
    const { entries } = await registry.list('foreign/');
    assert.deepEqual(
      entries.map(entry => entry.key),
      ['foreign/a', 'foreign/\ufffd\ufffd'],
    );
  });

  for (const state of ['serving', 'silent'] as const) {
    test(`a process ends by itself when it has closed the registry of an etcd that is ${state}`, async () => {
      const own = new Scope();
      try {
        const other = await startEtcd(own, { tls: 'server' });
        if (state === 'silent') other.kill('SIGSTOP');
        const options = {
          endpoints: other.endpoints,
          prefix,
          caFile: other.certificates?.caFile,
          timeoutMs: 500,
        };
        const output = await run([
          process.execPath,
          '--input-type=module',
          '--eval',
          program,
          JSON.stringify(options),
        ]);
        assert.match(output, state === 'silent' ? /^etcd-timeout$/m : /^found nothing$/m);
      } finally {
        await own.close();
      }
    });
  }
});

/** Asks and watches in one process, closes the registry, and hopes to end. */
const program = `
import { openEtcdRegistry } from '${import.meta.resolve('../../src/registry/etcd.ts')}';
import { systemClock } from '${import.meta.resolve('../unit/registry/clocks.ts')}';
const options = JSON.parse(process.argv[1]);
const registry = openEtcdRegistry({ ...options, clock: systemClock, random: Math.random });
const watching = (async () => {
  for await (const _ of registry.watch('', { signal: new AbortController().signal }));
})();
await registry.get('config').then(() => console.log('found nothing'), error => console.log(error.code));
await registry.close();
await watching;
`;
