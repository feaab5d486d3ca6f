import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Host } from '../../../src/backend/backend.ts';
import { createVxlan } from '../../../src/backend/vxlan.ts';
import { parseIp } from '../../../src/base/ip.ts';
import { parsePrefix } from '../../../src/base/prefix.ts';
import { type PeerChange, PeerTable } from '../../../src/host/peer-table.ts';
import type { Lease } from '../../../src/lease/lease.ts';
import { parseLeaseAttrs } from '../../../src/lease/lease-attrs.ts';
import { parseNetworkConfig } from '../../../src/lease/network-config.ts';
import { type KernelObject, type ObjectKey, stateOf } from '../../../src/state/kernel-object.ts';

const { config } = parseNetworkConfig('{"Network":"10.2.0.0/16","Backend":{"Type":"vxlan"}}');

function lease(octet: number, mac = octet, host = octet): Lease {
  const VtepMAC = `0a:00:00:00:00:${mac.toString(16).padStart(2, '0')}`;
  const attrs = { PublicIP: `192.0.2.${host}`, BackendType: 'vxlan', BackendData: { VNI: 1, VtepMAC } };
  return {
    subnet: { ipv4: parsePrefix(`10.2.${octet}.0/24`), ipv6: undefined },
    attrs: parseLeaseAttrs(JSON.stringify(attrs)),
    permanent: false,
  };
}

const host: Host = {
  config,
  external: { name: 'eth0', mtuBytes: 1500, ipv4: parseIp('192.0.2.1'), ipv6: undefined, routes: [] },
  lease: lease(1),
};

function table(): PeerTable {
  return new PeerTable({ backend: createVxlan(config).backend, host, former: [] });
}

/** A desired state that follows changes, as the reconciler's does. */
function follow(state: Map<ObjectKey, KernelObject>, change: PeerChange): void {
  for (const key of change.unset) state.delete(key);
  for (const [key, object] of change.set) state.set(key, object);
}

test("one lease event is one peer's objects, however many peers there are", () => {
  const peers = table();
  assert.equal(peers.replaceAll([2, 3, 4, 5].map(octet => lease(octet))).set.size, 12);
  const { set, unset, refused } = peers.put(lease(9));
  assert.deepEqual([set.size, unset.length, refused.length], [3, 0, 0]);
  assert.equal(peers.remove(lease(9).subnet).unset.length, 3);
  assert.equal(peers.size, 4);
});

test("a peer's new MAC drops the entry of the old one", () => {
  const peers = table();
  peers.put(lease(9));
  const { set, unset } = peers.put(lease(9, 77));
  assert.equal(set.size, 3);
  assert.deepEqual(unset, ['fdb flannel.1 self 0a:00:00:00:00:09 0']);
});

test('a snapshot withdraws the peers that are not in it', () => {
  const peers = table();
  peers.replaceAll([lease(2), lease(3)]);
  const { set, unset } = peers.replaceAll([lease(3), lease(4)]);
  assert.equal(unset.length, 3);
  assert.ok(unset.every(key => /10\.2\.2\.0|00:02/.test(key)));
  assert.equal(set.size, 3, 'the one that stays is not touched');
});

test("a peer that claims another's MAC is refused, told once, and let in when the other goes", () => {
  const peers = table();
  peers.put(lease(2));
  const thief = lease(3, 2);
  assert.match(peers.put(thief).refused[0]?.reason ?? '', /10\.2\.2\.0-24/);
  assert.deepEqual(peers.put(thief).refused, []);
  assert.equal(peers.refusals.length, 1);
  const { set, unset } = peers.remove(lease(2).subnet);
  assert.deepEqual([...set.values()].map(object => object.type).sort(), ['fdb', 'neighbour', 'route']);
  assert.equal(unset.length, 2, 'the shared FDB key is taken over, not removed');
  assert.equal(peers.refusals.length, 0);
});

test('a peer that turns bad is withdrawn', () => {
  const peers = table();
  peers.put(lease(9));
  const { set, unset } = peers.put({ ...lease(9), attrs: { ...lease(9).attrs, publicIp: undefined } });
  assert.deepEqual([set.size, unset.length], [0, 3]);
});

test('a peer whose backend we do not speak, or not yet, is reached as before, through every other change', () => {
  const peers = table();
  const state = new Map<ObjectKey, KernelObject>();
  follow(state, peers.put(lease(9)));
  const before = new Map(state);
  const changed = { ...lease(9), attrs: { ...lease(9).attrs, backendType: 'host-gw' } };
  const change = peers.put(changed);
  follow(state, change);
  assert.deepEqual(
    change.refused.map(({ reason, partly }) => [/ours is vxlan/.test(reason), partly]),
    [[true, true]],
  );
  assert.deepEqual(peers.put(changed).refused, [], 'and that is said once');
  follow(state, peers.rehost({ backend: createVxlan(config).backend, host, former: [] }));
  follow(state, peers.replaceAll([changed]));
  assert.deepEqual(state, before);
  follow(state, peers.remove(changed.subnet));
  assert.deepEqual(state, new Map());
});

test('any sequence of events ends where one snapshot of the last leases would', () => {
  const event = fc.record({
    octet: fc.integer({ min: 2, max: 9 }),
    mac: fc.integer({ min: 2, max: 9 }),
    host: fc.integer({ min: 2, max: 9 }),
    gone: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(event, { maxLength: 40 }), events => {
      const peers = table();
      const state = new Map<ObjectKey, KernelObject>();
      const last = new Map<number, Lease>();
      for (const { octet, mac, host: at, gone } of events) {
        const value = lease(octet, mac, at);
        follow(state, gone ? peers.remove(value.subnet) : peers.put(value));
        if (gone) last.delete(octet);
        else last.set(octet, value);
      }
      const used = [...last.values()].filter(
        value => !peers.refusals.some(refusal => refusal.lease === value),
      );
      const fresh = stateOf(used.flatMap(value => [...table().put(value).set.values()]));
      assert.deepEqual(new Map([...state].sort()), new Map([...fresh].sort()));
      for (const { lease: refused } of peers.refusals) {
        const mac = JSON.stringify(refused.attrs.backendData);
        assert.ok(
          used.some(value => JSON.stringify(value.attrs.backendData) === mac),
          'refused only for a holder',
        );
      }
    }),
  );
});
