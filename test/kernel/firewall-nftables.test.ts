import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLog } from '../../src/base/log.ts';
import { NftEngine } from '../../src/firewall/nft-engine.ts';
import { firewallPrograms } from '../../src/firewall/programs.ts';
import { NftSocket } from '../../src/sys/nft-socket.ts';
import { type EngineKind, firewallContract, golden } from '../contract/firewall.ts';
import { testScope } from '../support/leaks.ts';
import { createNetns, type Netns } from '../support/netns.ts';
import { guarded, plan } from '../unit/traffic/wishes.ts';

const table = 'ip flannel-ipv4';

function kindOf(name: string, overNetlink: boolean): EngineKind {
  return {
    name,
    open: (scope, netns, names) => {
      const listen = { netns: netns.path, onNotice() {}, onOverrun() {} };
      const socket = overNetlink ? scope.own('nft socket', NftSocket.open(listen)) : undefined;
      const programs = firewallPrograms({ enter: netns.enter });
      return { engine: new NftEngine(programs, socket, silentLog, names), listing: () => listed(netns) };
    },
    foreign: `nft -f - <<'END'
      table inet foreign { chain forward { type filter hook forward priority 5; ip saddr 198.51.100.0/24 drop; }; }
END`,
    sabotages: [
      ['the whole ruleset is flushed', 'nft flush ruleset'],
      ['our table is deleted', `nft delete table ${table}`],
      ['every chain of our table is flushed', `nft flush table ${table}`],
      ['one of our chains is flushed', `nft flush chain ${table} forward`],
      ['one of our chains is deleted', `nft flush chain ${table} postrtg; nft delete chain ${table} postrtg`],
      [
        'one rule is deleted',
        `nft delete rule ${table} forward handle $(nft -a list chain ${table} forward | sed -n 's/.*handle //p' | tail -1)`,
      ],
      ['a rule of a stranger is among ours', `nft insert rule ${table} postrtg accept`],
      [
        'two rules are in another order',
        `nft flush chain ${table} forward
         nft add rule ${table} forward ip daddr 10.2.0.0/16 accept
         nft add rule ${table} forward ip saddr 10.2.0.0/16 accept`,
      ],
      ['a chain of ours drops by policy', `nft chain ${table} forward '{ policy drop; }'`],
      ['a stranger is let past the guard', `nft add element ${table} vtep-peers '{ 203.0.113.9 }'`],
      ['a peer is shut out', `nft delete element ${table} vtep-peers '{ 192.0.2.2 }'`],
      ['the guard is unhooked', `nft flush chain ${table} vtep-input; nft delete chain ${table} vtep-input`],
    ],
    usurper: `nft -f - <<'END'
      table ${table} {
        set vtep-peers { type inet_service; }
        chain forward { type filter hook input priority 7; policy drop; }
      }
END`,
    countRules: listing => listing.split('\n').filter(line => /^\t\t(?:ip|meta|udp|iif)/.test(line)).length,
  };
}

firewallContract(kindOf('nftables', true));
firewallContract(kindOf('nftables-without-netlink', false));

/** Without what the packets change. */
async function listed(netns: Netns): Promise<string> {
  return await netns.run('nft list ruleset');
}

test("nft lists flannel's rules with the two that are wrong there put right", async t => {
  const scope = testScope(t);
  const netns = await createNetns(scope, 'nft');
  const engine = new NftEngine(firewallPrograms({ enter: netns.enter }), undefined, silentLog);
  await engine.apply(plan(), { signal: scope.signal });
  const ours = await listed(netns);
  assert.equal(ours, golden('nft-ruleset.txt'));
  const theirs = golden('flannel-nft-ruleset.txt').split('\n');
  const changes = ours
    .split('\n')
    .flatMap((line, index) => (line === theirs[index] ? [] : [[theirs[index]?.trim(), line.trim()]]));
  assert.deepEqual(changes, [
    ['meta mark 0x00004000 return', 'meta mark & 0x00004000 == 0x00004000 return'],
    [
      'ip saddr != 10.2.1.0/24 ip daddr 10.2.0.0/16 return',
      'ip saddr != 10.2.0.0/16 ip daddr 10.2.1.0/24 return',
    ],
    ['meta mark 0x00004000 return', 'meta mark & 0x00004000 == 0x00004000 return'],
    [
      'ip6 saddr != fd00:10:2:1::/64 ip6 daddr fd00:10:2::/48 return',
      'ip6 saddr != fd00:10:2::/48 ip6 daddr fd00:10:2:1::/64 return',
    ],
  ]);
});

test('one more peer is one set element, told by the kernel as nothing else', async t => {
  const scope = testScope(t);
  const netns = await createNetns(scope, 'nft');
  const notices: string[] = [];
  const socket = NftSocket.open({
    netns: netns.path,
    onNotice: notice =>
      notices.push(notice.type === 'committed' ? notice.type : `${notice.type} ${notice.object}`),
    onOverrun: () => notices.push('overrun'),
  });
  scope.own('nft socket', socket);
  const engine = new NftEngine(firewallPrograms({ enter: netns.enter }), socket, silentLog);
  const options = { signal: scope.signal };
  await engine.apply(plan(guarded), options);
  await new Promise(resolve => setImmediate(resolve));
  notices.length = 0;
  const ruleset = () => assert.fail('the whole ruleset was asked for');
  await engine.changePeers({ added: ['192.0.2.77' as never], removed: [] }, ruleset, options);
  assert.deepEqual(notices, ['new element', 'committed']);
  assert.match(await netns.run('nft list set ip flannel-ipv4 vtep-peers'), /192\.0\.2\.77/);
});
