/** Whoever undoes the rules of a running daemon finds them back: by event where the kernel tells, else each period. */
import assert from 'node:assert/strict';
import { after, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { sortedTables } from '../contract/firewall.ts';
import type { Daemon } from '../support/daemon.ts';
import { eventually } from '../support/eventually.ts';
import { testScope } from '../support/leaks.ts';
import { createCluster } from '../support/weft-cluster.ts';
import type { WeftHost } from '../support/weft-host.ts';
import { createUnderlay } from '../support/weft-underlay.ts';
import {
  firewallOf,
  iptablesConfig,
  nftablesConfig,
  noteStarts,
  type Setup,
  shell,
  useIptables,
} from './traffic-house.ts';

const underlay = await createUnderlay(testScope({ after }));

interface Undoing extends Setup {
  /** Long where the kernel tells: then the period is no help. */
  readonly resyncSeconds: number;
  readonly commands: string;
  /** How the log ends, which names the culprit where the kernel tells. */
  readonly culprit: RegExp;
}

const legacy = { iptables: 'legacy', config: iptablesConfig, resyncSeconds: 1, culprit: /"\]$/ } as const;
const nft = { iptables: 'nft', config: iptablesConfig, resyncSeconds: 3600 } as const;
const nftables = { ...nft, config: nftablesConfig } as const;

const flushAll = 'iptables -F; iptables -t nat -F';
const jump = 'POSTROUTING -m comment --comment "flanneld masq" -j FLANNEL-POSTRTG';
const byIptables = /"\] changedBy=iptables pid=\d+$/;
const byNft = /"\] changedBy=nft pid=\d+$/;

const undoings: ReadonlyArray<readonly [string, Undoing]> = [
  ['iptables-legacy, iptables -F', { ...legacy, commands: flushAll }],
  ['iptables-legacy, our jump deleted', { ...legacy, commands: `iptables -t nat -D ${jump}` }],
  ['iptables-legacy, our chain deleted', { ...legacy, commands: 'iptables -F; iptables -X FLANNEL-FWD' }],
  ['iptables-nft, iptables -F', { ...nft, commands: flushAll, culprit: byIptables }],
  ['iptables-nft, our jump deleted', { ...nft, commands: `iptables -t nat -D ${jump}`, culprit: byIptables }],
  ['iptables-nft, nft flush ruleset', { ...nft, commands: 'nft flush ruleset', culprit: byNft }],
  ['nftables, nft flush ruleset', { ...nftables, commands: 'nft flush ruleset', culprit: byNft }],
  [
    'nftables, a chain deleted',
    { ...nftables, commands: 'nft delete chain ip flannel-ipv4 postrtg', culprit: byNft },
  ],
];

for (const [title, undoing] of undoings) {
  test(`${title}: all rules are back, and the log tells it`, async t => {
    const { host, weft } = await start(t, undoing);
    const before = sortedTables(await firewallOf(host));
    const from = performance.now();
    await shell(host, undoing.commands);
    const [said] = await weft.waitForOutput(/warn {2}somebody undid our firewall rules: .*(?=\n)/);
    t.diagnostic(`back after ${Math.round(performance.now() - from)} ms`);
    assert.match(said, undoing.culprit);
    assert.equal(sortedTables(await firewallOf(host)), before);
  });
}

async function start(
  t: TestContext,
  { iptables, config, resyncSeconds }: Pick<Undoing, keyof Setup | 'resyncSeconds'>,
): Promise<{ host: WeftHost; weft: Daemon }> {
  const cluster = await createCluster(testScope(t), underlay, { config });
  const [host] = await cluster.addHosts('host');
  await useIptables(host, iptables);
  const weft = await host.join(['-ip-masq', '-iptables-resync', `${resyncSeconds}`]);
  return { host, weft };
}

test('a REJECT of somebody before our rules is reported with its text, and so is its end', async t => {
  const { host, weft } = await start(t, legacy);
  await host.run('iptables -I FORWARD 1 -j REJECT');
  await weft.waitForOutput(
    /warn {2}packets from other hosts to containers are dropped by iptables table filter, chain FORWARD: -A FORWARD -j REJECT .*remedy=/,
  );
  await host.run('iptables -D FORWARD 1');
  await weft.waitForOutput(/no longer: packets from other hosts to containers are dropped/);
  assert.doesNotMatch(weft.output, /somebody undid/);
});

test('untouched rules cost one process a period with iptables-legacy, and none where the kernel tells of changes', async t => {
  const scope = testScope(t);
  const startsOf = async (setup: Setup, name: string): Promise<() => Promise<string[]>> => {
    const cluster = await createCluster(scope, underlay, { config: setup.config });
    const [host] = await cluster.addHosts(name);
    await useIptables(host, setup.iptables);
    const starts = await noteStarts(host);
    await host.join(['-ip-masq', '-iptables-resync', '1']);
    // Its own first change is told as others are, and looked at.
    const settled = (await eventually('quiet', () => quiet(starts))).length;
    return async () => (await starts()).slice(settled);
  };
  const others = await Promise.all([startsOf(nft, 'nft'), startsOf(nftables, 'nftables')]);
  const polled = await startsOf(legacy, 'legacy');
  await eventually('three periods', async () => (await polled()).length >= 3);
  assert.deepEqual([...new Set(await polled())], ['iptables-save']);
  for (const starts of others) assert.deepEqual(await starts(), []);
});

/** All there are, when none has been added for half a second. */
async function quiet(starts: () => Promise<string[]>): Promise<string[] | undefined> {
  const before = await starts();
  await sleep(500);
  const now = await starts();
  return now.length === before.length ? now : undefined;
}
