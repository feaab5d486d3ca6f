import assert from 'node:assert/strict';
import process from 'node:process';
import { test } from 'node:test';
import type { Traces } from '../../src/firewall/traces.ts';
import type { NftTableName } from '../../src/wire/nftables.ts';
import { testScope } from '../support/leaks.ts';
import { createNetns, type Netns } from '../support/netns.ts';

const none: Traces = { legacy: false, nft: false, nftables: false };

const cases: ReadonlyArray<readonly [string, string, Traces]> = [
  ['an empty firewall', 'true', none],
  ['a rule of iptables-legacy', 'iptables-legacy -t nat -A POSTROUTING -j ACCEPT', { ...none, legacy: true }],
  ['a rule of ip6tables-legacy', 'ip6tables-legacy -A FORWARD -j ACCEPT', { ...none, legacy: true }],
  ['a table in which we never are', 'iptables-legacy -t raw -A OUTPUT -j ACCEPT', none],
  ['a rule of iptables-nft', 'iptables-nft -A FORWARD -j ACCEPT', { ...none, nft: true }],
  ['tables of others in nftables', 'nft add table inet filter; nft add table ip flannel-ipv6', none],
  ['our table in nftables', 'nft add table ip6 flannel-ipv6', { ...none, nftables: true }],
];

for (const [title, commands, expected] of cases) {
  test(`traces of our rules, without a process: ${title}`, async t => {
    const netns = await createNetns(testScope(t), 'traces');
    await netns.run(['sh', '-euc', commands]);
    assert.deepEqual(await ask(netns, 'firewall/traces.ts', 'firewallTraces'), expected);
  });
}

test('nftables lists as many tables as there are, with names of every length, as nft does', async t => {
  const netns = await createNetns(testScope(t), 'tables');
  const families = ['ip', 'ip6', 'inet', 'arp', 'bridge', 'netdev'];
  const lines = Array.from({ length: 600 }, (_, index) => {
    return `table ${families[index % families.length]} t${index}${'x'.repeat(index % 200)}`;
  });
  await netns.run('nft -f -', { input: lines.map(line => `add ${line}\n`).join('') });
  const tables = (await ask(netns, 'sys/nft-tables.ts', 'listNftTables')) as NftTableName[];
  const seen = tables.map(({ family, name }) => `table ${family} ${name}`);
  assert.deepEqual(seen.sort(), lines.toSorted());
  assert.deepEqual((await netns.run('nft list tables')).trim().split('\n').sort(), seen);
});

/** Calls a function of a module of src in a process of its own, inside the namespace. */
async function ask(netns: Netns, module: string, name: string): Promise<unknown> {
  const script = `
    import { ${name} } from './src/${module}';
    process.stdout.write(JSON.stringify(${name}()));`;
  return JSON.parse(await netns.run([process.execPath, '--input-type=module-typescript', '-e', script]));
}
