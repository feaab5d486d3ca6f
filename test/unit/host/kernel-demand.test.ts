import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ExternalInterface } from '../../../src/backend/backend.ts';
import { parseIp } from '../../../src/base/ip.ts';
import { parsePrefix } from '../../../src/base/prefix.ts';
import { kernelDemand } from '../../../src/host/kernel-demand.ts';
import type { Lease } from '../../../src/lease/lease.ts';

const external: ExternalInterface = {
  name: 'eth0',
  mtuBytes: 1500,
  ipv4: parseIp('192.168.3.1'),
  ipv6: parseIp('2001:db8::1'),
  routes: [
    { dst: parsePrefix('192.168.3.0/24'), onLink: true },
    { dst: parsePrefix('0.0.0.0/0'), onLink: false },
    { dst: parsePrefix('2001:db8::/64'), onLink: true },
  ],
};

function lease(
  ipv4: string | undefined,
  ipv6: string | undefined,
  publicIp: string,
  publicIpv6?: string,
): Lease {
  return {
    subnet: {
      ipv4: ipv4 === undefined ? undefined : parsePrefix(ipv4),
      ipv6: ipv6 === undefined ? undefined : parsePrefix(ipv6),
    },
    attrs: {
      publicIp: parseIp(publicIp),
      publicIpv6: publicIpv6 === undefined ? undefined : parseIp(publicIpv6),
      backendType: 'vxlan',
      backendData: undefined,
      backendV6Data: undefined,
    },
    permanent: false,
  };
}

test('a peer counts in each family that it leases, and as a neighbour where no gateway is between', () => {
  const leases = [
    lease('10.2.1.0/24', undefined, '192.168.3.2'),
    lease('10.2.2.0/24', 'fd00:2::/64', '192.168.4.2', '2001:db8::2'),
    lease(undefined, 'fd00:3::/64', '192.168.3.3', '2001:db9::3'),
  ];
  assert.deepEqual(kernelDemand(external, leases), { peers: { 4: 2, 6: 2 }, near: { 4: 2, 6: 1 } });
  assert.deepEqual(kernelDemand(external, []), { peers: { 4: 0, 6: 0 }, near: { 4: 0, 6: 0 } });
});
