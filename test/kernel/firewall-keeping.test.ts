import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Clock } from '../../src/base/clock.ts';
import { hasCode } from '../../src/base/errors.ts';
import type { Scope } from '../../src/base/scope.ts';
import { cleanFirewalls } from '../../src/firewall/clean.ts';
import { firewallPrograms } from '../../src/firewall/programs.ts';
import { systemClock } from '../../src/sys/clock.ts';
import { sortedTables } from '../contract/firewall.ts';
import { eventually } from '../support/eventually.ts';
import { testScope } from '../support/leaks.ts';
import { createNetns, type Netns } from '../support/netns.ts';
import { everyFlag, guarded } from '../unit/traffic/wishes.ts';
import {
  type Choice,
  choices,
  type LoggedFirewall,
  leaseOf,
  neverMs,
  openFirewall,
} from './traffic-firewalls.ts';

interface Bench extends LoggedFirewall {
  readonly scope: Scope;
  readonly netns: Netns;
  shell(commands: string): Promise<string>;
}

async function bench(
  t: TestContext,
  choice: Choice,
  more: Parameters<typeof openFirewall>[3] = {},
): Promise<Bench> {
  const scope = testScope(t);
  const netns = await createNetns(scope, 'host');
  const opened = openFirewall(scope, netns, choice, more);
  return { ...opened, scope, netns, shell: commands => netns.run(['sh', '-euc', commands]) };
}

interface Case {
  readonly choice: Choice;
  /** By the kernel's notice where there is one: then the period is no help. */
  readonly resyncMs: number;
  readonly undo: string;
  readonly show: string;
}

const cases: ReadonlyArray<readonly [string, Case]> = choices.flatMap(([name, choice]) => {
  const ipt = `iptables-${choice.iptablesVariant}`;
  const resyncMs = choice.iptablesVariant === 'legacy' ? 100 : neverMs;
  const show = choice.engine === 'nftables' ? 'nft list ruleset' : `${ipt}-save | grep -v '^#'`;
  const undoings: ReadonlyArray<readonly [string, string]> =
    choice.engine === 'nftables'
      ? [
          ['nft flush ruleset', 'nft flush ruleset'],
          ['a deleted chain', 'nft delete chain ip flannel-ipv4 forward'],
          ['a peer shut out', "nft delete element ip flannel-ipv4 vtep-peers '{ 192.0.2.2 }'"],
        ]
      : [
          ['iptables -F', `${ipt} -F; ${ipt} -t nat -F`],
          ['a deleted chain', `${ipt} -F FORWARD; ${ipt} -F FLANNEL-FWD; ${ipt} -X FLANNEL-FWD`],
          ['a deleted jump', `${ipt} -t nat -D POSTROUTING 1`],
        ];
  return undoings.map(([what, undo]) => [`${name}, ${what}`, { choice, resyncMs, undo, show }] as const);
});

for (const [title, { choice, resyncMs, undo, show }] of cases) {
  test(`${title}: back by itself, and said`, async t => {
    const { firewall, said, shell } = await bench(t, choice, { resyncMs });
    await firewall.replacePeers([leaseOf('10.2.2.0/24', '192.0.2.2')]);
    await firewall.apply(guarded);
    const before = await shell(show);
    await shell(undo);
    await eventually('a repair', () => firewall.status.repairs === 1);
    assert.equal(sortedTables(await shell(show)), sortedTables(before));
    assert.ok(
      said.some(line => line.startsWith('warn: somebody undid our firewall rules')),
      said.join('\n'),
    );
  });
}

test("the kernel's notice names the program that undid our rules", async t => {
  const { firewall, said, shell } = await bench(t, { engine: 'nftables' });
  await firewall.apply(everyFlag);
  await shell('nft flush ruleset');
  await eventually('a repair', () => firewall.status.repairs === 1);
  assert.match(said.join('\n'), /somebody undid our firewall rules.*"changedBy":"nft","pid":\d+/);
});

test('who undoes our rules again and again is answered ever more slowly, and named', async t => {
  const { firewall, said, shell } = await bench(t, { engine: 'nftables' });
  await firewall.apply(everyFlag);
  for (let repairs = 1; repairs <= 5; repairs++) {
    await shell('nft flush ruleset');
    await eventually('a repair', () => firewall.status.repairs === repairs);
  }
  await shell('nft flush ruleset');
  await eventually('a word', () =>
    said.some(line => /^error: nft \(pid \d+\) keeps undoing our firewall rules/.test(line)),
  );
});

const obstacles: ReadonlyArray<readonly [string, Choice, string, string]> = [
  [
    'a DROP before our jump',
    { engine: 'iptables', iptablesVariant: 'legacy' },
    'iptables-legacy -I FORWARD 1 -j DROP',
    'packets from other hosts to containers are dropped by iptables table filter, chain FORWARD: -A FORWARD -j DROP',
  ],
  [
    'a REJECT in a chain before our jump',
    { engine: 'iptables', iptablesVariant: 'nft' },
    'iptables-nft -N zone; iptables-nft -A zone -s 192.168.0.0/16 -j RETURN; iptables-nft -A zone -j REJECT; iptables-nft -I FORWARD 1 -j zone',
    'packets from other hosts to containers are dropped by iptables table filter, chain FORWARD: -A zone -j REJECT --reject-with icmp-port-unreachable',
  ],
  [
    "Docker's rule against all who come from elsewhere",
    { engine: 'iptables', iptablesVariant: 'nft' },
    'iptables-nft -N DOCKER; iptables-nft -A DOCKER ! -i docker0 -o docker0 -j DROP; iptables-nft -I FORWARD 1 -o docker0 -j DOCKER',
    'packets from other hosts to containers on docker0 are dropped by iptables table filter, chain FORWARD: -A DOCKER ! -i docker0 -o docker0 -j DROP',
  ],
  [
    'a policy of nftables, seen from iptables',
    { engine: 'iptables', iptablesVariant: 'legacy' },
    "nft -f - <<'END'\ntable inet firewalld { chain filter_FORWARD { type filter hook forward priority 10; policy drop; ct state established accept; }; }\nEND",
    'packets from other hosts to containers are dropped by nft table inet firewalld, chain filter_FORWARD: policy of filter_FORWARD: drop',
  ],
  [
    'a rule of another table of nftables',
    { engine: 'nftables' },
    "nft -f - <<'END'\ntable inet firewalld { chain filter_FORWARD { type filter hook forward priority 10; reject with icmpx type admin-prohibited; }; }\nEND",
    'packets from other hosts to containers are dropped by nft table inet firewalld, chain filter_FORWARD: reject with icmpx type admin-prohibited',
  ],
  [
    "the policy of iptables' nft variant",
    { engine: 'nftables' },
    'iptables-nft -P FORWARD DROP',
    'packets from other hosts to containers are dropped by nft table ip filter, chain FORWARD: policy of FORWARD: drop',
  ],
];

for (const [title, choice, commands, sentence] of obstacles) {
  test(`${title} is reported with its text, and again when it has gone`, async t => {
    const { firewall, said, shell } = await bench(t, choice, { resyncMs: 100 });
    await firewall.apply(everyFlag);
    assert.deepEqual(firewall.status.obstacles, []);
    await shell(commands);
    await eventually('a warning', () => said.some(line => line.startsWith(`warn: ${sentence} `))).catch(
      error => {
        throw new Error(said.join('\n'), { cause: error });
      },
    );
    await shell('nft flush ruleset; iptables-legacy -F');
    await eventually('its end', () => said.some(line => line.startsWith(`info: no longer: ${sentence} `)));
    assert.deepEqual(firewall.status.obstacles, []);
  });
}

test("what iptables' legacy variant drops comes and goes untold, so nftables' engine looks each half minute", async t => {
  const impatient = { ...systemClock, sleep: quickly };
  const { firewall, shell } = await bench(t, { engine: 'nftables' }, { clock: impatient });
  await firewall.apply(everyFlag);
  await shell('iptables-legacy -P FORWARD DROP');
  await eventually('a report', () => firewall.status.obstacles.length > 0);
  assert.equal(firewall.status.obstacles[0]?.rule, 'policy of FORWARD: drop');
  await shell('iptables-legacy -P FORWARD ACCEPT');
  await eventually('its end', () => firewall.status.obstacles.length === 0);
});

/** Time flies: an hour is over in a tenth of a second. */
async function quickly(milliseconds: number, options: Parameters<Clock['sleep']>[1]): Promise<void> {
  await systemClock.sleep(Math.min(milliseconds, 100), options);
}

test('a policy of DROP in FORWARD is no obstacle: our rules accept', async t => {
  const { firewall, shell } = await bench(t, { engine: 'iptables', iptablesVariant: 'nft' });
  await shell('iptables-nft -P FORWARD DROP');
  await firewall.apply(everyFlag);
  assert.deepEqual(firewall.status.obstacles, []);
});

for (const [from, before] of choices) {
  for (const [to, after] of choices) {
    if (from === to) continue;
    test(`from ${from} to ${to}: the other's rules are gone, and those of others stay`, async t => {
      const { scope, netns, firewall, shell } = await bench(t, before);
      await shell(
        'iptables-legacy -A INPUT -s 198.51.100.1 -j DROP; iptables-nft -A INPUT -s 198.51.100.2 -j DROP',
      );
      await firewall.replacePeers([]);
      await firewall.apply(guarded);
      await firewall.close();
      await openFirewall(scope, netns, after).firewall.apply(guarded);
      const all = {
        'iptables-legacy': await shell('iptables-legacy-save; ip6tables-legacy-save'),
        'iptables-nft': await shell('iptables-nft-save; ip6tables-nft-save'),
        nftables: await shell('nft list tables'),
      };
      for (const [name, text] of Object.entries(all)) {
        const [pattern, ours] = [/FLANNEL|WEFT|flannel-ipv/, name === to];
        assert.equal(pattern.test(text), ours, `${name}:\n${text}`);
      }
      assert.match(all['iptables-legacy'], /198\.51\.100\.1/);
      assert.match(all['iptables-nft'], /198\.51\.100\.2/);
    });
  }
}

test("flannel's leftovers of both modes are taken away or over (it looks for them in the wrong table)", async t => {
  const { firewall, shell } = await bench(t, { engine: 'nftables' });
  await shell(`
    for ipt in iptables-nft ip6tables-nft; do
      $ipt -t nat -N FLANNEL-POSTRTG; $ipt -t nat -A POSTROUTING -m comment --comment "flanneld masq" -j FLANNEL-POSTRTG
      $ipt -N FLANNEL-FWD; $ipt -I FORWARD 1 -m comment --comment "flanneld forward" -j FLANNEL-FWD
      $ipt -A FLANNEL-FWD -m comment --comment "flanneld forward" -j ACCEPT
      $ipt -t nat -N FLANNEL-FWD
    done
    nft add table ip flannel-ipv4; nft add table ip6 flannel-ipv6
    nft add chain ip flannel-ipv4 forward '{ type filter hook forward priority filter; }'
    nft add rule ip flannel-ipv4 forward ip saddr 10.9.0.0/16 accept`);
  await firewall.apply({ ...everyFlag, config: { network: everyFlag.config.network } });
  assert.doesNotMatch(await shell('iptables-nft-save; ip6tables-nft-save'), /FLANNEL/);
  const left = await shell('nft list ruleset');
  assert.doesNotMatch(left, /flannel-ipv6|10\.9\.0\.0/);
  assert.match(left, /flannel-ipv4/);
});

test('cleaning every firewall leaves nothing of any', async t => {
  const { scope, netns, firewall, shell } = await bench(t, { engine: 'nftables' });
  await firewall.replacePeers([]);
  await firewall.apply(guarded);
  await firewall.close();
  const programs = firewallPrograms({ enter: netns.enter });
  const { removed, failures } = await cleanFirewalls(programs, {
    signal: scope.signal,
  });
  assert.deepEqual(removed, ['table ip flannel-ipv4', 'table ip6 flannel-ipv6']);
  assert.deepEqual(failures, []);
  assert.equal(await shell('nft list ruleset'), '');
});

const missing: ReadonlyArray<readonly [string, Choice, string, RegExp]> = [
  [
    'iptables-save',
    { engine: 'iptables' },
    'iptables-save',
    /^iptables-save was not found.*containers still reach/,
  ],
  ['ip6tables-save', { engine: 'iptables' }, 'ip6tables-save', /^ip6tables-save was not found/],
  ['nft', { engine: 'nftables' }, 'nft', /^nft was not found/],
];

for (const [program, choice, name, message] of missing) {
  test(`without ${program} the error names it, its package and what still works`, async t => {
    const scope = testScope(t);
    const netns = await createNetns(scope, 'host');
    const programs = firewallPrograms({ enter: netns.enter, names: { [name]: '/nowhere/at-all' } });
    const { firewall } = openFirewall(scope, netns, choice, { programs });
    await assert.rejects(firewall.apply(everyFlag), error => {
      assert.ok(hasCode(error, 'firewall-program-missing'), String(error));
      assert.match(error.message, message);
      assert.match(
        error.remedy ?? '',
        /^apt-get install (iptables|nftables); or use (nftables|iptables) instead/,
      );
      return true;
    });
    assert.match(firewall.status.problem, message);
    if (program !== 'ip6tables-save') return;
    assert.match(await netns.run('iptables-save'), /FLANNEL-FWD/, 'IPv4 goes on without IPv6');
  });
}

test('the programs of the other engine may be missing', async t => {
  const scope = testScope(t);
  const netns = await createNetns(scope, 'host');
  const names = Object.fromEntries(
    ['', '-legacy', '-nft'].flatMap(kind =>
      ['iptables', 'ip6tables'].flatMap(one =>
        ['save', 'restore'].map(verb => [`${one}${kind}-${verb}`, '/nowhere']),
      ),
    ),
  );
  const programs = firewallPrograms({ enter: netns.enter, names });
  const { firewall, said } = openFirewall(scope, netns, { engine: 'nftables' }, { programs });
  await firewall.apply(everyFlag);
  assert.equal(firewall.status.problem, '');
  assert.deepEqual(
    said.filter(line => /^(warn|error)/.test(line)),
    [],
  );
});

test("somebody who keeps iptables' lock is waited for, then reported, and the rules come when it is free", async t => {
  const legacy: Choice = { engine: 'iptables', iptablesVariant: 'legacy' };
  const { netns, firewall } = await bench(t, legacy, { resyncMs: 100 });
  const holder = await netns.start(['flock', '/run/xtables.lock', 'sleep', '600']);
  await eventually('the lock', async () => {
    const free = await netns.run(['flock', '--nonblock', '/run/xtables.lock', 'true']).then(
      () => true,
      () => false,
    );
    return !free;
  });
  await assert.rejects(firewall.apply(everyFlag), error => {
    assert.ok(hasCode(error, 'firewall-busy'), String(error));
    assert.match(error.remedy ?? '', /fuser -v \/run\/xtables\.lock/);
    return true;
  });
  // The program that it runs has the lock too.
  await netns.run(['sh', '-c', `kill $(cat /proc/${holder.pid}/task/${holder.pid}/children)`]);
  await eventually('the rules', () => firewall.status.problem === '');
  assert.match(await netns.run('iptables-legacy-save'), /FLANNEL-FWD/);
});
