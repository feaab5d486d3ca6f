/** The traffic rules of `weft run`: what its flags and the network config make of a host's firewall. */
import assert from 'node:assert/strict';
import { after, type TestContext, test } from 'node:test';
import type { Scope } from '../../src/base/scope.ts';
import { connectForEver } from '../kernel/traffic-connections.ts';
import type { Daemon } from '../support/daemon.ts';
import { eventually } from '../support/eventually.ts';
import { testScope } from '../support/leaks.ts';
import type { Netns } from '../support/netns.ts';
import { type Cluster, createCluster, joinAll } from '../support/weft-cluster.ts';
import type { Container, WeftHost } from '../support/weft-host.ts';
import { startPing } from '../support/weft-ping.ts';
import { createUnderlay } from '../support/weft-underlay.ts';
import {
  firewallOf,
  goldenFor,
  hidePrograms,
  iptablesConfig,
  nftablesConfig,
  noteStarts,
  type Outside,
  type Setup,
  savedTables,
  setups,
  showPrograms,
  startOutside,
  tablesOf,
  useIptables,
} from './traffic-house.ts';

const fileScope = testScope({ after });
const kinds = ['iptables-legacy', 'iptables-nft', 'nftables'] as const;
const underlay = await createUnderlay(fileScope);
const outside = await startOutside(fileScope, underlay);

interface House {
  readonly scope: Scope;
  readonly cluster: Cluster;
  readonly host: WeftHost;
}

async function house(t: TestContext, { iptables, config }: Setup): Promise<House> {
  const scope = testScope(t);
  const cluster = await createCluster(scope, underlay, { config });
  const [host] = await cluster.addHosts('host');
  await useIptables(host, iptables);
  return { scope, cluster, host };
}

const legacy: Setup = { iptables: 'legacy', config: iptablesConfig };
const nft: Setup = { iptables: 'nft', config: iptablesConfig };
const quietFlags = ['-ip-masq=false', '-iptables-forward-rules=false'];

for (const name of kinds) {
  const setup = setups[name];
  test(`${name}: the rules are flannel's, they stay when the daemon ends, and no connection is lost until it is back`, async t => {
    const { host } = await house(t, setup);
    const flags = ['-ip-masq', '-vtep-filter=false'];
    const weft = await host.join(flags);
    await assertGolden(host, setup);
    const container = await host.addContainer();
    const client = await connectForEver(container.netns, outside);
    await moreConnections(client);
    const before = await firewallOf(host);
    const changes = await host.netns.start('nft monitor');
    await weft.stop();
    await moreConnections(client);
    assert.equal(await firewallOf(host), before);
    const again = await host.join(flags);
    await moreConnections(client);
    assert.equal(await firewallOf(host), before);
    assert.doesNotMatch(again.output, /firewall rules/);
    await assertNoneLost(client, container, host);
    assert.equal(await firewallChanges(host, changes), '');
  });
}

async function assertGolden(host: WeftHost, { config }: Setup): Promise<void> {
  const { subnet } = await host.subnetEnv();
  if (config === iptablesConfig) {
    assert.deepEqual(await savedTables(host), tablesOf(goldenFor('flannel-iptables-save.txt', subnet)));
    return;
  }
  const [ours] = goldenFor('nft-ruleset.txt', subnet).split(/^(?=table ip6)/m);
  assert.equal(await host.run('nft list ruleset'), ours);
}

async function moreConnections(client: Daemon): Promise<void> {
  const goal = client.output.split('\n').length + 20;
  await client.waitFor('more connections', () => client.output.split('\n').length >= goal);
}

/** Ends the client: all its connections came from the host's address, and no segment had to be sent again. */
async function assertNoneLost(client: Daemon, { netns }: Container, host: WeftHost): Promise<void> {
  await client.kill();
  assert.deepEqual([...new Set(client.output.trim().split('\n'))], [`::ffff:${host.address}`]);
  assert.equal(await retransmissions(netns), 0);
}

async function retransmissions(netns: Netns): Promise<number> {
  const lines = (await netns.run('cat /proc/net/snmp')).split('\n');
  const [names = [], values = []] = lines
    .filter(line => line.startsWith('Tcp:'))
    .map(line => line.split(' '));
  return Number(values[names.indexOf('RetransSegs')]);
}

/** What `nft monitor` has seen until now. Changes come in order: when ours is there, all before it are. */
async function firewallChanges(host: WeftHost, monitor: Daemon): Promise<string> {
  await host.netns.run('nft add table ip the-last-change');
  await monitor.waitForOutput(/the-last-change/);
  await monitor.kill();
  return monitor.stdout.split('add table ip the-last-change')[0] ?? '';
}

test('an excluded destination sees the container itself, others the host; without the flag all see the host again', async t => {
  const { scope, host } = await house(t, nft);
  const excluded = await startOutside(scope, underlay);
  const flags = ['-ip-masq', '-ip-masq-exclude', '203.0.113.0/24', `-ip-masq-exclude=${excluded.address}/32`];
  const weft = await host.join(flags);
  const container = await host.addContainer();
  // Whoever is excluded must know the way back.
  await excluded.netns.ipBatch([`route add ${container.address} via ${host.address}`]);
  assert.equal(await seenBy(container, excluded), container.address);
  assert.equal(await seenBy(container, outside), host.address);
  await weft.kill();
  await host.join(['-ip-masq']);
  assert.equal(await seenBy(container, excluded), host.address);
});

/** The address that a server sees a container come from. */
async function seenBy({ netns }: Container, server: Outside): Promise<string> {
  const client = await connectForEver(netns, server);
  const [, address = ''] = await client.waitForOutput(/^(?:::ffff:)?(.+)\n/);
  await client.kill();
  return address;
}

test('without -ip-masq nobody is masqueraded, FLANNEL_IPMASQ is false and Docker is told to masquerade; with it the other way round', async t => {
  const { host } = await house(t, nft);
  const facts = async () => {
    await host.run('bin/weft docker-opts');
    return {
      chains: Object.values(await savedTables(host))
        .join('')
        .match(/^:FLANNEL-\S+/gm)
        ?.sort(),
      env: /^FLANNEL_IPMASQ=(.*)$/m.exec((await host.subnetEnv()).text)?.[1],
      docker: /^DOCKER_OPT_IPMASQ="(.*)"$/m.exec(await host.readFile('/run/docker_opts.env'))?.[1],
    };
  };
  const weft = await host.join();
  assert.deepEqual(await facts(), { chains: [':FLANNEL-FWD'], env: 'false', docker: '--ip-masq=true' });
  await weft.kill();
  await (await host.join(['-ip-masq', '-iptables-forward-rules=false'])).kill();
  assert.deepEqual(await facts(), { chains: [':FLANNEL-POSTRTG'], env: 'true', docker: '--ip-masq=false' });
});

for (const name of kinds) {
  const setup = setups[name];
  test(`${name}: when no rules are wished any more, what an earlier run left goes`, async t => {
    const { host } = await house(t, setup);
    await host.run('iptables -A FORWARD -s 203.0.113.7 -j DROP');
    const before = await firewallOf(host);
    await (await host.join(['-ip-masq'])).kill();
    assert.notEqual(await firewallOf(host), before);
    const weft = await host.join([...quietFlags, '-vtep-filter=false']);
    await weft.waitForOutput(/took away firewall rules that are no longer wished/);
    assert.equal(withoutEmpty(await firewallOf(host)), before);
  });
}

/** Tables that iptables has made for our sake stay, with nothing in them, as after `iptables -F`. */
function withoutEmpty(listing: string): string {
  return listing
    .replace(/^\*(?:nat|mangle)\n(?::.*\n)*COMMIT\n/gm, '')
    .replace(/^table ip (?:nat|mangle) \{\n(?:\tchain \w+ \{\n\t\ttype .*\n\t\}\n\n?)*\}\n/gm, '');
}

test('a change of EnableNFTables is followed live: the other engine takes over, its rules replace the former, nothing is lost', async t => {
  const { cluster, host } = await house(t, legacy);
  const weft = await host.join(['-ip-masq', '-vtep-filter=false']);
  const container = await host.addContainer();
  const client = await connectForEver(container.netns, outside);
  await moreConnections(client);
  const withIptables = await firewallOf(host);
  await cluster.put('config', nftablesConfig);
  await weft.waitForOutput(/took away rules that another firewall engine left/);
  await assertGolden(host, { ...legacy, config: nftablesConfig });
  assert.doesNotMatch(await host.run('iptables-save'), /FLANNEL/);
  await moreConnections(client);
  await cluster.put('config', iptablesConfig);
  await eventually('no nftables', async () => (await host.run('nft list tables')) === '');
  assert.equal(await firewallOf(host), withIptables);
  await moreConnections(client);
  await assertNoneLost(client, container, host);
});

test('without any of the programs the network works, and the log names the package; what comes is taken at the next period', async t => {
  const scope = testScope(t);
  const cluster = await createCluster(scope, underlay);
  const [a, b] = await cluster.addHosts('a', 'b');
  await joinAll(cluster, [a]);
  await hidePrograms(b);
  const weft = await b.join(['-iptables-resync', '1']);
  assert.match(weft.output, /error .*iptables-save was not found.*remedy="apt-get install iptables; /);
  const [one, other] = [await a.addContainer(), await b.addContainer()];
  await (await startPing(one.netns, other.address)).stop();
  await showPrograms(b);
  await weft.waitForOutput(/the firewall rules are in place again/);
  assert.equal(weft.output.match(/was not found/g)?.length, 1, 'told once');
  assert.match((await savedTables(b))['filter'] ?? '', /^-A FLANNEL-FWD /m);
});

test('when no rules are wished, no program is missed, and none is started', async t => {
  const { host } = await house(t, nft);
  const starts = await noteStarts(host);
  const weft = await host.join([...quietFlags, '-iptables-resync', '1']);
  await host.addContainer();
  await weft.stop();
  assert.deepEqual(await starts(), []);
  await hidePrograms(host);
  const without = await host.join(quietFlags);
  assert.doesNotMatch(without.output, /^\S+ (?:warn|error) /m);
  assert.doesNotMatch(without.output, /firewall rules/);
});

test('the settings of the kernel that stand in the way are told, with consequence and remedy, and only forwarding is changed', async t => {
  const { host } = await house(t, nft);
  const keys = ['net.ipv4.ip_forward', 'net.ipv4.conf.all.rp_filter', 'net.ipv4.conf.eth0.rp_filter'];
  await host.run(['sysctl', '-qw', ...keys.map((key, index) => `${key}=${index === 0 ? 0 : 1}`)]);
  const weft = await host.join();
  assert.match(weft.output, /IP forwarding was off, switched it on/);
  assert.match(weft.output, /the reverse path filter of eth0 is strict .*consequence=".*remedy="/);
  assert.equal((await host.run(['sysctl', '-n', ...keys])).replace(/\s+/g, ' '), '1 1 1 ');
});
