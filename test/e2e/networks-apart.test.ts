/** Networks of one host in one namespace: nothing is forwarded between them, unless it is allowed; troubles stay apart. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { testScope } from '../support/leaks.ts';
import { type Cluster, createCluster } from '../support/weft-cluster.ts';
import { createUnderlay } from '../support/weft-underlay.ts';
import { addTenant, configOf, joinNetworks, startNetworks } from './networks-house.ts';
import { useIptables } from './traffic-house.ts';

const underlay = await createUnderlay(testScope({ after }));

const setups = [
  ['iptables-legacy', 'legacy', {}],
  ['iptables-nft', 'nft', {}],
  ['nftables', 'nft', { EnableNFTables: true }],
] as const;

async function twoNetworks(cluster: Cluster, more: object): Promise<void> {
  await cluster.put('red/config', configOf(7, '10.2.0.0/16', more));
  await cluster.put('blue/config', configOf(8, '10.3.0.0/16', more));
}

for (const [title, variant, more] of setups) {
  test(`${title}: nothing is forwarded between networks of one namespace, and all is when it is allowed`, async t => {
    const scope = testScope(t);
    const cluster = await createCluster(scope, underlay, { config: undefined });
    await twoNetworks(cluster, more);
    const [a, b] = await cluster.addHosts('a', 'b');
    for (const host of [a, b]) await useIptables(host, variant);
    const flags = ['-ip-masq', '-vtep-filter=true'];
    const [weft] = await Promise.all([a, b].map(host => joinNetworks(host, 'red,blue', flags)));
    const [red, blue] = [await addTenant(a, 'red'), await addTenant(a, 'blue')];
    const [farRed, farBlue] = [await addTenant(b, 'red'), await addTenant(b, 'blue')];
    for (const [one, other] of [
      [red, farRed],
      [blue, farBlue],
    ] as const) {
      await eventually(`${one.address} to reach ${other.address}`, () => one.reaches(other.address));
      assert.ok(await other.reaches(one.address));
    }
    for (const [one, other] of [
      [red, blue],
      [blue, red],
      [red, farBlue],
      [farBlue, red],
    ] as const) {
      assert.equal(await one.reaches(other.address), false, `${one.address} to ${other.address}`);
    }
    // Somebody takes the rule away: it is put back.
    const undo =
      title === 'nftables'
        ? 'nft flush chain ip weft-red-ipv4 apart; nft flush chain ip weft-blue-ipv4 apart'
        : 'iptables -t mangle -F FORWARD';
    await a.run(['sh', '-euc', undo]);
    await weft?.waitForOutput(/somebody undid our firewall rules.*network=red/, { timeoutMs: 30_000 });
    await weft?.waitForOutput(/somebody undid our firewall rules.*network=blue/, { timeoutMs: 30_000 });
    assert.equal(await red.reaches(blue.address), false, 'after the repair');

    await weft?.stop();
    const again = await joinNetworks(a, 'red,blue', [...flags, '-networks-allow', 'red:blue']);
    await eventually(`${red.address} to reach ${blue.address}`, () => red.reaches(blue.address));
    assert.ok(await blue.reaches(red.address));
    await again.stop();
  });
}

for (const [title, variant, more] of setups) {
  test(`${title}: the guard of one network keeps no host of another out, at the port that both have`, async t => {
    const scope = testScope(t);
    const cluster = await createCluster(scope, underlay, { config: undefined });
    await twoNetworks(cluster, more);
    const [both, redOnly, blueOnly] = await cluster.addHosts('both', 'red', 'blue');
    for (const host of [both, redOnly, blueOnly]) await useIptables(host, variant);
    const flags = ['-vtep-filter=true'];
    await Promise.all([
      joinNetworks(both, 'red,blue', flags),
      joinNetworks(redOnly, 'red', flags),
      joinNetworks(blueOnly, 'blue', flags),
    ]);
    for (const [color, host] of [
      ['red', redOnly],
      ['blue', blueOnly],
    ] as const) {
      const [near, far] = [await addTenant(both, color), await addTenant(host, color)];
      await eventually(`${color} to reach ${color}`, () => near.reaches(far.address));
      assert.ok(await far.reaches(near.address), color);
    }
    // A host of blue alone is a stranger to red: what it sends with red's VNI is dropped.
    const [, mac] = /link\/ether (\S+)/.exec(await both.run('ip link show flannel.7')) ?? [];
    await blueOnly.run([
      'sh',
      '-euc',
      `ip link add forged type vxlan id 7 dev eth0 dstport 8472 nolearning
       ip address add 10.2.250.1/16 dev forged
       ip link set forged up
       ip neigh add 10.2.250.2 lladdr ${mac} dev forged nud permanent
       bridge fdb add ${mac} dev forged dst ${both.address} self permanent
       ping -c 2 -W 1 10.2.250.2 || :`,
    ]);
    const counted =
      title === 'nftables'
        ? await both.run('nft list counter ip weft-red-ipv4 vtep-strangers-dropped')
        : await both.run(['sh', '-c', 'iptables-save -c -t mangle | grep -e "-A WEFT-V-red -j DROP"']);
    assert.match(counted, /packets [1-9]|^\[[1-9]/m);
  });
}

test('two overlapping networks in one namespace are refused by name, and both are there in two', async t => {
  const scope = testScope(t);
  const cluster = await createCluster(scope, underlay, { config: undefined });
  await cluster.put('red/config', configOf(7, '10.2.0.0/16'));
  await cluster.put('blue/config', configOf(8, '10.2.0.0/17'));
  const [a] = await cluster.addHosts('a');
  const weft = await startNetworks(a, 'red,blue');
  await weft.waitForOutput(
    /network blue is refused: its network 10\.2\.0\.0\/17 overlaps 10\.2\.0\.0\/16 of the network red/,
  );
  assert.match(weft.output, /remedy="give each a network namespace of its own: -networks NAME@NETNS/);
  await weft.waitForOutput(/ ready subnetFile=\S*|ready .*network=red/);
  assert.match(await a.health('/readyz'), /^503 .*blue: the network blue is refused/);
  await weft.stop();
  await a.run('ip netns add blue');
  await joinNetworks(a, 'red,blue@blue');
});

test('equal VNIs are refused on every host, live too; the other network is untouched, and all is well once mended', async t => {
  const scope = testScope(t);
  const cluster = await createCluster(scope, underlay, { config: undefined });
  await cluster.put('red/config', configOf(7, '10.2.0.0/16'));
  await cluster.put('blue/config', configOf(7, '10.3.0.0/16'));
  const hosts = await cluster.addHosts('a', 'b', 'c');
  const daemons = await Promise.all(hosts.map(host => startNetworks(host, 'red,blue')));
  const refused =
    /blue is refused: its VNI 7 at UDP port 8472 is also that of the network red, whose config is the older/;
  for (const [index, weft] of daemons.entries()) {
    await weft.waitForOutput(refused);
    await weft.waitForOutput(/INFO .*ready.*network=red/i);
    assert.match(
      await (hosts[index] ?? assert.fail()).health('/readyz'),
      /^503 .*ready yet: blue: the network blue/,
    );
  }
  await cluster.put('blue/config', configOf(8, '10.3.0.0/16'));
  for (const weft of daemons) await weft.waitForOutput(/all networks are ready/);
  const [red, farRed] = [await addTenant(hosts[0], 'red'), await addTenant(hosts[1], 'red')];
  await eventually('red to reach red', () => red.reaches(farRed.address));

  await cluster.put('red/config', configOf(8, '10.2.0.0/16'));
  for (const [index, weft] of daemons.entries()) {
    await weft.waitForOutput(/red is refused: its VNI 8 at UDP port 8472 is also that of the network blue/);
    const devices = await (hosts[index] ?? assert.fail()).run('ip -br link show type vxlan');
    assert.deepEqual([...devices.matchAll(/^flannel\.\d+/gm)].map(String).sort(), ['flannel.7', 'flannel.8']);
  }
  assert.ok(await red.reaches(farRed.address), 'the plan of before stays');
  await cluster.put('red/config', configOf(9, '10.2.0.0/16'));
  for (const host of hosts) {
    await eventually('the mended plan', async () => {
      const devices = await host.run('ip -br link show type vxlan');
      return /^flannel\.9\b/m.test(devices) && !/^flannel\.7\b/m.test(devices);
    });
  }
  await eventually('red to reach red', () => red.reaches(farRed.address));
});

test('a network without a config keeps no other waiting, and begins when it has one', async t => {
  const scope = testScope(t);
  const cluster = await createCluster(scope, underlay, { config: undefined });
  await cluster.put('red/config', configOf(7, '10.2.0.0/16'));
  const [a] = await cluster.addHosts('a');
  const weft = await startNetworks(a, 'red,blue');
  await weft.waitForOutput(/ ready subnetFile=\/run\/flannel\/networks\/red\.env|ready .*red\.env/);
  await weft.waitForOutput(/WARN.*waiting for the network config: .*network blue.*network=blue/i);
  assert.match(await a.health('/readyz'), /^503 .*blue: there is no config of the network blue/);
  assert.match(await a.health('/healthz'), /^200/);
  await cluster.put('blue/config', '{"Network": "nonsense"}');
  await weft.waitForOutput(/config-invalid/);
  await cluster.put('blue/config', configOf(8, '10.3.0.0/16'));
  await weft.waitForOutput(/all networks are ready/);
  assert.match(await a.health('/readyz'), /^200/);
  weft.signal('SIGHUP');
  for (const color of ['red', 'blue']) {
    await weft.waitForOutput(new RegExp(`SIGHUP: looking at the interface.*network=${color}`));
  }
  assert.deepEqual(await weft.stop(), { code: 0, signal: null });
  assert.match(await a.readFile('/run/flannel/networks/blue.env'), /^FLANNEL_NETWORK=10\.3\.0\.0\/16$/m);
});

test('a clean-up takes one network away, in its namespace and on the underlay, and leaves the others', async t => {
  const scope = testScope(t);
  const cluster = await createCluster(scope, underlay, { config: undefined });
  await twoNetworks(cluster, { EnableNFTables: true });
  const [a] = await cluster.addHosts('a');
  await a.run('ip netns add red');
  const weft = await joinNetworks(a, 'red@red,blue', ['-ip-masq']);
  const cleanup = (...flags: string[]) =>
    a.run(['bin/weft', 'cleanup', ...a.flags.slice(0, 4), '-lease', ...flags]);
  for (const flags of [['-networks=red@red'], []]) {
    await assert.rejects(cleanup(...flags), /another daemon has (flannel\.7|flannel\.8|network red)/);
  }
  await weft.stop();
  const rules = async () =>
    [...(await a.run('nft list ruleset')).matchAll(/^table ip (\S+)/gm)].map(([, name]) => name).sort();
  assert.deepEqual(await rules(), ['weft-blue-ipv4', 'weft-red-ipv4'], 'the guard of red is on the underlay');
  const told = await cleanup('-dry-run', '-networks=red@red');
  assert.match(told, /^nsenter --net=\/run\/netns\/red ip link delete flannel\.7$/m);
  assert.match(told, /^rm \/run\/flannel\/networks\/red\.env$/m);
  assert.doesNotMatch(told, /blue|flannel\.8/);
  await cleanup('-networks=red@red');
  assert.equal(await a.run('ip -n red -br link show type vxlan'), '');
  assert.equal(await a.run('ip netns exec red nft list ruleset'), '');
  assert.deepEqual(await rules(), ['weft-blue-ipv4']);
  assert.match(await a.run('ip -br link show type vxlan'), /^flannel\.8 /);
  assert.equal(await a.run('ls /run/flannel/networks'), 'blue.env\n');
  const leases = async () =>
    (await underlay.etcd.ctl('get', '--prefix', '--keys-only', cluster.prefix)).split(/\s+/);
  assert.deepEqual(
    (await leases()).filter(key => /subnets/.test(key)).map(key => /(red|blue)/.exec(key)?.[1]),
    ['blue'],
  );
  assert.match(await cleanup('-networks=red@red,blue'), /flannel\.8/);
  assert.deepEqual(await rules(), []);
  assert.match(
    await cleanup('-networks=red@red,blue'),
    /^# nothing of ours is here\n# nothing of ours is here\n$/,
  );
});

test('a directory serves as the registry of several networks, with a file for each config', async t => {
  const scope = testScope(t);
  const cluster = await createCluster(scope, underlay, { config: undefined });
  const [a] = await cluster.addHosts('a');
  const put = (name: string, text: string) =>
    a.run(['bin/weft', 'config', 'put', '-registry', `dir:/run/weft/${name}`, '-'], { input: text });
  await put('red', configOf(7, '10.2.0.0/16'));
  await put('blue', configOf(8, '10.3.0.0/16'));
  const weft = await startNetworks(a, 'red,blue', ['-registry', 'dir:/run/weft']);
  await weft.waitForOutput(/all networks are ready/);
  await put('blue', configOf(9, '10.3.0.0/16'));
  await eventually('the new VNI', async () =>
    /^flannel\.9 /m.test(await a.run('ip -br link show type vxlan')),
  );
});
