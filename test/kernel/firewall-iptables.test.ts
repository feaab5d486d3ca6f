import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { IptablesVariant } from '../../src/firewall/engine.ts';
import { IptablesEngine } from '../../src/firewall/iptables-engine.ts';
import { firewallPrograms } from '../../src/firewall/programs.ts';
import { type EngineKind, firewallContract, golden } from '../contract/firewall.ts';
import { testScope } from '../support/leaks.ts';
import { createNetns, type Netns } from '../support/netns.ts';
import { plan } from '../unit/traffic/wishes.ts';

const variants: readonly IptablesVariant[] = ['legacy', 'nft'];

for (const variant of variants) firewallContract(kindOf(variant));

function kindOf(variant: IptablesVariant): EngineKind {
  const ipt = `iptables-${variant}`;
  return {
    name: `iptables-${variant}`,
    open: (_, netns, names) => ({
      engine: new IptablesEngine(firewallPrograms({ enter: netns.enter }), variant, () => false, names),
      listing: () => saved(netns, variant),
    }),
    foreign: `
      ${ipt} -N foreign; ${ipt} -A FORWARD -j foreign; ${ipt} -A foreign -s 198.51.100.0/24 -j DROP
      ${ipt} -t nat -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
      ${ipt} -t mangle -A INPUT -p tcp --dport 22 -j ACCEPT`,
    sabotages: [
      ['every chain is flushed', `for t in nat filter mangle; do ${ipt} -t $t -F; done`],
      ['one of our chains is flushed', `${ipt} -F FLANNEL-FWD`],
      ['one of our chains is deleted', `${ipt} -D FORWARD 1; ${ipt} -F FLANNEL-FWD; ${ipt} -X FLANNEL-FWD`],
      [
        'all of our chains are deleted',
        `for t in nat filter mangle; do ${ipt} -t $t -F; ${ipt} -t $t -X; done`,
      ],
      ['the jump is deleted', `${ipt} -t nat -D POSTROUTING 1`],
      ['the jump is there twice', `${ipt} -A FORWARD -m comment --comment "flanneld forward" -j FLANNEL-FWD`],
      ['one rule is deleted', `${ipt} -t nat -D FLANNEL-POSTRTG 4`],
      ['a rule of a stranger is among ours', `${ipt} -t nat -I FLANNEL-POSTRTG 1 -j ACCEPT`],
      [
        'two rules are in another order',
        `${ipt} -t nat -D FLANNEL-POSTRTG 1
         ${ipt} -t nat -I FLANNEL-POSTRTG 2 -m mark --mark 0x4000/0x4000 -m comment --comment "flanneld masq" -j RETURN`,
      ],
      ['a stranger is let past the guard', `${ipt} -t mangle -I WEFT-VTEP -s 203.0.113.9 -j RETURN`],
      ['the guard is unhooked', `${ipt} -t mangle -F INPUT`],
    ],
    usurper: `${ipt} -N FLANNEL-FWD; ${ipt} -A FLANNEL-FWD -p tcp -j DROP; ${ipt} -t nat -N FLANNEL-FWD`,
    countRules: listing => listing.split('\n').filter(line => /^-A (?!WEFT-VTEP)/.test(line)).length,
  };
}

/** Both families' rules, without the comments that carry the time. */
async function saved(netns: Netns, variant: IptablesVariant): Promise<string> {
  const texts = await Promise.all(['iptables', 'ip6tables'].map(one => netns.run(`${one}-${variant}-save`)));
  return texts.join('').replace(/^#.*\n/gm, '');
}

const captured: ReadonlyArray<readonly [string, string, Parameters<typeof plan>[0]]> = [
  ['flannel-iptables-save.txt', 'iptables', {}],
  ['flannel-ip6tables-save.txt', 'ip6tables', {}],
  ['flannel-iptables-save-not-random.txt', 'iptables', { fullyRandom: false }],
  ['flannel-iptables-save-no-forward.txt', 'iptables', { forwardRules: false }],
];

for (const variant of variants) {
  for (const [file, program, change] of captured) {
    test(`${program}-${variant}-save prints what flannel v0.28 leaves in ${file}`, async t => {
      const scope = testScope(t);
      const netns = await createNetns(scope, variant);
      const engine = new IptablesEngine(firewallPrograms({ enter: netns.enter }), variant, () => false);
      await engine.apply(plan(change), { signal: scope.signal });
      const text = (await netns.run(`${program}-${variant}-save`)).replace(/^#.*\n/gm, '');
      assert.deepEqual(tablesOf(text), tablesOf(golden(file)));
    });
  }
}

/** By name: their order is that of their first use. */
function tablesOf(text: string): Record<string, string> {
  return Object.fromEntries(
    [...text.matchAll(/^\*(\w+)\n([\s\S]*?)^COMMIT$/gm)].map(match => [match[1], match[2]]),
  );
}

for (const variant of variants) {
  test(`${variant}: a rule of somebody else that leads into a chain of ours is kept, with the chain, empty`, async t => {
    const scope = testScope(t);
    const netns = await createNetns(scope, variant);
    const engine = new IptablesEngine(firewallPrograms({ enter: netns.enter }), variant, () => false);
    const options = { signal: scope.signal };
    await engine.apply(plan(), options);
    const ipt = `iptables-${variant}`;
    await netns.run(['sh', '-euc', `${ipt} -N theirs; ${ipt} -A theirs -j FLANNEL-FWD`]);
    await engine.clean(options);
    assert.match(await saved(netns, variant), /-A theirs -j FLANNEL-FWD/);
    assert.doesNotMatch(await saved(netns, variant), /-A FLANNEL-FWD/);
    assert.deepEqual(await engine.clean(options), []);
  });
}
