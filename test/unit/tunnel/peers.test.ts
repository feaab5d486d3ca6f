import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type IpAddress, ipFromBytes, ipToBytes, parseIp } from '../../../src/base/ip.ts';
import { type Prefix, parsePrefix, prefixBase } from '../../../src/base/prefix.ts';
import { Peers } from '../../../src/tunnel/peers.ts';

/** The peer's address as its number stands for it. */
function addressOf(peers: Peers, number: number): IpAddress | undefined {
  if (number < 0) return undefined;
  const view = new DataView(new ArrayBuffer(16));
  peers.writeAddress(number, view, 0);
  return ipFromBytes(new Uint8Array(view.buffer, 0, peers.isSix(number) ? 16 : 4));
}

function senderOf(peers: Peers, address: IpAddress): number {
  const bytes = ipToBytes(address);
  return peers.ofSender(new DataView(bytes.buffer), 0, bytes.length === 16);
}

function ownerOf(peers: Peers, address: IpAddress): IpAddress | undefined {
  const bytes = ipToBytes(address);
  const packet = new Uint8Array(40);
  packet[0] = bytes.length === 16 ? 0x60 : 0x45;
  packet.set(bytes, bytes.length === 16 ? 24 : 16);
  return addressOf(peers, peers.ofDestination(new DataView(packet.buffer), 0));
}

const prefixes = ['10.5.1.0/24', '10.5.2.0/24', '10.6.0.0/16', 'fd05:1::/64', 'fd05:2::/64'].map(parsePrefix);
const addresses = ['192.0.2.1', '192.0.2.2', '2001:db8::1', '192.0.2.3'].map(parseIp);

test('whatever is set and unset, the peers known are those that have a subnet', () => {
  const steps = fc.array(
    fc.record({
      dst: fc.constantFrom(...prefixes),
      peer: fc.option(fc.constantFrom(...addresses), { nil: undefined }),
    }),
  );
  fc.assert(
    fc.property(steps, input => {
      const peers = new Peers();
      const model = new Map<Prefix, IpAddress>();
      for (const { dst, peer } of input) {
        if (peer === undefined) {
          peers.unset(dst);
          model.delete(dst);
        } else {
          peers.set(dst, peer);
          model.set(dst, peer);
        }
        for (const prefix of prefixes) assert.equal(ownerOf(peers, prefixBase(prefix)), model.get(prefix));
        const known = new Set(model.values());
        for (const address of addresses) {
          const number = senderOf(peers, address);
          assert.equal(addressOf(peers, number), known.has(address) ? address : undefined);
        }
      }
    }),
  );
});

test('thousands of peers keep their numbers and addresses', () => {
  const peers = new Peers();
  const all = Array.from({ length: 3000 }, (_, index) => {
    const address = parseIp(`172.16.${index >> 8}.${index & 255}`);
    peers.set(parsePrefix(`10.${index >> 8}.${index & 255}.0/24`), address);
    return address;
  });
  for (const [index, address] of all.entries()) {
    assert.equal(ownerOf(peers, parseIp(`10.${index >> 8}.${index & 255}.9`)), address);
    assert.equal(addressOf(peers, senderOf(peers, address)), address);
  }
});

test('a limit is the path’s, until it is forgotten or the peer is another', () => {
  const peers = new Peers();
  const [one = parsePrefix('10.5.1.0/24'), other = one] = prefixes;
  peers.set(one, parseIp('192.0.2.1'));
  peers.set(other, parseIp('192.0.2.2'));
  const [first, second] = [senderOf(peers, parseIp('192.0.2.1')), senderOf(peers, parseIp('192.0.2.2'))];
  peers.limitSegments(first, 1472);
  peers.limitSegments(first, 1480);
  assert.deepEqual([peers.segmentLimit(first), peers.segmentLimit(second)], [1471, 65_535]);
  peers.forgetLimits();
  assert.equal(peers.segmentLimit(first), 65_535);
  peers.limitSegments(first, 1472);
  peers.unset(one);
  peers.set(one, parseIp('192.0.2.9'));
  assert.equal(peers.segmentLimit(senderOf(peers, parseIp('192.0.2.9'))), 65_535);
});
