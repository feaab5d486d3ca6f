import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Host } from '../../../src/backend/backend.ts';
import { createBackend } from '../../../src/backend/backends.ts';
import { parseIp } from '../../../src/base/ip.ts';
import { parsePrefix } from '../../../src/base/prefix.ts';
import { engineOf, type TrafficOptions, trafficWishOf } from '../../../src/host/traffic-wish.ts';
import { parseNetworkConfig } from '../../../src/lease/network-config.ts';

const nothing: TrafficOptions = {
  ipMasq: false,
  ipMasqFullyRandom: true,
  ipMasqExclude: [],
  iptablesForwardRules: false,
  vtepFilter: undefined,
};

function membershipUnder(config: object): Parameters<typeof trafficWishOf>[1] {
  const parsed = parseNetworkConfig(JSON.stringify({ Network: '10.2.0.0/16', ...config })).config;
  const host: Host = {
    config: parsed,
    external: { name: 'eth0', mtuBytes: 1500, ipv4: parseIp('192.0.2.1'), ipv6: undefined, routes: [] },
    lease: {
      subnet: { ipv4: parsePrefix('10.2.1.0/24'), ipv6: undefined },
      attrs: {
        ...{ publicIp: parseIp('192.0.2.1'), publicIpv6: undefined, backendType: 'vxlan' },
        ...{ backendData: undefined, backendV6Data: undefined },
      },
      permanent: false,
    },
  };
  return { backend: createBackend(parsed).backend, host, former: [] };
}

const vxlan = { Backend: { Type: 'vxlan' } };
const nftables = { ...vxlan, EnableNFTables: true };
const usualGuard = { ports: [8472], devices: ['flannel.1'] };

const guards: ReadonlyArray<
  readonly [string, object, Partial<TrafficOptions>, typeof usualGuard | undefined]
> = [
  ['off with iptables', vxlan, { ipMasq: true }, undefined],
  ['on with nftables', nftables, { ipMasq: true }, usualGuard],
  ['on with iptables when asked for', vxlan, { ipMasq: true, vtepFilter: true }, usualGuard],
  ['off with nftables when not wanted', nftables, { ipMasq: true, vtepFilter: false }, undefined],
  [
    'at the port and the device of the config',
    { Backend: { Type: 'vxlan', VNI: 7, Port: 4789 } },
    { vtepFilter: true },
    { ports: [4789], devices: ['flannel.7'] },
  ],
];

for (const [title, config, options, guard] of guards) {
  test(`the guard of the tunnel is ${title}`, () => {
    assert.deepEqual(trafficWishOf({ ...nothing, ...options }, membershipUnder(config))?.guard, guard);
  });
}

test('the engine is the one of the network config', () => {
  assert.equal(engineOf(membershipUnder(vxlan)), 'iptables');
  assert.equal(engineOf(membershipUnder(nftables)), 'nftables');
});

test('any of the three kinds of rules is a wish, and none is none', () => {
  const wished = (options: Partial<TrafficOptions>) =>
    trafficWishOf({ ...nothing, ...options }, membershipUnder(vxlan)) !== undefined;
  assert.equal(wished({}), false);
  assert.equal(wished({ ipMasqExclude: [parsePrefix('192.168.0.0/16')] }), false);
  for (const options of [{ ipMasq: true }, { iptablesForwardRules: true }, { vtepFilter: true }]) {
    assert.equal(wished(options), true, Object.keys(options).join());
  }
});

test('the wish carries the flags and the own subnet', () => {
  const ipMasqExclude = [parsePrefix('192.168.0.0/16')];
  const options = { ...nothing, ipMasq: true, ipMasqFullyRandom: false, ipMasqExclude };
  const membership = membershipUnder(vxlan);
  const { host } = membership;
  assert.deepEqual(trafficWishOf(options, membership), {
    ...{ config: host.config, subnet: host.lease.subnet, guard: undefined },
    ...{ ipMasq: true, fullyRandom: false, ipMasqExclude, forwardRules: false },
  });
});
