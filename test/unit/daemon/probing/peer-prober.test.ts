/** Which peers are followed; that they are asked is tested with real kernels, in test/e2e/probing.test.ts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createBackend } from '../../../../src/backend/backends.ts';
import { PeerProber } from '../../../../src/daemon/probing/peer-prober.ts';
import type { CarriedPeer } from '../../../../src/host/carried-peer.ts';
import { hostOf, peer as leaseOf } from '../../backend/hosts.ts';
import { createTestClock } from '../../registry/clocks.ts';
import { rememberingLog } from '../extension-house.ts';
import { reached } from './probing-world.ts';

const host = hostOf({ Type: 'vxlan' }, '46');
const { backend } = createBackend(host.config);

function create(intervalSeconds: number | undefined, inside: () => never) {
  const log = rememberingLog();
  const prober = new PeerProber({
    ...{ intervalSeconds, log, inside },
    clock: createTestClock(),
    random: Math.random,
    membership: () => ({ backend, host, former: [] }),
  });
  return { log, prober, seen: () => prober.facts.map(({ peer, address }) => `${peer} ${address}`) };
}

function carried(number: number, publicIp = `192.0.2.${number}`): CarriedPeer {
  const BackendData = { VNI: 1, VtepMAC: `0a:00:00:00:00:${number}` };
  const lease = leaseOf(number, { PublicIP: publicIp, BackendType: 'vxlan', BackendData });
  return { lease, backend, ...reached(backend.planPeer(host, lease)) };
}

const never = (): never => assert.fail('no socket is opened');

test('with probing off peers are followed, and nothing is opened', () => {
  const { prober, seen } = create(undefined, never);
  prober.change({ joined: [carried(14), carried(15)], left: [] });
  assert.deepEqual(seen(), ['10.2.14.0-24 10.2.14.0', '10.2.15.0-24 10.2.15.0']);
  // As all are when they are planned again: what has left in the same change has joined again.
  prober.change({ joined: [carried(14, '192.0.2.24')], left: [carried(14), carried(15)] });
  assert.deepEqual(seen(), ['10.2.14.0-24 10.2.14.0']);
  assert.deepEqual(new Set(prober.facts.map(({ verdict }) => verdict)), new Set(['unprobed']));
  assert.deepEqual(prober.counts, { sent: 0, lost: 0 });
  prober.close();
  prober.change({ joined: [carried(16)], left: [] });
  assert.equal(seen().length, 1, 'the end is the end');
});

test('where no socket can be had it is said once, and all are unprobed', () => {
  const { prober, log, seen } = create(5, () => {
    throw new Error('no such namespace');
  });
  prober.change({ joined: [carried(14)], left: [] });
  prober.change({ joined: [carried(15)], left: [] });
  assert.equal(seen().length, 2);
  assert.deepEqual(
    log.told.map(({ level, message }) => `${level} ${message}`),
    ['warn peers are not probed by IPv4: no socket for it'],
  );
  assert.deepEqual(new Set(prober.facts.map(({ verdict }) => verdict)), new Set(['unprobed']));
  prober.close();
});
