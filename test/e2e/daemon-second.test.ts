/** Two daemons would fight over one device: the second is refused, and the first does not notice. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { testScope } from '../support/leaks.ts';
import { createCluster, joinAll } from '../support/weft-cluster.ts';
import { createUnderlay } from '../support/weft-underlay.ts';

const underlay = await createUnderlay(testScope({ after }));

test('a second daemon on the same host and network is refused by name; after a kill -9 the next one begins', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const [a, b] = await cluster.addHosts('a', 'b');
  const [weft] = await joinAll(cluster, [a, b]);
  const before = await a.overlay();
  const second = await a.startWeft(['-subnet-file', '/run/flannel/second.env']);
  const exit = await eventually('the second to end', () => second.exit);
  assert.equal(exit.code, 1);
  // Its number inside the host, which has processes of its own.
  assert.match(second.output, /another daemon has flannel\.1 of this host in hand: pid \d+,\s.*main\.ts run/);
  assert.match(second.output.replace(/\s+/g, ' '), /what to do: stop it first: kill \d+/);
  assert.deepEqual(await a.overlay(), before);
  assert.equal(weft?.exit, undefined);
  await weft?.kill();
  await a.join();
});

test('a second daemon of another network, with a VNI and a subnet file of its own, is welcome on the same host', async t => {
  const scope = testScope(t);
  const [red, blue] = [
    await createCluster(scope, underlay),
    await createCluster(scope, underlay, {
      config: '{"Network":"10.7.0.0/16","Backend":{"Type":"vxlan","VNI":7}}',
    }),
  ];
  const [a] = await red.addHosts('a');
  await a.join();
  const other = await a.startWeft([
    '-etcd-prefix',
    blue.prefix,
    '-subnet-file',
    '/run/flannel/blue.env',
    '-iptables-forward-rules=false',
  ]);
  await other.waitForOutput(/ ready subnetFile=\/run\/flannel\/blue\.env/);
  const links = await a.netns.run('ip -o link show type vxlan');
  assert.match(links, /flannel\.1:[\s\S]*flannel\.7:/);
});

for (const [engine, more] of [
  ['iptables', {}],
  ['nftables', { EnableNFTables: true }],
] as const) {
  test(`two daemons of two networks on one host leave each other's rules alone (${engine})`, async t => {
    const scope = testScope(t);
    const config = (network: string, VNI: number) =>
      JSON.stringify({ Network: network, ...more, Backend: { Type: 'vxlan', VNI } });
    const [red, blue] = [
      await createCluster(scope, underlay, { config: config('10.2.0.0/16', 1) }),
      await createCluster(scope, underlay, { config: config('10.7.0.0/16', 7) }),
    ];
    const [a] = await red.addHosts('a');
    const ofBlue = ['-etcd-prefix', blue.prefix, '-subnet-file', '/run/flannel/blue.env', '-ip-masq'];
    const rules = async () => {
      const text = await a.run(engine === 'iptables' ? 'iptables-save' : 'nft list ruleset');
      const names = [...text.matchAll(/^:((?:WEFT|FLANNEL)\S+)|^table ip (\S+)/gm)];
      return names.map(([, chain, table]) => chain ?? table).sort();
    };
    const usual = engine === 'iptables' ? ['FLANNEL-FWD', 'FLANNEL-POSTRTG'] : ['flannel-ipv4'];
    const first = await a.join(['-ip-masq']);
    assert.deepEqual(await rules(), usual);
    const second = await a.join(ofBlue);
    await second.waitForOutput(/another daemon of this host has flannel's chains.*name=flannel\.7/);
    const both = await rules();
    assert.deepEqual(
      both.filter(name => usual.includes(name ?? '')),
      usual,
    );
    assert.ok(
      both.some(name => /^WEFT-POST-[0-9a-f]{7}$|^weft-flannel\.7-ipv4$/.test(name ?? '')),
      both.join(),
    );
    assert.doesNotMatch(first.output + second.output, /somebody undid our firewall rules/);
    // In the other order the names change hands, and nothing is left over.
    await first.stop();
    await second.stop();
    await a.join(ofBlue);
    assert.deepEqual(await rules(), usual);
  });
}
