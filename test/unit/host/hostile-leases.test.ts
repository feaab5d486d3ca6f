/** Leases that would steal traffic: each is refused and reported, by the judge or by the table of peers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Host } from '../../../src/backend/backend.ts';
import { createVxlan } from '../../../src/backend/vxlan.ts';
import { parseIp } from '../../../src/base/ip.ts';
import { parsePrefix, prefixCovers } from '../../../src/base/prefix.ts';
import { type Guarded, PeerTable } from '../../../src/host/peer-table.ts';
import { judgeLease } from '../../../src/lease/judge.ts';
import type { Lease } from '../../../src/lease/lease.ts';
import { parseLeaseAttrs } from '../../../src/lease/lease-attrs.ts';
import { parseNetworkConfig } from '../../../src/lease/network-config.ts';
import { parseSubnetKey } from '../../../src/lease/subnet-key.ts';

const dualStack = {
  EnableIPv6: true,
  IPv6Network: '::/1',
  Backend: { Type: 'vxlan' },
};

let macs = 1;

/** As it would come from the registry; undefined for a key that is none. */
function lease(key: string, publicIp: string, more: object = {}): Lease | undefined {
  const subnet = parseSubnetKey(key);
  const VtepMAC = `0a:00:00:00:01:${(++macs).toString(16).padStart(2, '0')}`;
  const value = { PublicIP: publicIp, BackendType: 'vxlan', BackendData: { VNI: 1, VtepMAC }, ...more };
  if (key.includes('&')) {
    Object.assign(value, { PublicIPv6: '2001:db8::9', BackendV6Data: { VNI: 1, VtepMAC }, ...more });
  }
  return subnet && { subnet, attrs: parseLeaseAttrs(JSON.stringify(value)), permanent: false };
}

const own = lease('10.2.4.0-24&2001:db8:2:4::-64', '192.0.2.1') as Lease;
const peer = lease('10.2.16.0-24&2001:db8:2:16::-64', '192.0.2.2') as Lease;

const guarded: readonly Guarded[] = [
  { what: "the registry's address", prefix: parsePrefix('10.200.0.10/32') },
  { what: 'our gateway', prefix: parsePrefix('10.201.0.1/32') },
  { what: 'the underlay', prefix: parsePrefix('10.202.4.0/24') },
];

/** Why the lease is not followed, when the peer above is there already; '' when it is. */
function verdict(network: string, hostile: Lease | undefined): string {
  if (hostile === undefined) return 'no key of a subnet';
  const { config } = parseNetworkConfig(JSON.stringify({ Network: network, ...dualStack }));
  const external = {
    name: 'eth0',
    mtuBytes: 1500,
    ipv4: parseIp('192.0.2.1'),
    ipv6: parseIp('2001:db8::1'),
    routes: [],
  };
  const host: Host = { config, external, lease: own };
  const judged = judgeLease(config, own, hostile);
  if (judged !== 'ok') return judged;
  const table = new PeerTable({ backend: createVxlan(config).backend, host, former: [] }, guarded);
  assert.deepEqual(table.put(peer).refused, []);
  const change = table.put(hostile);
  const [refused] = change.refused;
  if (refused !== undefined)
    assert.deepEqual([[...change.set], change.unset], [[], []], 'nothing changes for it');
  return refused?.reason ?? '';
}

const narrow = '10.0.0.0/8';
/** As wide as a network can be: then all that is special lies inside. */
const [low, high] = ['0.0.0.0/1', '128.0.0.0/1'];
const mac = { VNI: 1, VtepMAC: '0a:00:00:00:99:99' };

const cases: ReadonlyArray<
  readonly [what: string, network: string, hostile: Lease | undefined, why: RegExp]
> = [
  ['an honest lease', narrow, lease('10.2.17.0-24', '192.0.2.7'), /^$/],
  ['the default route', low, lease('0.0.0.0-0', '192.0.2.7'), /no key of a subnet/],
  ['half of everything', low, lease('0.0.0.0-1', '192.0.2.7'), /no host can lease \("this network"/],
  ['the IPv6 default route', low, lease('10.2.17.0-24&::-0', '192.0.2.7'), /no key of a subnet/],
  ['a single address', narrow, lease('10.2.16.7-32', '192.0.2.7'), /no key of a subnet/],
  ['our subnet in another spelling', narrow, lease('10.2.4.7-24', '192.0.2.7'), /no key of a subnet/],
  ['the network itself', '10.2.0.0/16', lease('10.2.0.0-16', '192.0.2.7'), /overlaps our own/],
  ['more than the network', '10.2.0.0/16', lease('10.0.0.0-8', '192.0.2.7'), /lies outside/],
  ['our subnet', narrow, lease('10.2.4.0-24', '192.0.2.7'), /overlaps our own/],
  ['a part of our subnet', narrow, lease('10.2.4.128-25', '192.0.2.7'), /overlaps our own/],
  ['more than our subnet', narrow, lease('10.2.4.0-22', '192.0.2.7'), /overlaps our own/],
  ['our IPv6 subnet', low, lease('10.2.17.0-24&2001:db8:2:4::-64', '192.0.2.7'), /overlaps our own/],
  ["a peer's subnet, by another key", narrow, lease('10.2.16.0-24', '192.0.2.7'), /of 10\.2\.16\.0-24&2001/],
  ["a part of a peer's subnet", narrow, lease('10.2.16.64-26', '192.0.2.7'), /claims .* of 10\.2\.16\.0-24/],
  [
    "the last of a peer's subnet",
    narrow,
    lease('10.2.16.254-31', '192.0.2.7'),
    /claims .* of 10\.2\.16\.0-24/,
  ],
  ["more than a peer's subnet", narrow, lease('10.2.16.0-20', '192.0.2.7'), /claims .* of 10\.2\.16\.0-24/],
  [
    "a peer's MAC",
    narrow,
    lease('10.2.17.0-24', '192.0.2.7', { BackendData: peer.attrs.backendData }),
    /claims/,
  ],
  [
    'our MAC',
    narrow,
    lease('10.2.17.0-24', '192.0.2.7', { BackendData: own.attrs.backendData }),
    /our own VTEP/,
  ],
  ['our public address', narrow, lease('10.2.17.0-24', '192.0.2.1'), /publishes our own address/],
  [
    'our address in its subnet',
    high,
    lease('192.0.2.0-24', '198.51.100.7'),
    /take our own address 192\.0\.2\.1/,
  ],
  ['a loop: its address in its subnet', narrow, lease('10.2.17.0-24', '10.2.17.9'), /an address of a subnet/],
  ['a loop: its address in ours', narrow, lease('10.2.17.0-24', '10.2.4.9'), /an address of a subnet/],
  [
    'the underlay',
    narrow,
    lease('10.202.4.0-24', '192.0.2.7'),
    /would take the underlay 10\.202\.4\.0\/24 away/,
  ],
  ['more than the underlay', narrow, lease('10.202.0.0-16', '192.0.2.7'), /would take the underlay/],
  [
    'our gateway',
    narrow,
    lease('10.201.0.0-24', '192.0.2.7'),
    /would take our gateway 10\.201\.0\.1\/32 away/,
  ],
  [
    "the registry's address",
    narrow,
    lease('10.200.0.8-30', '192.0.2.7'),
    /would take the registry's address/,
  ],
  ['loopback', low, lease('127.0.0.0-8', '192.0.2.7'), /loopback, 127\.0\.0\.0\/8/],
  ['a part of loopback', low, lease('127.0.1.0-24', '192.0.2.7'), /loopback, 127\.0\.0\.0\/8/],
  ['more than loopback', low, lease('126.0.0.0-7', '192.0.2.7'), /loopback, 127\.0\.0\.0\/8/],
  ['multicast', high, lease('224.0.0.0-24', '192.0.2.7'), /multicast, 224\.0\.0\.0\/4/],
  ['broadcast', high, lease('255.255.255.0-24', '192.0.2.7'), /broadcast/],
  ['link-local, where clouds have their secrets', high, lease('169.254.169.0-24', '192.0.2.7'), /link-local/],
  ['IPv6 loopback', low, lease('10.2.17.0-24&::-126', '192.0.2.7'), /loopback, ::\/127/],
  [
    'a multicast address',
    narrow,
    lease('10.2.17.0-24', '239.1.2.3'),
    /239\.1\.2\.3, which is no address of a host/,
  ],
  [
    'a loopback address',
    narrow,
    lease('10.2.17.0-24', '127.0.0.1'),
    /127\.0\.0\.1, which is no address of a host/,
  ],
  ['the broadcast address', narrow, lease('10.2.17.0-24', '255.255.255.255'), /no address of a host/],
  ['no address', narrow, lease('10.2.17.0-24', '0.0.0.0'), /publishes no IPv4 address/],
  [
    'an IPv6 multicast address',
    narrow,
    lease('10.2.17.0-24', '192.0.2.7', { PublicIPv6: 'ff02::1' }),
    /ff02::1/,
  ],
  [
    'the all-zero MAC, to which unknown frames go',
    narrow,
    lease('10.2.17.0-24', '192.0.2.7', { BackendData: { ...mac, VtepMAC: '00:00:00:00:00:00' } }),
    /no address of a single host/,
  ],
  [
    'a group MAC',
    narrow,
    lease('10.2.17.0-24', '192.0.2.7', { BackendData: { ...mac, VtepMAC: 'ff:ff:ff:ff:ff:ff' } }),
    /no address of a single host/,
  ],
  [
    "another network's VNI",
    narrow,
    lease('10.2.17.0-24', '192.0.2.7', { BackendData: { ...mac, VNI: 2 } }),
    /VNI 2/,
  ],
];

for (const [what, network, hostile, why] of cases) {
  test(`${what} ${why.source === '^$' ? 'is followed' : 'is refused'}`, () => {
    assert.match(verdict(network, hostile), why);
  });
}

test('of a snapshot, leases of the usual length are taken first, whatever the order of keys', () => {
  const { config } = parseNetworkConfig('{"Network":"10.2.0.0/16","Backend":{"Type":"vxlan"}}');
  const external = { name: 'eth0', mtuBytes: 1500, ipv4: parseIp('192.0.2.1'), ipv6: undefined, routes: [] };
  const table = new PeerTable({
    backend: createVxlan(config).backend,
    host: { config, external, lease: own },
    former: [],
  });
  const honest = [16, 17, 18].map(octet => lease(`10.2.${octet}.0-24`, `192.0.2.${octet}`) as Lease);
  const thieves = ['10.2.16.0-20', '10.2.17.0-25'].map(key => lease(key, '192.0.2.99') as Lease);
  const { refused } = table.replaceAll([thieves[0] as Lease, ...honest, thieves[1] as Lease]);
  assert.deepEqual(
    refused.map(({ lease: { subnet } }) => subnet.ipv4),
    ['10.2.16.0/20', '10.2.17.0/25'],
  );
  assert.equal(table.size, 3);
  // Each waits for all that it overlaps, and is let in when the last of them has gone.
  table.remove((honest[0] as Lease).subnet);
  table.remove((honest[2] as Lease).subnet);
  assert.equal(table.refusals.length, 2);
  const { set } = table.remove((honest[1] as Lease).subnet);
  assert.equal(table.size, 1);
  const [dst] = [...set.values()].flatMap(object => (object.type === 'route' ? [object.value.dst] : []));
  assert.ok(dst !== undefined && prefixCovers(parsePrefix('10.2.16.0/20'), dst));
});
