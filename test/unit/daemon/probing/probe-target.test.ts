import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createBackend } from '../../../../src/backend/backends.ts';
import { targetsOf } from '../../../../src/daemon/probing/probe-target.ts';
import { type Families, hostOf, peer as leaseOf } from '../../backend/hosts.ts';
import { reached } from './probing-world.ts';

interface Asked {
  readonly backend: object;
  readonly attrs: object;
  readonly families?: Families;
  /** Addresses asked, in the order of the families, and what shall pass. */
  readonly expected: readonly [addresses: ReadonlyArray<string | undefined>, wantedBytes: number];
}

const vtep = (mac: string): object => ({ VNI: 1, VtepMAC: mac });
const vxlanPeer = {
  PublicIP: '192.0.2.14',
  PublicIPv6: '2001:db8::14',
  BackendType: 'vxlan',
  BackendData: vtep('0a:00:00:00:00:14'),
  BackendV6Data: vtep('0a:00:00:00:06:14'),
};
const farPeer = { ...vxlanPeer, PublicIP: '198.51.100.14', PublicIPv6: '2001:db8:1::14' };
const plain = { PublicIP: '192.0.2.14', PublicIPv6: '2001:db8::14' };

const asked: Readonly<Record<string, Asked>> = {
  'vxlan: the peer’s tunnel device': {
    backend: { Type: 'vxlan' },
    attrs: vxlanPeer,
    families: '46',
    expected: [['10.2.14.0', 'fd00:2:0:14::'], 1430],
  },
  'vxlan by one family: a larger packet': {
    backend: { Type: 'vxlan' },
    attrs: vxlanPeer,
    expected: [['10.2.14.0'], 1450],
  },
  'vxlan with DirectRouting: the peer itself on our link': {
    backend: { Type: 'vxlan', DirectRouting: true },
    attrs: vxlanPeer,
    families: '46',
    expected: [['192.0.2.14', '2001:db8::14'], 1430],
  },
  'vxlan with DirectRouting: the tunnel device behind a router': {
    backend: { Type: 'vxlan', DirectRouting: true },
    attrs: farPeer,
    families: '46',
    expected: [['10.2.14.0', 'fd00:2:0:14::'], 1430],
  },
  'host-gw: the peer itself': {
    backend: { Type: 'host-gw' },
    attrs: { ...plain, BackendType: 'host-gw' },
    families: '46',
    expected: [['192.0.2.14', '2001:db8::14'], 1500],
  },
  'udp: the peer’s tunnel device': {
    backend: { Type: 'udp' },
    attrs: plain,
    families: '46',
    expected: [['10.2.14.0', 'fd00:2:0:14::'], 1452],
  },
  'extension: nobody knows whom': {
    backend: { Type: 'extension' },
    attrs: { ...plain, BackendType: 'extension' },
    expected: [[undefined], 1500],
  },
};

for (const [what, { backend: options, attrs, families = '4', expected }] of Object.entries(asked)) {
  test(what, () => {
    const host = hostOf(options, families);
    const { backend } = createBackend(host.config);
    const lease = leaseOf(14, attrs, families);
    const routed = [lease.subnet.ipv4, lease.subnet.ipv6].filter(prefix => prefix !== undefined);
    const targets = targetsOf({ host }, { lease, backend, ...reached(backend.planPeer(host, lease)) });
    assert.deepEqual(
      targets.map(({ address }) => address),
      expected[0],
    );
    for (const { wantedBytes } of targets) assert.equal(wantedBytes, expected[1]);
    assert.deepEqual(
      targets.map(({ subnet }) => subnet),
      routed,
    );
    assert.deepEqual(
      targets.map(({ publicIp }) => publicIp),
      [lease.attrs.publicIp, lease.attrs.publicIpv6].slice(0, routed.length),
    );
  });
}

test('a peer of a former backend is asked as that leads to it', () => {
  const host = hostOf({ Type: 'vxlan' });
  const before = hostOf({ Type: 'host-gw' });
  const former = createBackend(before.config).backend;
  const lease = leaseOf(14, { ...plain, BackendType: 'host-gw' });
  const [target] = targetsOf(
    { host },
    { lease, backend: former, ...reached(former.planPeer(before, lease)) },
  );
  assert.deepEqual([target?.address, target?.wantedBytes], ['192.0.2.14', 1500]);
});
