/**
 * The guard of a running daemon against forged VXLAN frames:
 *
 *   stranger ───────────────┐
 *   container ── hosts b, c ┼─ switch ── host a ── container
 */
import assert from 'node:assert/strict';
import { after, type TestContext, test } from 'node:test';
import type { Scope } from '../../src/base/scope.ts';
import { type GuardReport, iptablesGuardReport, nftGuardReport } from '../../src/traffic/guard-report.ts';
import { parseIptablesSave } from '../../src/traffic/iptables-save.ts';
import { parseNftListing } from '../../src/traffic/nft-listing.ts';
import { listenForDatagrams, sendDatagram, vxlanPacket } from '../kernel/traffic-datagrams.ts';
import type { Daemon } from '../support/daemon.ts';
import { eventually } from '../support/eventually.ts';
import { testScope } from '../support/leaks.ts';
import { createNetns, type Netns } from '../support/netns.ts';
import { type Cluster, createCluster, eventuallyMeshed, joinAll, leaseOf } from '../support/weft-cluster.ts';
import { eventuallyLeadsTo, type WeftHost } from '../support/weft-host.ts';
import { assertNothingLost, startPing } from '../support/weft-ping.ts';
import { createUnderlay } from '../support/weft-underlay.ts';
import { iptablesConfig, nftablesConfig, type Setup, setups, useIptables } from './traffic-house.ts';

const kinds = ['iptables-legacy', 'iptables-nft', 'nftables'] as const;
const underlay = await createUnderlay(testScope({ after }));
const port = 9999;

interface House {
  readonly scope: Scope;
  readonly cluster: Cluster;
  readonly a: WeftHost;
  readonly weft: Daemon;
  readonly address: string;
  /** Prints what the container of host a gets. */
  readonly container: Daemon;
  readonly netns: Netns;
  /** Sends host a a frame with a datagram for its container inside, as if from a container of the network. */
  forge(from: Netns, text: string): Promise<void>;
  readonly stranger: Netns;
}

async function house(t: TestContext, { iptables, config }: Setup, flags: readonly string[]): Promise<House> {
  const scope = testScope(t);
  const cluster = await createCluster(scope, underlay, { config });
  const [a] = await cluster.addHosts('a');
  await useIptables(a, iptables);
  const weft = await a.join(flags);
  const { mac } = await leaseOf(cluster, a);
  const { netns, address } = await a.addContainer();
  const stranger = await createNetns(scope, 'stranger');
  await underlay.plugIn(stranger);
  const inner = { mac, source: '10.2.250.2', destination: address, port };
  return {
    ...{ scope, cluster, a, weft, address, netns, stranger },
    container: await listenForDatagrams(netns, port),
    forge: (from, text) =>
      sendDatagram(from, { address: a.address, port: 8472 }, vxlanPacket({ ...inner, text })),
  };
}

test('without the guard a stranger reaches a container by a forged frame', async t => {
  const { container, forge, stranger } = await house(t, { iptables: 'nft', config: iptablesConfig }, []);
  await forge(stranger, 'forged');
  await container.waitForOutput(/forged/);
});

for (const name of kinds) {
  const setup = setups[name];
  test(`${name}: strangers are shut out and counted, also while the daemon is away; peers are let in as they join, until they leave`, async t => {
    const flags = ['-vtep-filter', 'true'];
    const { cluster, a, weft, address, container, netns, forge, stranger } = await house(t, setup, flags);
    const dropped = async () => (await guardReport(a, setup)).strangersDropped.packets;
    const assertShutOut = async (from: Netns, when: string): Promise<void> => {
      const before = await dropped();
      await forge(from, `forged ${when}`);
      await eventually(`one more dropped, ${when}`, async () => (await dropped()) === before + 1);
    };
    await assertShutOut(stranger, 'at the start');

    const [b, c] = await cluster.addHosts('b', 'c');
    await joinAll(cluster, [b]);
    await eventuallyMeshed(cluster, [a, b]);
    const ping = await startPing((await b.addContainer()).netns, address);
    await weft.kill();
    await assertShutOut(stranger, 'while the daemon is away');
    await a.join(flags);
    await assertShutOut(stranger, 'after the restart');
    await assertNothingLost(ping);

    const leaving = await c.join();
    await eventuallyMeshed(cluster, [a, b, c]);
    const newcomer = await c.addContainer();
    const before = await dropped();
    await newcomer.netns.run(['ping', '-c1', '-W5', address]);
    await netns.run(['ping', '-c1', '-W5', newcomer.address]);
    assert.equal(await dropped(), before, 'no packet of a peer');

    await leaving.stop();
    const { key } = await leaseOf(cluster, c);
    await cluster.delete(key);
    await eventuallyLeadsTo(a, [await leaseOf(cluster, b)]);
    // Its address leaves the set after its routes have gone.
    await eventually('one who has left to be shut out', async () => {
      const count = await dropped();
      await forge(c.netns, 'late');
      return (await dropped()) > count;
    });
    assert.doesNotMatch(container.output, /forged/);
  });
}

async function guardReport(host: WeftHost, { config }: Setup): Promise<GuardReport> {
  return config === nftablesConfig
    ? nftGuardReport(4, parseNftListing(await host.run('nft -j list table ip flannel-ipv4')))
    : iptablesGuardReport(parseIptablesSave(await host.run('iptables-save -c -t mangle')));
}

test('the guard is on with nftables by itself, off with iptables, and follows a change of the engine', async t => {
  const { cluster, a, stranger, forge, container } = await house(
    t,
    { iptables: 'nft', config: nftablesConfig },
    [],
  );
  const strangers = async () =>
    (await guardReport(a, { iptables: 'nft', config: nftablesConfig })).strangers.map(one => one.packets);
  await forge(stranger, 'with nftables');
  await eventually('the stranger in the report', async () => (await strangers()).join() === '1');
  await cluster.put('config', iptablesConfig);
  await eventually(
    'no table of ours',
    async () => (await a.run('nft list tables')).match(/flannel/) === null,
  );
  await forge(stranger, 'with iptables');
  await container.waitForOutput(/with iptables/);
  assert.doesNotMatch(container.output, /with nftables/);
});

for (const name of kinds) {
  const setup = setups[name];
  test(`${name}: peers that come with a change of the config are let in too`, async t => {
    const flags = ['-vtep-filter', 'true'];
    const { cluster, a, address } = await house(t, setup, flags);
    const [b] = await cluster.addHosts('b');
    await joinAll(cluster, [b]);
    await eventuallyMeshed(cluster, [a, b]);
    const { netns } = await b.addContainer();
    const ping = await startPing(netns, address);
    await cluster.put('config', setup.config.replace('"SubnetMax":"10.2.20.0"', '"SubnetMax":"10.2.21.0"'));
    await ping.more(50);
    await cluster.put('config', setup.config === iptablesConfig ? nftablesConfig : iptablesConfig);
    await eventually('the other engine', async () => {
      const nftables = (await a.run('nft list tables')).includes('flannel-ipv4');
      const iptables = (await a.run('iptables-save')).includes('WEFT-VTEP');
      return nftables !== iptables && nftables === (setup.config === iptablesConfig);
    });
    await assertNothingLost(ping);
  });
}
