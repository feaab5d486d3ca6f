import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePrefix } from '../../../src/base/prefix.ts';
import { baseChains, type Packets } from '../../../src/doctor/base-chains.ts';
import type { FirewallView } from '../../../src/trace/view.ts';

const drop = { policy: 'DROP', rules: [], counters: [] };
const view = {
  unread: undefined,
  iptables: [new Map([['filter', new Map([['FORWARD', drop]])]])],
  nft: {
    chains: [
      {
        ...{ family: 'inet', table: 'fw', name: 'fwd', type: 'filter', hook: 'forward' },
        ...{ priority: 0, policy: 'drop', rules: [] },
      },
    ],
    rules: [],
  },
} as unknown as FirewallView;

function commands(packets: Packets): string[] {
  const names = { isOwnTable: () => false, isOwnChain: () => false } as never;
  const chains = baseChains(view, { family: 4, hooks: ['forward'], type: 'filter', names, netns: undefined });
  return chains.map(chain => chain.accept(packets));
}

test('what accepts packets names them in the words of each program', () => {
  const source = parsePrefix('10.2.0.0/16');
  assert.deepEqual(commands({ inDevice: 'flannel.1', source }), [
    'iptables-nft -w -I FORWARD -i flannel.1 -s 10.2.0.0/16 -j ACCEPT',
    'nft insert rule inet fw fwd iifname flannel.1 ip saddr 10.2.0.0/16 accept',
  ]);
});

test('neither a shell nor nft takes a name of a device for anything else', () => {
  assert.deepEqual(commands({ outDevice: 'a;$(reboot)' }), [
    "iptables-nft -w -I FORWARD -o 'a;$(reboot)' -j ACCEPT",
    `nft insert rule inet fw fwd oifname '"a;$(reboot)"' accept`,
  ]);
});
