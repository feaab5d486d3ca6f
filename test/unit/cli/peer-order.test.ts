import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inPeerOrder, type PeerOrder } from '../../../src/cli/peer-order.ts';
import { now, peer, probe, told } from './status-house.ts';

/** As they come: what is wrong first, then by subnet. Hosts count down where subnets count up. */
const peers = [peer(30, 'missing', 'route'), peer(2), peer(10), peer(9)].map((one, index) => ({
  ...one,
  families: one.families.map(family => ({ ...family, address: peer(9 - index).families[0]?.address })),
}));

const status = told({
  peers,
  probes: [
    probe(2, { latencyMs: 1 }),
    probe(10, { latencyMs: undefined, verdict: 'silent', lastAnswerMs: now - 60_000 }),
    probe(9, { latencyMs: 20 }),
    probe(30, { latencyMs: undefined, verdict: 'silent', lastAnswerMs: undefined }),
  ],
});

const expected: Readonly<Record<PeerOrder, readonly number[]>> = {
  state: [10, 30, 2, 9],
  subnet: [2, 9, 10, 30],
  host: [9, 10, 2, 30],
  latency: [9, 2, 30, 10],
};

for (const [order, octets] of Object.entries(expected))
  test(`peers by ${order}`, () => {
    const found = inPeerOrder(status, order as PeerOrder).peers.map(({ families }) => families[0]?.subnet);
    assert.deepEqual(
      found,
      octets.map(octet => `10.2.${octet}.0/24`),
    );
  });

test('without probes the order of the states is the one in which they come', () => {
  assert.deepEqual(inPeerOrder(told({ peers }), 'state').peers, peers);
});
