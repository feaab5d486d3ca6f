import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIp } from '../../../src/base/ip.ts';
import { parsePrefix } from '../../../src/base/prefix.ts';
import type { UnderlayView } from '../../../src/host/external-interface.ts';
import { addressesOfEndpoints, guardedOf, guardedRegistry } from '../../../src/host/guarded.ts';

test('what the external interface leads to is guarded, and nothing of other devices', () => {
  const unicast = { type: 'unicast' } as const;
  const view = {
    links: [
      { index: 2, name: 'eth0' },
      { index: 3, name: 'docker0' },
    ],
    addresses: [
      { dev: 2, local: parseIp('192.0.2.1'), prefixLength: 24 },
      { dev: 3, local: parseIp('10.2.9.1'), prefixLength: 24 },
    ],
    routes: [
      { dev: 2, dst: parsePrefix('192.0.2.0/24'), protocol: 'kernel', ...unicast },
      // In the place of a peer's route.
      { dev: 2, dst: parsePrefix('10.2.15.0/24'), protocol: 'boot', ...unicast },
      { dev: 2, dst: parsePrefix('203.0.113.0/24'), protocol: 'static', ...unicast },
      { dev: 2, dst: parsePrefix('0.0.0.0/0'), gateway: parseIp('192.0.2.254'), ...unicast },
      { dev: 3, dst: parsePrefix('10.2.9.0/24'), ...unicast },
    ],
    routeTo: async () => undefined,
  } as unknown as UnderlayView;
  const guarded = [
    ...guardedOf(view, 'eth0', [parsePrefix('10.2.0.0/16')]),
    ...guardedRegistry([parseIp('10.0.0.10')]),
  ];
  assert.deepEqual(
    guarded.map(({ what, prefix }) => `${what}: ${prefix}`),
    [
      'our own address: 192.0.2.1/32',
      'our gateway: 192.0.2.254/32',
      'the underlay: 192.0.2.0/24',
      'the underlay: 203.0.113.0/24',
      "the registry's address: 10.0.0.10/32",
    ],
  );
});

test('endpoints give their addresses however they are written; what is no host gives none', async () => {
  const cases: ReadonlyArray<readonly [string, readonly string[]]> = [
    ['http://10.0.0.1:2379', ['10.0.0.1']],
    ['10.0.0.1', ['10.0.0.1']],
    ['https://user:pa@ss@10.0.0.1:2379/', ['10.0.0.1']],
    ['http://[fd00::1]:2379', ['fd00::1']],
    ['unix://', []],
    ['http://no such host:1', []],
  ];
  for (const [endpoint, expected] of cases) {
    assert.deepEqual(await addressesOfEndpoints([endpoint, endpoint]), expected, endpoint);
  }
  const local = await addressesOfEndpoints(['http://localhost:2379']);
  assert.ok(local.length > 0 && local.every(address => address === '127.0.0.1' || address === '::1'));
});
