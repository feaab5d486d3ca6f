/** `weft plan -networks`: each network for itself, in its namespace. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { testScope } from '../support/leaks.ts';
import { createCluster } from '../support/weft-cluster.ts';
import { createUnderlay } from '../support/weft-underlay.ts';
import { addNamespaces, configOf, joinNetworks } from './networks-house.ts';
import { assertEmpty, commandsOf, execute, planOn, proseOf } from './plan-house.ts';

const underlay = await createUnderlay(testScope({ after }));

test('two networks in namespaces of their own: what is gone from one comes back into it', async t => {
  const cluster = await createCluster(testScope(t), underlay, { config: undefined });
  await cluster.put('red/config', configOf(7, '10.2.0.0/16'));
  await cluster.put('blue/config', configOf(9, '10.2.0.0/16'));
  const hosts = await cluster.addHosts('a', 'b');
  const [a] = hosts;
  for (const host of hosts) await addNamespaces(host, 'red', 'blue');
  const flags = ['-networks', 'red@red,blue@blue'];
  const daemons = await Promise.all(hosts.map(host => joinNetworks(host, 'red@red,blue@blue')));
  await eventually('an empty plan', async () => (await planOn(a, ...flags)).code === 0);
  await assertEmpty(a, 'both', ...flags);
  await daemons[0]?.stop();
  for (const damage of [
    'ip -n red link delete flannel.7',
    'ip -n red link set flannel.7 mtu 1300',
    'ip netns exec red iptables -F FORWARD',
  ]) {
    await a.run(damage);
    const plan = await planOn(a, ...flags);
    assert.equal(plan.code, 1, plan.text);
    assert.match(proseOf(plan), /^network red .*network blue nothing to do: 1 peer, 5 objects/, plan.text);
    const [first = ''] = commandsOf(plan);
    assert.match(first, / netns \/run\/netns\/red |^nsenter --net=\/run\/netns\/red /);
    await execute(a, plan);
    await assertEmpty(a, plan.text, ...flags);
  }
});

test('two networks in one namespace are kept apart, and each has rules of its own', async t => {
  const cluster = await createCluster(testScope(t), underlay, { config: undefined });
  await cluster.put('red/config', configOf(7, '10.2.0.0/16'));
  await cluster.put('blue/config', configOf(9, '10.3.0.0/16', { EnableNFTables: true }));
  const [a] = await cluster.addHosts('a');
  const flags = ['-networks', 'red,blue'];
  const daemon = await joinNetworks(a, 'red,blue');
  await eventually('an empty plan', async () => (await planOn(a, ...flags)).code === 0);
  await daemon.stop();
  await a.run('iptables -t mangle -F WEFT-APART-red');
  await a.run('nft delete table ip weft-blue-ipv4');
  const plan = await planOn(a, ...flags);
  assert.equal(plan.code, 1, plan.text);
  assert.match(plan.text, /WEFT-APART-red/);
  assert.match(plan.text, /weft-blue-ipv4/);
  await execute(a, plan);
  await assertEmpty(a, plan.text, ...flags);
  const elsewhere = await planOn(a, ...flags, '-as', a.address);
  assert.match(proseOf(elsewhere), /^network red .*network blue /);
});
