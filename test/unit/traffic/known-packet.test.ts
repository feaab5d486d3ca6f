import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePrefix } from '../../../src/base/prefix.ts';
import type { Json } from '../../../src/lease/lease.ts';
import { parseIptablesSave } from '../../../src/traffic/iptables-save.ts';
import { iptablesSeen } from '../../../src/traffic/iptables-walk.ts';
import { type KnownPacket, rulesFor } from '../../../src/traffic/known-packet.ts';
import { emptyListing } from '../../../src/traffic/nft-listing.ts';
import { nftSeen } from '../../../src/traffic/nft-walk.ts';
import { type SeenChains, wayThrough } from '../../../src/traffic/packet-walk.ts';

const flow = {
  ...{ inDevice: 'eth0', outDevice: '' },
  ...{ source: parsePrefix('192.0.2.1/32'), destination: parsePrefix('192.0.2.2/32') },
};
const tunnel: KnownPacket = { protocol: 'udp', destinationPort: 8472 };

function fateOf(chains: SeenChains, packet: KnownPacket): string {
  return wayThrough(rulesFor(chains, packet), 'INPUT', flow).type;
}

const iptablesCases: ReadonlyArray<readonly [string, string, KnownPacket?]> = [
  ['-A INPUT -p udp -m udp --dport 8472 -j DROP', 'drops'],
  ['-A INPUT -s 192.0.2.1/32 -p udp -m udp --dport 8000:9000 -j DROP', 'drops'],
  ['-A INPUT -p udp -m multiport --dports 53,8472 -j DROP', 'drops'],
  ['-A INPUT -p udp -m udp ! --dport 53 -j DROP', 'drops'],
  ['-A INPUT ! -p tcp -j DROP', 'drops'],
  ['-A INPUT -p all -j DROP', 'drops'],
  ['-A INPUT -p udp -m comment --comment "a -p tcp b" -m udp --dport 8472 -j DROP', 'passes'],
  ['-A INPUT -p tcp -m tcp --dport 8472 -j DROP', 'passes'],
  ['-A INPUT -p udp -m udp --dport 53 -j DROP', 'passes'],
  ['-A INPUT -p udp -m udp ! --dport 8000:9000 -j DROP', 'passes'],
  ['-A INPUT -s 198.51.100.0/24 -p udp -m udp --dport 8472 -j DROP', 'passes'],
  ['-A INPUT -p udp -m udp --sport 8472 -j DROP', 'depends'],
  ['-A INPUT -p udp -m udp --dport 8472 -m limit --limit 5/sec -j DROP', 'depends'],
  ['-A INPUT -p icmp -j DROP', 'drops', { protocol: 'icmp' }],
  ['-A INPUT -p tcp -m tcp --dport 25 -j DROP', 'depends', { protocol: 'tcp' }],
];

for (const [rule, fate, packet = tunnel] of iptablesCases) {
  test(`iptables: ${packet.protocol} to port ${packet.destinationPort ?? 'any'}, with ${rule}, is one that ${fate}`, () => {
    const state = parseIptablesSave(`*filter\n:INPUT ACCEPT [0:0]\n${rule}\nCOMMIT\n`);
    assert.equal(fateOf(iptablesSeen(state, 'filter'), packet), fate);
  });
}

test('an accept of the port in front of a policy of DROP lets the tunnel in, one of another port does not', () => {
  for (const [port, fate] of [
    ['8472', 'passes'],
    ['8473', 'drops'],
  ]) {
    const rules = `:INPUT DROP [0:0]\n-A INPUT -p udp -m udp --dport ${port} -j ACCEPT\n`;
    const state = parseIptablesSave(`*filter\n${rules}COMMIT\n`);
    assert.equal(fateOf(iptablesSeen(state, 'filter'), tunnel), fate);
  }
});

const meta = { meta: { key: 'l4proto' } };
const dport = (protocol: string): Json => ({ payload: { protocol, field: 'dport' } });
const match = (left: Json, right: Json, op = '=='): Json => ({ match: { op, left, right } });

const nftCases: ReadonlyArray<readonly [string, readonly Json[], string]> = [
  ['udp dport 8472', [match(dport('udp'), 8472)], 'drops'],
  ['udp dport { 53, 8472 }', [match(dport('udp'), { set: [53, 8472] })], 'drops'],
  ['udp dport 8000-9000', [match(dport('udp'), { range: [8000, 9000] })], 'drops'],
  ['meta l4proto udp', [match(meta, 'udp')], 'drops'],
  [
    'meta l4proto { tcp, udp } th dport 8472',
    [match(meta, { set: ['tcp', 'udp'] }), match(dport('th'), 8472)],
    'drops',
  ],
  ['tcp dport 8472', [match(dport('tcp'), 8472)], 'passes'],
  ['udp dport != 8472', [match(dport('udp'), 8472, '!=')], 'passes'],
  ['udp dport 53', [match(dport('udp'), 53)], 'passes'],
  ['udp dport @ports', [match(dport('udp'), '@ports')], 'depends'],
  ['udp dport 8472 meta mark 7', [match(dport('udp'), 8472), match({ meta: { key: 'mark' } }, 7)], 'depends'],
];

for (const [text, expr, fate] of nftCases) {
  test(`nftables: UDP to port 8472, with ${text} drop, is one that ${fate}`, () => {
    const place = { family: 'inet', table: 'fw' };
    const base = { hook: 'input', type: 'filter', priority: 0, policy: 'accept' };
    const listing = {
      ...emptyListing,
      chains: [{ ...place, ...base, name: 'INPUT' }],
      rules: [{ ...place, chain: 'INPUT', expr: [...expr, { drop: null }] }],
    };
    assert.equal(fateOf(nftSeen(listing, 'inet', 'fw'), tunnel), fate);
  });
}
