/** What the registry cannot give yet is waited for: the daemon says what, changes nothing, and goes on when it comes. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startDaemon } from '../support/daemon.ts';
import { startEtcd } from '../support/etcd.ts';
import { testScope } from '../support/leaks.ts';
import { createCluster, eventuallyMeshed, joinAll, usualConfig } from '../support/weft-cluster.ts';
import { kernelOf, waitUntilReady } from '../support/weft-host.ts';
import { createUnderlay } from '../support/weft-underlay.ts';

const underlay = await createUnderlay(testScope({ after }));

test('without a network config the daemon waits, says for what, and joins when the config appears', async t => {
  const cluster = await createCluster(testScope(t), underlay, { config: undefined });
  const [a] = await cluster.addHosts('a');
  const before = await kernelOf(a);
  const weft = await a.startWeft();
  const where = `${underlay.etcd.url}${cluster.prefix}`.replaceAll('.', '\\.');
  await weft.waitForOutput(
    new RegExp(
      `warn +waiting for the network config: .* the key config is absent from etcd ${where} code=config-missing`,
    ),
  );
  assert.match(weft.output, /remedy="put one, such as: .*weft config put -/);
  assert.deepEqual(await kernelOf(a), before);
  assert.equal((await cluster.leases()).size, 0);
  await cluster.put('config', usualConfig);
  await waitUntilReady(weft);
  assert.equal(weft.output.match(/waiting for/g)?.length, 1, 'said once, not each second');
});

test('a daemon that waits ends with exit code 0 on SIGTERM, and has changed nothing', async t => {
  const cluster = await createCluster(testScope(t), underlay, { config: undefined });
  const [a] = await cluster.addHosts('a');
  const before = await kernelOf(a);
  const weft = await a.startWeft();
  await weft.waitForOutput(/waiting for the network config/);
  assert.deepEqual(await weft.stop(), { code: 0, signal: null });
  assert.match(weft.output, /info +stopped: nothing was changed/);
  assert.deepEqual(await kernelOf(a), before);
});

const vxlan = { Backend: { Type: 'vxlan' } };
const invalid: ReadonlyArray<readonly [object | string, RegExp]> = [
  ['{"Network": "10.2.0.0/16",}', /the network config is .*JSON/],
  ['[]', /the network config is .*, expected a JSON object/],
  [vxlan, /Network is not given/],
  [{ Network: 'ten', ...vxlan }, /Network: .*"ten"/],
  [{ Network: 10, ...vxlan }, /Network: .*10/],
  [{ Network: '10.2.0.0/16', SubnetLen: 31, ...vxlan }, /SubnetLen is 31, but must be less than \/31/],
  [{ Network: '10.2.0.0/16', SubnetLen: 17, ...vxlan }, /at least four subnets/],
  [{ Network: '10.2.0.0/29', ...vxlan }, /too small: the minimum useful prefix is \/28/],
  [{ Network: '10.2.0.0/16', SubnetMin: '10.3.0.0', ...vxlan }, /SubnetMin 10\.3\.0\.0 is not in the range/],
  [{ Network: '10.2.0.0/16', SubnetMax: '10.3.0.0', ...vxlan }, /SubnetMax 10\.3\.0\.0 is not in the range/],
  [{ Network: '10.2.0.0/16', SubnetMin: '10.2.0.1', ...vxlan }, /SubnetMin is not on a SubnetLen boundary/],
  [{ Network: '10.2.0.0/16', SubnetMax: '10.2.9.1', ...vxlan }, /SubnetMax is not on a SubnetLen boundary/],
  [
    { Network: '10.2.0.0/16', SubnetMin: '10.2.9.0', SubnetMax: '10.2.8.0', ...vxlan },
    /SubnetMin 10\.2\.9\.0 is above SubnetMax 10\.2\.8\.0/,
  ],
  [{ EnableIPv4: false, ...vxlan }, /EnableIPv4 and EnableIPv6 are both false/],
  [{ Network: '10.2.0.0/16', Backend: 'vxlan' }, /Backend/],
];

test('each mistake in the network config is named and waited out, until the config is right', async t => {
  const scope = testScope(t);
  // The daemon asks once a second: three of them at the same time have seen all mistakes sooner.
  const shares = [0, 1, 2].map(share => invalid.filter((_, index) => index % 3 === share));
  await Promise.all(
    shares.map(async share => {
      const cluster = await createCluster(scope, underlay, { config: undefined });
      const [a] = await cluster.addHosts('a');
      const before = await kernelOf(a);
      const weft = await a.startWeft();
      for (const [config, message] of share) {
        const text = typeof config === 'string' ? config : JSON.stringify(config);
        await cluster.put('config', text);
        await weft.waitForOutput(
          new RegExp(`warn +waiting for the network config: .*${message.source}.* code=config-invalid`),
        );
      }
      assert.deepEqual(await kernelOf(a), before);
      assert.equal((await cluster.leases()).size, 0);
      await cluster.put('config', usualConfig);
      await waitUntilReady(weft);
    }),
  );
});

test('a running host heeds no mistake that is made in the config later', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const [a, b] = await cluster.addHosts('a', 'b');
  const [weft] = await joinAll(cluster, [a, b]);
  await cluster.put('config', '{');
  await eventuallyMeshed(cluster, [a, b]);
  await weft?.kill();
  const again = await a.startWeft();
  await again.waitForOutput(/waiting for the network config: .*code=config-invalid/);
  await eventuallyMeshed(cluster, [a, b]);
});

test('a daemon that starts before etcd waits, and joins when etcd is there', async t => {
  const scope = testScope(t);
  const own = await createUnderlay(scope);
  const cluster = await createCluster(scope, own);
  const [a] = await cluster.addHosts('a');
  await own.etcd.stop();
  const before = await kernelOf(a);
  const weft = await a.startWeft();
  await weft.waitForOutput(
    /warn +waiting for the network config: etcd http:\/\/192\.0\.2\.10:2379: nobody listens there .*code=etcd-unreachable/,
  );
  assert.deepEqual(await kernelOf(a), before);
  await own.etcd.start();
  await waitUntilReady(weft);
});

test('a daemon whose etcd is silent waits too, and joins when it answers', async t => {
  const scope = testScope(t);
  const cluster = await createCluster(scope, underlay);
  const [a] = await cluster.addHosts('a');
  const { bridge } = underlay;
  scope.defer('port of the host', async () => void (await bridge.run(`ip link set ${a.port} up`)));
  await bridge.run(`ip link set ${a.port} down`);
  const before = await kernelOf(a);
  const weft = await a.startWeft();
  await weft.waitForOutput(/warn +waiting for the network config: .*code=etcd-(unreachable|timeout)/);
  assert.deepEqual(await kernelOf(a), before);
  await bridge.run(`ip link set ${a.port} up`);
  await waitUntilReady(weft);
});

test('wrong TLS and wrong passwords are named, never shown, and waited out', async t => {
  const scope = testScope(t);
  const user = { name: 'weft', password: 'Sesame-opens', prefix: '/coreos.com/network' };
  const etcd = await startEtcd(scope, { tls: 'mutual', user });
  const pem = etcd.certificates;
  assert.ok(pem);
  const [url = ''] = etcd.endpoints;
  const tls = ['-etcd-certfile', pem.certFile, '-etcd-keyfile', pem.keyFile, '-etcd-cafile', pem.caFile];
  const login = ['-etcd-username', user.name, '-etcd-password', user.password];
  const cases: ReadonlyArray<readonly [readonly string[], RegExp]> = [
    [
      [url.replace('https', 'http'), ...tls, ...login],
      /we spoke clear text, but the server speaks TLS.*code=etcd-tls/,
    ],
    [[url], /certificate is not signed by an authority that we trust.*code=etcd-tls/],
    [
      [url, ...tls.with(-1, pem.otherCaFile), ...login],
      /not signed by an authority that we trust.*code=etcd-tls/,
    ],
    [[url, ...tls, '-etcd-username', user.name, '-etcd-password', 'Sesame-wrong'], /code=etcd-auth/],
    [[url, ...tls, '-etcd-username', 'nobody', '-etcd-password', 'Sesame-wrong'], /code=etcd-auth/],
    // The user is then the name in the certificate, who may do nothing.
    [[url, ...tls], /permission denied.*code=etcd-permission/],
    [[url, ...tls, ...login, '-etcd-prefix', '/elsewhere'], /permission denied.*code=etcd-permission/],
    // The control: with all of it right the daemon gets as far as the config, which is not there.
    [[url, ...tls, ...login], /code=config-missing/],
  ];
  for (const [[endpoint = '', ...flags], said] of cases) {
    const argv = ['bin/weft', 'run', '-etcd-endpoints', endpoint, ...flags, '-iface', 'lo'];
    const weft = await startDaemon({ enter: [], forks: false }, argv);
    scope.defer('weft', async () => void (await weft.kill()));
    await weft.waitForOutput(new RegExp(`warn +waiting for the network config: .*${said.source}`));
    assert.match(weft.output, /remedy=/);
    assert.doesNotMatch(weft.output, /Sesame/);
    assert.deepEqual(await weft.stop(), { code: 0, signal: null });
  }
});
