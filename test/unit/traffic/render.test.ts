import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parsePrefix } from '../../../src/base/prefix.ts';
import { compareIptables, learnSpelling } from '../../../src/traffic/iptables-compare.ts';
import { parseIptablesSave } from '../../../src/traffic/iptables-save.ts';
import { iptablesTables, noIptablesTables } from '../../../src/traffic/iptables-tables.ts';
import { nftTable } from '../../../src/traffic/nft-table.ts';
import { nftText } from '../../../src/traffic/nft-text.ts';
import { withoutFullyRandom } from '../../../src/traffic/plan.ts';
import { besideOthers, everyFlag, familyOfPlan, guarded, plan } from './wishes.ts';

const golden = (name: string) => readFileSync(`test/golden/traffic/${name}`, 'utf8');

const wishes = [
  ['', plan()],
  ['guarded-', plan(guarded)],
  ['network-', plan(besideOthers)],
] as const;

for (const [prefix, ruleset] of wishes) {
  test(`${prefix}iptables: from nothing, one restore text for each family`, () => {
    const restore = (family: 4 | 6) =>
      compareIptables(iptablesTables(familyOfPlan(ruleset, family)), new Map()).restore;
    assert.equal(restore(4), golden(`${prefix}iptables-restore.txt`));
    assert.equal(restore(6), golden(`${prefix}ip6tables-restore.txt`));
  });

  test(`${prefix}nftables: one transaction for both families`, () => {
    const text = ruleset.families.map(rules => nftText(nftTable(rules))).join('');
    assert.equal(text, golden(`${prefix}nft-transaction.txt`));
  });
}

test('IPv6 is IPv4 with other addresses and words', () => {
  const words: ReadonlyArray<readonly [string, string]> = [
    ['fd00:10:2:1::/64', '10.2.1.0/24'],
    ['fd00:10:2::/48', '10.2.0.0/16'],
    ['ff00::/8', '224.0.0.0/4'],
    ['2001:db8::2/128', '192.0.2.2/32'],
    ['2001:db8::3/128', '192.0.2.3/32'],
  ];
  const asIpv4 = words.reduce(
    (text, [six, four]) => text.replaceAll(six, four),
    golden('guarded-ip6tables-restore.txt'),
  );
  assert.equal(asIpv4, golden('guarded-iptables-restore.txt'));
});

test('what flannel v0.28 leaves is right as it is: nothing is written over it', () => {
  const cases = [
    ['flannel-iptables-save.txt', 4, {}],
    ['flannel-ip6tables-save.txt', 6, {}],
    ['flannel-iptables-save-not-random.txt', 4, { fullyRandom: false }],
    ['flannel-iptables-save-no-forward.txt', 4, { forwardRules: false }],
  ] as const;
  for (const [file, family, change] of cases) {
    const tables = iptablesTables(familyOfPlan(plan(change), family));
    assert.deepEqual(compareIptables(tables, parseIptablesSave(golden(file))), { drift: [], restore: '' });
  }
});

test("cleaning flannel's rules names each chain and jump, and no rule of others", () => {
  const { restore } = compareIptables(
    noIptablesTables,
    parseIptablesSave(golden('flannel-iptables-save.txt')),
  );
  assert.equal(
    restore,
    [
      ...['*nat', ':FLANNEL-POSTRTG - [0:0]'],
      '-D POSTROUTING -m comment --comment "flanneld masq" -j FLANNEL-POSTRTG',
      ...['-X FLANNEL-POSTRTG', 'COMMIT', '*filter', ':FLANNEL-FWD - [0:0]'],
      '-D FORWARD -m comment --comment "flanneld forward" -j FLANNEL-FWD',
      ...['-X FLANNEL-FWD', 'COMMIT', ''],
    ].join('\n'),
  );
});

test('a rule that another version prints in other words is right once it was learnt', () => {
  const tables = iptablesTables(familyOfPlan(plan(), 4));
  const text = golden('flannel-iptables-save.txt').replaceAll('0x4000/0x4000', '0x00004000/0x00004000');
  const state = parseIptablesSave(text);
  assert.notDeepEqual(compareIptables(tables, state).drift, []);
  assert.deepEqual(compareIptables(tables, state, learnSpelling(tables, state)).drift, []);
  const shorter = parseIptablesSave(text.replace(/^-A FLANNEL-FWD.*\n/m, ''));
  assert.equal(learnSpelling(tables, shorter), undefined, 'a missing rule is not a spelling');
});

test('exclusions stand before the masquerading of their own family alone', () => {
  const ruleset = plan({ ipMasqExclude: [parsePrefix('172.16.0.0/12'), parsePrefix('fd99::/16')] });
  const rules = (family: 4 | 6) =>
    familyOfPlan(ruleset, family).masquerade.map(rule => rule.destination?.prefix);
  assert.deepEqual(rules(4).slice(4), ['172.16.0.0/12', '224.0.0.0/4', '10.2.0.0/16']);
  assert.deepEqual(rules(6).slice(4), ['fd99::/16', 'ff00::/8', 'fd00:10:2::/48']);
});

test('without random ports the same rules say masquerade alone', () => {
  assert.deepEqual(withoutFullyRandom(plan()), plan({ fullyRandom: false }));
});

test('a family without a network or a subnet has no rules', () => {
  assert.deepEqual(
    plan({ subnet: { ipv4: everyFlag.subnet.ipv4, ipv6: undefined } }).families.map(rules => rules.family),
    [4],
  );
  assert.deepEqual(
    plan({ config: { ipv6Network: everyFlag.config.ipv6Network } }).families.map(one => one.family),
    [6],
  );
});
