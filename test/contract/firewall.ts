/** What every firewall engine must do, word for word the doc comments of src/firewall/engine.ts. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, type TestContext, test } from 'node:test';
import { type IpAddress, ipAdd, parseIp } from '../../src/base/ip.ts';
import { parsePrefix } from '../../src/base/prefix.ts';
import type { Scope } from '../../src/base/scope.ts';
import type { FirewallEngine } from '../../src/firewall/engine.ts';
import { namesOfNetwork, type RuleNames } from '../../src/traffic/names.ts';
import type { PeerAddresses } from '../../src/traffic/plan.ts';
import type { Ruleset } from '../../src/traffic/ruleset.ts';
import { testScope } from '../support/leaks.ts';
import { createNetns, type Netns } from '../support/netns.ts';
import { besideOthers, everyFlag, guarded, plan, twoPeers } from '../unit/traffic/wishes.ts';

export interface EngineUnderTest {
  readonly engine: FirewallEngine;
  /** All that is in this firewall, ours and others', as its tool prints it; the same for the same rules. */
  listing(): Promise<string>;
}

export interface EngineKind {
  readonly name: string;
  /** @param names what the rules are called; flannel's names unless given */
  open(scope: Scope, netns: Netns, names?: RuleNames): EngineUnderTest;
  /** Rules of somebody else, which must survive whatever we do; shell commands. */
  readonly foreign: string;
  /** Ways to undo our rules: what each is, and the shell commands that do it. */
  readonly sabotages: ReadonlyArray<readonly [string, string]>;
  /** Shell commands that put something else where our names belong. */
  readonly usurper: string;
  /** How many rules there are beside those that name one peer. */
  countRules(listing: string): number;
}

interface Bench extends EngineUnderTest {
  /** Another engine in the same namespace. */
  openNext(names: RuleNames): EngineUnderTest;
  readonly netns: Netns;
  readonly options: { readonly signal: AbortSignal };
  shell(commands: string): Promise<string>;
}

export function firewallContract(kind: EngineKind): void {
  const bench = async (t: TestContext): Promise<Bench> => {
    const scope = testScope(t);
    const netns = await createNetns(scope, kind.name);
    const open = (names?: RuleNames) => {
      const opened = kind.open(scope, netns, names);
      scope.defer('engine', () => opened.engine.close());
      return opened;
    };
    const shell = (commands: string) => netns.run(['sh', '-euc', commands]);
    return { ...open(), openNext: open, netns, shell, options: { signal: scope.signal } };
  };
  describe(`${kind.name} firewall`, () => {
    writing(bench);
    mending(bench, kind);
    changing(bench, kind);
    cleaning(bench, kind);
    sharing(bench, kind);
  });
}

type OpenBench = (t: TestContext) => Promise<Bench>;

const bothFamilies = plan(guarded);

function writing(bench: OpenBench): void {
  test('what was applied is there, is found right, and is not written again', async t => {
    const { engine, options, listing } = await bench(t);
    assert.notDeepEqual(await engine.check(bothFamilies, options), []);
    assert.notDeepEqual(await engine.apply(bothFamilies, options), []);
    const written = await listing();
    assert.deepEqual(await engine.check(bothFamilies, options), []);
    assert.deepEqual(await engine.apply(bothFamilies, options), []);
    assert.equal(await listing(), written);
  });

  test('a check changes nothing', async t => {
    const { engine, options, listing } = await bench(t);
    const before = await listing();
    await engine.check(bothFamilies, options);
    assert.equal(await listing(), before);
  });
}

function mending(bench: OpenBench, kind: EngineKind): void {
  for (const [title, commands] of kind.sabotages) {
    test(`${title}: found, and mended to what was there before`, async t => {
      const { engine, options, listing, shell } = await bench(t);
      await engine.apply(bothFamilies, options);
      const written = await listing();
      await shell(commands);
      assert.notEqual(await listing(), written, 'the sabotage did something');
      const drift = await engine.check(bothFamilies, options);
      assert.notDeepEqual(drift, []);
      assert.deepEqual(await engine.apply(bothFamilies, options), drift);
      assert.deepEqual(await engine.check(bothFamilies, options), []);
      assert.equal(sortedTables(await listing()), sortedTables(written));
    });
  }

  test('something else of our name gives way, and the rest of the firewall stays', async t => {
    const { engine, options, shell, listing } = await bench(t);
    await shell(kind.foreign);
    await shell(kind.usurper);
    await engine.apply(bothFamilies, options);
    assert.deepEqual(await engine.check(bothFamilies, options), []);
    assert.ok((await listing()).includes('foreign'), 'the rules of others are there');
  });
}

function changing(bench: OpenBench, kind: EngineKind): void {
  const wishes: ReadonlyArray<readonly [string, Ruleset]> = [
    ['no masquerading', plan({ ...guarded, ipMasq: false })],
    ['no forward rules', plan({ ...guarded, forwardRules: false })],
    ['no guard', plan()],
    ['nothing at all', plan({ ipMasq: false, forwardRules: false })],
    [
      'another subnet',
      plan({ ...guarded, subnet: { ...everyFlag.subnet, ipv4: parsePrefix('10.2.7.0/24') } }),
    ],
    [
      'an exclusion',
      plan({ ...guarded, ipMasqExclude: [parsePrefix('10.99.0.0/16'), parsePrefix('fd99::/16')] }),
    ],
    ['two ports', plan({ ...guarded, guard: { ports: [8285, 8472], devices: ['flannel.1'] } })],
    ['IPv4 alone', plan({ ...guarded, config: { network: everyFlag.config.network } })],
  ];
  for (const [title, wish] of wishes) {
    test(`a change to ${title}, and back, leaves what a fresh start would`, async t => {
      const { engine, options, listing } = await bench(t);
      await engine.apply(wish, options);
      const fresh = await listing();
      await engine.apply(bothFamilies, options);
      const full = await listing();
      await engine.apply(wish, options);
      assert.deepEqual(await engine.check(wish, options), []);
      assert.equal(bare(await listing()), bare(fresh));
      await engine.apply(bothFamilies, options);
      assert.equal(sortedTables(await listing()), sortedTables(full));
    });
  }

  test('peers come and go one by one, and the whole agrees with their parts', async t => {
    const { engine, options } = await bench(t);
    await engine.apply(plan(guarded, []), options);
    for (const { publicIp, publicIpv6 } of twoPeers) {
      const added = [publicIp, publicIpv6].filter(address => address !== undefined);
      await engine.changePeers({ added, removed: [] }, () => bothFamilies, options);
    }
    assert.deepEqual(await engine.check(bothFamilies, options), []);
    const [first] = twoPeers;
    const removed = [first?.publicIp, first?.publicIpv6].filter(address => address !== undefined);
    const rest = plan(guarded, twoPeers.slice(1));
    await engine.changePeers({ added: [], removed }, () => rest, options);
    assert.deepEqual(await engine.check(rest, options), []);
    await engine.changePeers({ added: [], removed }, () => rest, options);
    assert.deepEqual(await engine.check(rest, options), [], 'taking away what is gone is no error');
  });

  test('a thousand peers add no rules beside their own', async t => {
    const { engine, options, listing } = await bench(t);
    await engine.apply(plan(guarded, peersFrom(2)), options);
    const few = kind.countRules(await listing());
    const many = plan(guarded, peersFrom(1000));
    await engine.apply(many, options);
    assert.deepEqual(await engine.check(many, options), []);
    assert.equal(kind.countRules(await listing()), few);
  });
}

function cleaning(bench: OpenBench, kind: EngineKind): void {
  test('a clean-up takes away all of ours and nothing of others', async t => {
    const { engine, options, shell, listing } = await bench(t);
    await shell(kind.foreign);
    const before = await listing();
    await engine.apply(bothFamilies, options);
    assert.notEqual(await listing(), before);
    assert.notDeepEqual(await engine.clean(options), []);
    assert.equal(bare(await listing()), bare(before));
    assert.deepEqual(await engine.clean(options), [], 'nothing is left to clean');
  });
}

/** Several networks in one namespace. */
function sharing(bench: OpenBench, kind: EngineKind): void {
  const red = plan(besideOthers);
  const blue = plan({
    ...{ ...besideOthers, names: namesOfNetwork('blue-with-a-long-name') },
    config: { network: parsePrefix('10.3.0.0/16'), ipv6Network: parsePrefix('fd00:10:3::/48') },
    subnet: { ipv4: parsePrefix('10.3.1.0/24'), ipv6: parsePrefix('fd00:10:3:1::/64') },
    apart: [parsePrefix('10.2.0.0/16'), parsePrefix('fd00:10:2::/48')],
    guard: { ports: [8285], vxlans: [{ port: 8472, vni: 0xabcdef }], devices: ['flannel.9999999'] },
  });

  test('rules of a network beside others are written, found right, and not written again', async t => {
    const { openNext, options, listing } = await bench(t);
    const { engine } = openNext(namesOfNetwork('red'));
    await engine.apply(red, options);
    const written = await listing();
    assert.deepEqual(await engine.check(red, options), []);
    assert.deepEqual(await engine.apply(red, options), []);
    const alone = plan({ ...besideOthers, apart: [] });
    assert.notDeepEqual(await engine.apply(alone, options), [], 'nobody to be kept apart from any more');
    assert.deepEqual(await engine.check(alone, options), []);
    await engine.apply(red, options);
    assert.equal(sortedTables(await listing()), sortedTables(written));
  });

  test('no network touches the rules of another, nor of a daemon that has but one', async t => {
    const { engine, openNext, options, shell, listing } = await bench(t);
    await shell(kind.foreign);
    await engine.apply(bothFamilies, options);
    const one = await listing();
    const [ofRed, ofBlue] = [namesOfNetwork('red'), namesOfNetwork('blue-with-a-long-name')].map(openNext);
    assert.ok(ofRed !== undefined && ofBlue !== undefined);
    await ofRed.engine.apply(red, options);
    const two = await listing();
    await ofBlue.engine.apply(blue, options);
    await ofRed.engine.changePeers({ added: [], removed: [] }, () => red, options);
    for (const [found, ruleset] of [[engine, bothFamilies] as const, [ofRed.engine, red] as const]) {
      assert.deepEqual(await found.check(ruleset, options), []);
    }
    await ofBlue.engine.clean(options);
    assert.equal(bare(await listing()), bare(two));
    await ofRed.engine.clean(options);
    assert.equal(bare(await listing()), bare(one));
  });
}

/** Hosts of one network, spread as addresses of a real one are. */
function peersFrom(count: number): PeerAddresses[] {
  const at = (base: IpAddress, index: number) =>
    ipAdd(base, BigInt(Math.floor(index / 100) * 256 + (index % 100)));
  return Array.from({ length: count }, (_, index) => ({
    publicIp: at(parseIp('192.0.2.1'), index),
    publicIpv6: at(parseIp('2001:db8::1'), index),
  }));
}

/** Built-in chains and tables stay once they were used: an empty one is as good as none. */
function bare(listing: string): string {
  return listing
    .split('\n')
    .filter(line => !/^(:[A-Z]+ ACCEPT|\*|COMMIT)/.test(line))
    .sort()
    .join('\n');
}

/** The order of tables, sets and chains among each other means nothing; that of rules inside a chain does. */
export function sortedTables(listing: string): string {
  const blocks = new Map<string, string[]>();
  let table = '';
  let block = '';
  for (const line of listing.split('\n')) {
    if (/^(?:table |\*)/.test(line)) table = line;
    if (/^\t(?:chain|set|counter) /.test(line)) block = line;
    const name = `${table} ${/^-A (\S+)/.exec(line)?.[1] ?? block}`;
    if (/^(?:-A |\t\t)/.test(line)) blocks.set(name, [...(blocks.get(name) ?? []), line]);
  }
  return [...blocks]
    .map(([name, lines]) => [name, ...lines].join('\n'))
    .sort()
    .join('\n');
}

/** A text of test/golden/traffic. */
export function golden(name: string): string {
  return readFileSync(`test/golden/traffic/${name}`, 'utf8');
}
