import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import type { Server } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { Scope } from '../../src/base/scope.ts';
import { type EtcdClient, type EtcdOptions, openEtcd } from '../../src/etcd/client.ts';
import { type EtcdServer, freshAddress, startEtcd } from '../support/etcd.ts';

const key = bytesOf('weft/key');
const value = bytesOf('value');
const user = { name: 'weft', password: 'weft-secret', prefix: 'weft/' };

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Opens a client that begins with its first endpoint, does something, and closes it. */
async function withClient<T>(options: EtcdOptions, work: (client: EtcdClient) => Promise<T>): Promise<T> {
  const client = openEtcd({ random: () => 0, ...options });
  try {
    return await work(client);
  } finally {
    await client.close();
  }
}

/** What a failure must say. */
interface Expected {
  readonly code: string;
  readonly message: RegExp;
  readonly remedy?: RegExp;
}

/** The work fails as expected, with a message that names the first endpoint and no password. */
async function assertFails(
  options: EtcdOptions,
  expected: Expected,
  work: (client: EtcdClient) => Promise<unknown> = client => client.range({ key }),
): Promise<void> {
  await withClient(options, client =>
    assert.rejects(work(client), (error: Error & { code?: string; remedy?: string }) => {
      assert.equal(error.code, expected.code, error.message);
      assert.ok(error.message.includes(options.endpoints[0] ?? ''), error.message);
      assert.match(error.message, expected.message);
      assert.doesNotMatch(error.message, /secret/);
      if (expected.remedy !== undefined) assert.match(error.remedy ?? '', expected.remedy);
      return true;
    }),
  );
}

async function assertWorks(options: EtcdOptions): Promise<void> {
  await withClient(options, async client => {
    await client.put({ key, value });
    assert.deepEqual((await client.range({ key })).kvs[0]?.value, value);
  });
}

async function listen(scope: Scope, server: Server | http2.Http2Server): Promise<string> {
  const host = freshAddress();
  server.listen(2379, host);
  scope.defer('server', () => void server.close());
  await once(server, 'listening');
  return `http://${host}:2379`;
}

describe('a client of etcd over the network', () => {
  const scope = new Scope();
  let plain: EtcdServer;

  before(async () => {
    plain = await startEtcd(scope);
  });
  after(() => scope.close());

  test('works with a URL, with a trailing slash and with a bare address', async () => {
    const [url = ''] = plain.endpoints;
    for (const endpoint of [url, `${url}/`, ` ${url} `, url.slice('http://'.length)]) {
      await assertWorks({ endpoints: [endpoint] });
    }
  });

  test('says that nobody listens', async () => {
    const expected = {
      code: 'etcd-unreachable',
      message: /nobody listens.*ECONNREFUSED/,
      remedy: /start etcd/,
    };
    await assertFails({ endpoints: [`http://${freshAddress()}:2379`] }, expected);
    await assertFails({ endpoints: [`https://${freshAddress()}:2379`] }, expected);
  });

  test('says that a name does not resolve', async () => {
    const expected = { code: 'etcd-unreachable', message: /does not resolve/ };
    await assertFails({ endpoints: ['http://etcd.invalid:2379'] }, expected);
  });

  test('says that another kind of server answers', async () => {
    const scope = new Scope();
    try {
      const web = await listen(scope, http.createServer());
      await assertFails({ endpoints: [web] }, { code: 'etcd-protocol', message: /not in HTTP\/2/ });
      const http2Server = http2.createServer((_, response) => void response.writeHead(404).end('no'));
      const other = await listen(scope, http2Server);
      await assertFails({ endpoints: [other] }, { code: 'etcd-protocol', message: /HTTP status 404/ });
    } finally {
      await scope.close();
    }
  });

  test('goes on to an endpoint that works, past dead ones and wrong ones', async () => {
    const dead = `http://${freshAddress()}:2379`;
    const wrong = (plain.endpoints[0] ?? '').replace('http:', 'https:');
    await assertWorks({ endpoints: [dead, wrong, ...plain.endpoints] });
  });

  test('names every endpoint when none works', async () => {
    const endpoints = [`http://${freshAddress()}:2379`, `http://${freshAddress()}:2379`];
    const second = new RegExp(`${endpoints[1]}.*nobody listens`);
    await assertFails({ endpoints }, { code: 'etcd-unreachable', message: second });
  });

  test('passes on what etcd says of a quota, a revision, a lease and a bad request', async () => {
    const small = await startEtcd(scope, { flags: ['--quota-backend-bytes=65536'] });
    const fill = async (client: EtcdClient): Promise<void> => {
      for (let index = 0; index < 100; index++) await client.put({ key, value: new Uint8Array(32 * 1024) });
    };
    const full = { code: 'etcd-nospace', message: /database space exceeded/, remedy: /alarm disarm/ };
    await assertFails({ endpoints: small.endpoints }, full, fill);

    const { endpoints } = plain;
    const missing = { code: 'etcd-lease-missing', message: /lease not found/ };
    await assertFails({ endpoints }, missing, client => client.leaseRevoke({ id: 4711n }));
    await assertFails({ endpoints }, missing, client => client.put({ key, value, lease: 4711n }));
    const empty = { code: 'etcd-refused', message: /key is not provided/ };
    await assertFails({ endpoints }, empty, client => client.put({ key: new Uint8Array(), value }));
    await withClient({ endpoints }, async client => {
      for (let index = 0; index < 3; index++) await client.put({ key, value });
    });
    const revision = (await withClient({ endpoints }, client => client.range({ key }))).header.revision;
    await plain.etcdctl(['compact', `${revision}`]);
    const compacted = { code: 'etcd-compacted', message: /compacted/ };
    await assertFails({ endpoints }, compacted, client => client.range({ key, revision: revision - 1n }));
  });

  test('is refused after close, at once and by name', async () => {
    const client = openEtcd({ endpoints: plain.endpoints });
    await client.range({ key });
    await client.close();
    await assert.rejects(client.range({ key }), { code: 'etcd-closed' });
    await client.close();
  });

  test('gives up a request when its signal aborts, with the reason', async () => {
    plain.kill('SIGSTOP');
    const signal = AbortSignal.timeout(300);
    try {
      await withClient({ endpoints: plain.endpoints }, client =>
        assert.rejects(client.range({ key }, { signal }), { name: 'TimeoutError' }),
      );
    } finally {
      plain.kill('SIGCONT');
    }
  });

  test('says that etcd is silent, and of a write that its fate is not known', async () => {
    const { endpoints } = plain;
    await withClient({ endpoints }, async client => {
      await client.range({ key });
      plain.kill('SIGSTOP');
      try {
        const began = performance.now();
        const uncertain = {
          code: 'etcd-timeout',
          message: /no answer.*whether the change was made is not known/,
        };
        await assert.rejects(client.put({ key, value }), uncertain);
        await assert.rejects(client.range({ key }), { code: 'etcd-timeout', message: /within/ });
        assert.ok(performance.now() - began < 20_000, 'ten seconds each at most');
        await assertFails({ endpoints }, { code: 'etcd-timeout', message: /no HTTP\/2 handshake within/ });
      } finally {
        plain.kill('SIGCONT');
      }
      await client.put({ key, value });
    });
  });
});

describe('a client of etcd over TLS', () => {
  const scope = new Scope();
  let server: EtcdServer;
  let mutual: EtcdServer;
  let elsewhere: EtcdServer;

  before(async () => {
    server = await startEtcd(scope, { tls: 'server' });
    mutual = await startEtcd(scope, { tls: 'mutual' });
    elsewhere = await startEtcd(scope, { tls: 'server', certifiedFor: ['127.255.255.254'] });
  });
  after(() => scope.close());

  test('needs no more than the authority, with a URL and with a bare address', async () => {
    const tls = { caFile: server.certificates?.caFile };
    await assertWorks({ endpoints: server.endpoints, tls });
    await assertWorks({ endpoints: server.endpoints.map(url => url.slice('https://'.length)), tls });
  });

  test('shows its certificate to a server that wants one', async () => {
    await assertWorks({ endpoints: mutual.endpoints, tls: mutual.certificates });
  });

  test('says that clear text was spoken to a server of TLS', async () => {
    for (const etcd of [server, mutual]) {
      const endpoints = etcd.endpoints.map(url => url.replace('https:', 'http:'));
      const expected = { code: 'etcd-tls', message: /the server speaks TLS/, remedy: /https/ };
      await assertFails({ endpoints, tls: etcd.certificates }, expected);
    }
  });

  test('says that TLS was spoken to a server of clear text', async () => {
    const plain = await startEtcd(scope);
    const endpoints = plain.endpoints.map(url => url.replace('http:', 'https:'));
    const tls = { caFile: server.certificates?.caFile };
    await assertFails({ endpoints, tls }, { code: 'etcd-tls', message: /expected TLS/, remedy: /http:/ });
  });

  test('refuses a server whose authority it does not trust', async () => {
    const expected = { code: 'etcd-tls', message: /not signed by an authority/, remedy: /-etcd-cafile/ };
    const { endpoints } = server;
    await assertFails({ endpoints, tls: { caFile: server.certificates?.otherCaFile } }, expected);
    await assertFails({ endpoints }, expected);
  });

  test('refuses a certificate that is for another host', async () => {
    const tls = { caFile: elsewhere.certificates?.caFile };
    await assertFails(
      { endpoints: elsewhere.endpoints, tls },
      { code: 'etcd-tls', message: /for other names/ },
    );
  });

  test('says that the server wants a certificate, or another one', async () => {
    const { endpoints, certificates } = mutual;
    const expected = { code: 'etcd-tls', message: /alert/, remedy: /-etcd-certfile/ };
    const caFile = certificates?.caFile;
    await assertFails({ endpoints, tls: { caFile } }, expected);
    const unknown = { caFile, certFile: certificates?.otherCaFile, keyFile: certificates?.otherKeyFile };
    await assertFails({ endpoints, tls: unknown }, expected);
  });

  test('names the file that is missing, no PEM, or does not fit', async () => {
    const { endpoints, certificates } = mutual;
    const { caFile = '', certFile = '', serverKeyFile = '' } = certificates ?? {};
    const cases = [
      [{ caFile: '/nonexistent/ca.pem' }, /CA bundle.*\/nonexistent\/ca\.pem/],
      [{ caFile: import.meta.filename }, /CA bundle.*etcd-errors\.test/],
      [{ caFile, certFile }, /certificate.*without its key/],
      [{ caFile, keyFile: serverKeyFile }, /key.*without its certificate/],
      [{ caFile, certFile, keyFile: serverKeyFile }, /do not go together/],
    ] as const;
    for (const [tls, message] of cases) {
      await withClient({ endpoints, tls }, client =>
        assert.rejects(client.range({ key }), { code: 'etcd-tls', message }),
      );
    }
  });
});

describe('a client of etcd with authentication', () => {
  const scope = new Scope();
  let etcd: EtcdServer;

  before(async () => {
    etcd = await startEtcd(scope, { user });
  });
  after(() => scope.close());

  test('works with the right password, and keeps working when etcd forgets its tokens', async () => {
    await withClient({ endpoints: etcd.endpoints, user }, async client => {
      await client.put({ key, value });
      await etcd.stop();
      await etcd.start();
      await client.put({ key, value: bytesOf('later') });
      await etcd.stop();
      await etcd.start();
      assert.deepEqual((await client.range({ key })).kvs[0]?.value, bytesOf('later'));
    });
  });

  test('watches also with a token that etcd has forgotten', async () => {
    await withClient({ endpoints: etcd.endpoints, user }, async client => {
      await client.range({ key });
      await etcd.stop();
      await etcd.start();
      const { signal } = new AbortController();
      for await (const response of client.watch({ key }, { signal })) {
        assert.equal(response.created, true);
        break;
      }
    });
  });

  test('says that the password is wrong, or that there is none', async () => {
    const { endpoints } = etcd;
    const wrong = { ...user, password: 'not-the-secret' };
    const expected = { code: 'etcd-auth', message: /authentication failed/, remedy: /-etcd-password/ };
    await assertFails({ endpoints, user: wrong }, expected);
    await assertFails({ endpoints, user: { ...user, name: 'nobody' } }, expected);
    await assertFails({ endpoints }, { code: 'etcd-auth', message: /user name/, remedy: /-etcd-username/ });
  });

  test('says that the user may not read, write or watch there', async () => {
    const { endpoints } = etcd;
    const foreign = { key: bytesOf('other/key') };
    const expected = { code: 'etcd-permission', message: /permission denied/, remedy: /grant/ };
    await assertFails({ endpoints, user }, expected, client => client.range(foreign));
    await assertFails({ endpoints, user }, expected, client => client.put({ ...foreign, value }));
    await assertFails({ endpoints, user }, expected, async client => {
      for await (const _ of client.watch(foreign, { signal: new AbortController().signal }));
    });
  });

  test('needs no authentication where there is none, user or not', async () => {
    const open = await startEtcd(scope);
    await assertWorks({ endpoints: open.endpoints, user });
  });
});
