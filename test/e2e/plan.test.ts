/** `weft plan` while the network changes its backend, for another host, and when it cannot know. */
import assert from 'node:assert/strict';
import process from 'node:process';
import { after, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { testScope } from '../support/leaks.ts';
import { scriptFolder } from '../support/scripts.ts';
import { createCluster, joinAll, leaseOf, usualConfig } from '../support/weft-cluster.ts';
import { eventuallyLeadsTo, type WeftHost } from '../support/weft-host.ts';
import { createUnderlay } from '../support/weft-underlay.ts';
import { assertEmpty, commandsOf, eventuallyEmpty, execute, planOn, proseOf, said } from './plan-house.ts';

const underlay = await createUnderlay(testScope({ after }));

const configOf = (backend: object): string =>
  JSON.stringify({ ...(JSON.parse(usualConfig) as object), Backend: backend });

async function threeHosts(t: Parameters<typeof testScope>[0], config = usualConfig) {
  const cluster = await createCluster(testScope(t), underlay, { config });
  const hosts = await cluster.addHosts('a', 'b', 'c');
  const daemons = await Promise.all(hosts.map(host => host.join()));
  for (const host of hosts) await eventuallyEmpty(host);
  return { cluster, hosts, daemons };
}

test('a host whose daemon sleeps through a change of the backend: the plan shows what comes, what is replaced and what goes', async t => {
  const { cluster, hosts, daemons } = await threeHosts(t);
  const [a, b, c] = hosts;
  const [ofA, ofB, ofC] = await Promise.all(hosts.map(host => leaseOf(cluster, host)));
  assert.ok(ofA && ofB && ofC);
  await daemons[2]?.stop();
  await cluster.put('config', configOf({ Type: 'host-gw' }));
  for (const host of [a, b]) {
    await eventually(`${host.name} publishes host-gw`, async () =>
      (await leaseOf(cluster, host)).value.includes('host-gw'),
    );
  }
  const plan = await planOn(c);
  const base = (subnet: string): string => subnet.replace(/\/\d+$/, '');
  const peers = [ofA, ofB].sort((one, other) => (one.subnet < other.subnet ? -1 : 1));
  assert.deepEqual(
    commandsOf(plan).sort(),
    [
      ...peers.flatMap(({ subnet, publicIp, mac }) => [
        `ip route replace ${subnet} via ${publicIp} dev eth0 proto 87`,
        `ip neigh delete ${base(subnet)} dev flannel.1`,
        `bridge fdb delete ${mac} dev flannel.1 dst ${publicIp} self`,
      ]),
      `ip address delete ${base(ofC.subnet)}/32 dev flannel.1`,
      'ip link delete flannel.1',
    ].sort(),
    plan.text,
  );
  assert.equal(plan.code, 1);
  for (const { publicIp, subnet } of peers) {
    const reason = `via is ${base(subnet)}, shall be ${publicIp}; dev is flannel.1, shall be eth0;`;
    assert.ok(proseOf(plan).includes(reason), `${reason} in\n${plan.text}`);
  }
  assert.match(proseOf(plan), /^the lease says vxlan at .*, and shall say host-gw at /);
  assert.match(proseOf(plan), /subnet\.env shall say FLANNEL_MTU=1500 /);
  assert.match(plan.text, /^# 0 to add, 2 to change, 6 to remove; 2 peers$/m);
  await execute(c, plan);
  await assertEmpty(c, plan.text);
  await c.join();
  await eventuallyEmpty(c);
  assert.doesNotMatch(await c.run('ip link'), /flannel/);
});

test('as long as a peer has not changed, what leads to it stays in the plan', async t => {
  const { cluster, hosts, daemons } = await threeHosts(t);
  const [a, , c] = hosts;
  await daemons[0]?.stop();
  await daemons[2]?.stop();
  const { subnet, publicIp } = await leaseOf(cluster, hosts[1]);
  await cluster.put('config', configOf({ Type: 'host-gw' }));
  await eventually('b publishes host-gw', async () =>
    (await leaseOf(cluster, hosts[1])).value.includes('host-gw'),
  );
  const plan = await planOn(a);
  assert.ok(commandsOf(plan).includes(`ip route replace ${subnet} via ${publicIp} dev eth0 proto 87`));
  assert.doesNotMatch(plan.text, /ip link delete/);
  assert.match(proseOf(plan), /1 peer is still reached by vxlan \(flannel\.1\)/);
  await execute(a, plan);
  await assertEmpty(a, plan.text);
  assert.match(await a.run('ip route'), new RegExp(`${(await leaseOf(cluster, c)).subnet} .* flannel.1`));
});

test('from host-gw to vxlan: a device with a MAC of its own is made, which the daemon takes over', async t => {
  const { cluster, hosts, daemons } = await threeHosts(t, configOf({ Type: 'host-gw' }));
  const [a, b, c] = hosts;
  await daemons[2]?.stop();
  await cluster.put('config', usualConfig);
  for (const host of [a, b]) {
    await eventually(`${host.name} publishes vxlan`, async () =>
      (await leaseOf(cluster, host)).value.includes('"vxlan"'),
    );
  }
  const plan = await planOn(c);
  assert.match(proseOf(plan), /the MAC of flannel\.1 is an example/);
  await execute(c, plan);
  await assertEmpty(c, plan.text);
  const [, made] = /^ip link add flannel\.1 address (\S+) /m.exec(plan.text) ?? [];
  assert.ok(made, plan.text);
  await c.join();
  assert.equal((await leaseOf(cluster, c)).mac, made);
  await eventuallyLeadsTo(c, [await leaseOf(cluster, a), await leaseOf(cluster, b)]);
});

test('a device with another name gets its own back, and keeps what is on it', async t => {
  const { hosts, daemons } = await threeHosts(t);
  const [a] = hosts;
  await daemons[0]?.stop();
  const routes = await a.run('ip route show dev flannel.1');
  await a.run('ip link set flannel.1 name mine');
  const plan = await planOn(a);
  assert.equal(plan.code, 1);
  assert.deepEqual(commandsOf(plan), ['ip link set mine name flannel.1'], plan.text);
  assert.ok(proseOf(plan).includes('name is mine, shall be flannel.1'), plan.text);
  await a.run('ip link set mine mtu 1300');
  const both = await planOn(a);
  assert.deepEqual(commandsOf(both), ['ip link set mine name flannel.1', 'ip link set flannel.1 mtu 1450']);
  await execute(a, both);
  await assertEmpty(a, both.text);
  assert.equal(await a.run('ip route show dev flannel.1'), routes);
});

test('a route of somebody else before ours, or in its place, gives way', async t => {
  const { cluster, hosts, daemons } = await threeHosts(t);
  const [a, b] = hosts;
  await daemons[0]?.stop();
  const { subnet } = await leaseOf(cluster, b);
  const own = `${subnet} via ${subnet.replace(/\/\d+$/, '')} dev flannel.1 onlink`;
  const right = await a.run(`ip route show ${subnet}`);
  const other = `${subnet} via 10.2.255.0 dev flannel.1 onlink`;
  for (const [how, expected] of [
    [`prepend ${other}`, [`ip route delete ${own}`, `ip route replace ${own}`]],
    [`replace ${other}`, [`ip route replace ${own}`]],
    [`replace ${subnet} via ${b.address} dev eth0`, [`ip route replace ${own}`]],
  ] as const) {
    await a.run(`ip route ${how}`);
    const plan = await planOn(a);
    assert.deepEqual(commandsOf(plan), expected, plan.text);
    await execute(a, plan);
    await assertEmpty(a, how);
    assert.equal(await a.run(`ip route show ${subnet}`), right);
  }
});

test('-as tells from the registry alone what another host should have, and that is right', async t => {
  const { cluster, hosts, daemons } = await threeHosts(t);
  const [a, , c] = hosts;
  const { subnet } = await leaseOf(cluster, c);
  const names = [c.address, subnet, subnet.replace('.0/24', '.17')];
  const plans = await Promise.all(names.map(name => planOn(a, '-as', name)));
  for (const plan of plans) assert.deepEqual(plan, plans[0]);
  const [plan] = plans;
  assert.equal(plan?.code, 1);
  assert.ok(plan.text.startsWith(`# assumed of ${subnet}, as here: interface eth0, MTU 1500\n`), plan.text);
  await daemons[2]?.stop();
  await c.run('ip link delete flannel.1');
  await execute(c, plan);
  await assertEmpty(c, plan.text);

  const unknown = await planOn(a, '-as', '203.0.113.9');
  assert.equal(unknown.code, 2);
  assert.match(unknown.stderr, /no lease in .* is of a host 203\.0\.113\.9/);
});

test('JSON says the same: version, steps with objects, reasons and commands', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const [a, b] = await cluster.addHosts('a', 'b');
  const [daemon] = await joinAll(cluster, [a, b]);
  await eventuallyEmpty(a);
  const equal = JSON.parse((await planOn(a, '-json')).text) as Record<string, unknown>;
  assert.deepEqual(equal, {
    version: 1,
    equal: true,
    networks: [
      {
        ...{ network: null, netns: null, peers: 1, objects: 5, steps: [], remarks: [] },
        firewalls: [{ engine: 'iptables', differences: [], commands: [], unread: null }],
      },
    ],
  });
  await daemon?.stop();
  await a.run('ip link set flannel.1 mtu 1300');
  await a.run('iptables -F FORWARD');
  const { code, text } = await planOn(a, '-json');
  assert.equal(code, 1);
  const plan = JSON.parse(text) as {
    readonly equal: boolean;
    readonly networks: ReadonlyArray<{
      readonly steps: ReadonlyArray<{ readonly object: object }>;
      readonly firewalls: ReadonlyArray<{ differences: readonly string[]; commands: readonly string[] }>;
    }>;
  };
  assert.equal(plan.equal, false);
  const [network] = plan.networks;
  const [step] = network?.steps ?? [];
  assert.deepEqual(
    { ...step, object: undefined },
    {
      ...{ verb: 'replace', reason: 'mtu is 1300, shall be 1450', object: undefined },
      commands: ['ip link set flannel.1 mtu 1450'],
    },
  );
  assert.deepEqual(pick(step?.object ?? {}, 'type', 'name', 'mtuBytes'), {
    ...{ type: 'link', name: 'flannel.1', mtuBytes: 1450 },
  });
  assert.notDeepEqual(network?.firewalls[0]?.differences, []);
  assert.match(network?.firewalls[0]?.commands[0] ?? '', /^iptables-restore --noflush .*<<'END'\n/);
});

test('nftables: rules that are missing, and tables that are left over, are the text for nft', async t => {
  const config = JSON.stringify({ ...(JSON.parse(usualConfig) as object), EnableNFTables: true });
  const cluster = await createCluster(testScope(t), underlay, { config });
  const [a, b] = await cluster.addHosts('a', 'b');
  const flags = ['-ip-masq'];
  const daemons = await Promise.all([a, b].map(host => host.join(flags)));
  await eventually('the plan to be empty', async () => (await planOn(a, ...flags)).code === 0);
  await daemons[0]?.stop();
  for (const damage of ['nft flush chain ip flannel-ipv4 postrtg', 'nft delete table ip flannel-ipv4']) {
    await a.run(damage);
    const plan = await planOn(a, ...flags);
    assert.match(plan.text, /^# nftables: /m, plan.text);
    assert.match(plan.text, /^nft -f - <<'END'$/m);
    await execute(a, plan);
    await assertEmpty(a, damage, ...flags);
  }
  const none = ['-iptables-forward-rules=false', '-vtep-filter=false'];
  const away = await planOn(a, ...none);
  assert.match(away.text, /is left over$/m);
  await execute(a, away);
  await assertEmpty(a, 'no rules are asked for', ...none);
  assert.doesNotMatch(await a.run('nft list ruleset'), /flannel/);
});

test('iptables: a rule in the place of one of ours is wrong, in other words it is right', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const [a] = await cluster.addHosts('a');
  const flags = ['-ip-masq'];
  const daemon = await a.join(flags);
  await eventually('the plan to be empty', async () => (await planOn(a, ...flags)).code === 0);
  await daemon.stop();
  await a.run('iptables -w -R FLANNEL-FWD 1 -s 10.99.0.0/16 -j ACCEPT');
  const replaced = await planOn(a, ...flags);
  assert.match(replaced.text, /^# iptables: filter: chain FLANNEL-FWD has other rules$/m);
  await execute(a, replaced);
  await assertEmpty(a, replaced.text, ...flags);

  // Programs of the past, which know no random ports, and print a word of ours otherwise.
  const { path: folder, script } = scriptFolder(t);
  for (const name of ['iptables', 'ip6tables']) {
    const [restore = '', save = ''] = (await a.run(`which ${name}-restore ${name}-save`)).split('\n');
    const refuse = `echo 'unknown option "--random-fully"' >&2; exit 2`;
    const test = `text=$(cat); case $text in *--random-fully*) ${refuse};; esac`;
    script(`${name}-restore`, `${test}\nprintf '%s\\n' "$text" | ${restore} "$@"`);
    script(`${name}-save`, `${save} "$@" | sed 's/ -m comment --comment "flanneld forward"//'`);
  }
  const old = ['env', `PATH=${folder}:${process.env['PATH']}`];
  const weft = (...words: readonly string[]): readonly string[] => [
    ...old,
    'bin/weft',
    ...words,
    ...a.flags,
    ...flags,
  ];
  const before = await said(a, weft('plan'));
  assert.match(before.text, /^# iptables: nat: chain FLANNEL-POSTRTG has other rules$/m);
  await execute(a, before);
  const after = await said(a, weft('plan'));
  assert.match(after.text, /^# nothing to do/m, after.text);
  assert.equal(after.code, 0);
  await a.run('iptables -w -R FLANNEL-FWD 1 -s 10.99.0.0/16 -j ACCEPT');
  assert.match(
    (await said(a, weft('plan'))).text,
    /^# iptables: filter: chain FLANNEL-FWD has other rules$/m,
  );
});

const troubles: ReadonlyArray<readonly [string, (host: WeftHost) => readonly string[], RegExp]> = [
  ['no lease', host => host.flags, /no lease publishes the address 192\.0\.2\.\d+ of this host/],
  ['no config', ({ flags }) => [...flags, '-etcd-prefix', '/nobody'], /holds no network config/],
  [
    'no such interface',
    ({ flags }) => flags.map(word => (word === 'eth0' ? 'eth7' : word)),
    /no interface fits/,
  ],
  ['no registry', ({ flags }) => [...flags, '-etcd-endpoints', 'http://192.0.2.10:1'], /192\.0\.2\.10:1/],
  ['a flag that is none', ({ flags }) => [...flags, '-jsno'], /did you mean -json/],
];

test('what it cannot know it says, with exit code 2', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const [a] = await cluster.addHosts('a');
  for (const [what, flags, message] of troubles) {
    const { code, text, stderr } = await said(a, ['bin/weft', 'plan', ...flags(a)]);
    assert.equal(code, 2, `${what}: ${text}${stderr}`);
    assert.equal(text, '', what);
    assert.match(stderr.replace(/\s+/g, ' '), message, what);
  }
});

test('an expired lease is leased again, so its plan is that of before', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const [a, b] = await cluster.addHosts('a', 'b');
  const [daemon] = await joinAll(cluster, [a, b]);
  await eventuallyEmpty(a);
  await daemon?.stop();
  const { key } = await leaseOf(cluster, a);
  await cluster.delete(key);
  await a.run('ip address flush dev flannel.1');
  const plan = await planOn(a);
  assert.match(proseOf(plan), /^no lease is ours in the registry: \S+ is leased again when the daemon runs /);
  // With its last address the device lost all that needs one.
  assert.match(commandsOf(plan)[0] ?? '', /^ip address replace /);
  await execute(a, plan);
  await assertEmpty(a, plan.text);
});

test('without root the kernel is read all the same, and it says that the firewall was not', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const [a, b] = await cluster.addHosts('a', 'b');
  const [daemon] = await joinAll(cluster, [a, b]);
  await eventuallyEmpty(a);
  await a.run('mkdir /run/weft-package');
  await a.run(['mount', '--bind', process.cwd(), '/run/weft-package']);
  const nobody = [
    'setpriv',
    '--reuid=65534',
    '--regid=65534',
    '--clear-groups',
    '--no-new-privs',
    '--inh-caps=-all',
  ];
  const ask = () => said(a, [...nobody, '/run/weft-package/bin/weft', 'plan', ...a.flags]);
  const equal = await ask();
  assert.match(equal.text, /^# the rules of iptables could not be read: /m, equal.stderr);
  assert.match(
    proseOf(equal),
    /nothing to do: 1 peer, 5 objects are as they shall be, as far as could be read$/,
  );
  assert.equal(equal.code, 2);
  await daemon?.stop();
  await a.run('ip link set flannel.1 mtu 1300');
  const differs = await ask();
  assert.deepEqual(commandsOf(differs), ['ip link set flannel.1 mtu 1450']);
  assert.equal(differs.code, 1);
});

function pick(object: object, ...keys: readonly string[]): object {
  return Object.fromEntries(Object.entries(object).filter(([key]) => keys.includes(key)));
}
