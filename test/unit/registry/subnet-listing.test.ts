import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIp } from '../../../src/base/ip.ts';
import { silentLog } from '../../../src/base/log.ts';
import { describeSubnet } from '../../../src/lease/judge.ts';
import { formatLeaseAttrs } from '../../../src/lease/lease-attrs.ts';
import type { ListOptions, Registry } from '../../../src/registry/registry.ts';
import { createSubnetManager } from '../../../src/registry/subnet-manager.ts';
import type { WatchedLease } from '../../../src/registry/subnet-watch.ts';
import { quiet } from './clocks.ts';
import { attrsOf, configOf, createHost, settle, type TestHost, usualConfig } from './subnets.ts';

const us = '192.168.3.4';

/** A host and what it asks its registry for: `list` with or without `since`, and where watches begin. */
function asking(): { readonly host: TestHost; readonly registry: Registry; readonly asked: string[] } {
  const host = createHost();
  const { registry } = host;
  const asked: string[] = [];
  const list = (prefix: string, options: ListOptions = {}) => {
    asked.push(options.since === undefined ? 'list' : 'list since');
    return registry.list(prefix, options);
  };
  const watching: Registry = {
    ...{ name: registry.name, list, close: () => registry.close() },
    get: (...args) => registry.get(...args),
    put: (...args) => registry.put(...args),
    delete: (...args) => registry.delete(...args),
    move: (...args) => registry.move(...args),
    remaining: (...args) => registry.remaining(...args),
    watch: (prefix, options) => {
      asked.push(options.after === undefined ? 'watch' : 'watch after');
      return registry.watch(prefix, options);
    },
  };
  return { host, registry: watching, asked };
}

function put(host: TestHost, subnet: string, publicIp: string): void {
  host.store.put(`subnets/${subnet.replace('/', '-')}`, formatLeaseAttrs(attrsOf(publicIp)), 86_400);
}

const cases = [
  { what: 'a host that has a lease reads the leases once', has: true, asked: ['list', 'watch after'] },
  {
    what: 'a host that leases anew reads them once, and looks only at what came meanwhile',
    has: false,
    asked: ['list', 'list since', 'watch after'],
  },
] as const;

for (const { what, has, asked: expected } of cases) {
  test(`${what}; its watch goes on from there and misses nothing`, async () => {
    const { host, registry, asked } = asking();
    if (has) put(host, '10.2.4.0/24', us);
    put(host, '10.2.5.0/24', '192.168.3.5');
    put(host, '10.2.6.0/24', '192.168.3.6');
    host.store.put('subnets/10.2.7.0-24', 'malformed', undefined);
    put(host, '10.9.8.0/24', '192.168.3.8');
    const manager = createSubnetManager({ registry, clock: host.clock, random: () => 0.9, log: silentLog });
    const config = usualConfig;
    const wish = { publicIp: parseIp(us), publicIpv6: undefined, config, attrsFor: () => attrsOf(us) };
    const own = await settle(host.clock, manager.acquireLease(wish));
    put(host, '10.2.9.0/24', '192.168.3.9');
    host.store.delete('subnets/10.2.6.0-24');
    const controller = new AbortController();
    const told: string[] = [];
    const reading = (async () => {
      const options = { config, own: own.lease, signal: controller.signal };
      for await (const event of manager.watchLeases(options)) told.push(outline(event));
    })();
    await quiet();
    assert.deepEqual(asked, expected);
    assert.deepEqual(told, [
      'snapshot 10.2.5.0/24 10.2.6.0/24',
      'refused 10.9.8.0/24',
      `own ${us}`,
      'put 10.2.9.0/24',
      'removed 10.2.6.0/24',
    ]);
    controller.abort();
    await reading;
  });
}

test('a second watch, and one of other leases than were read, begins with a list of its own', async () => {
  const { host, registry, asked } = asking();
  put(host, '10.2.5.0/24', '192.168.3.5');
  const manager = createSubnetManager({ registry, clock: host.clock, random: () => 0.9, log: silentLog });
  const dual = configOf({ Network: '10.2.0.0/16', EnableIPv6: true, IPv6Network: 'fd00:2::/48' });
  const wish = {
    publicIp: parseIp(us),
    publicIpv6: undefined,
    config: usualConfig,
    attrsFor: () => attrsOf(us),
  };
  for (const configs of [[usualConfig, usualConfig], [dual]]) {
    const own = await settle(host.clock, manager.acquireLease(wish));
    asked.length = 0;
    for (const config of configs) {
      const { signal } = new AbortController();
      for await (const event of manager.watchLeases({ config, own: own.lease, signal })) {
        assert.equal(outline(event), 'snapshot 10.2.5.0/24');
        break;
      }
    }
    assert.deepEqual(asked, configs.length === 2 ? ['watch after', 'watch'] : ['watch']);
  }
});

function outline(event: WatchedLease): string {
  switch (event.type) {
    case 'snapshot':
      return `snapshot ${event.leases.map(lease => describeSubnet(lease.subnet)).join(' ')}`;
    case 'own':
      return `own ${event.lease?.attrs.publicIp}`;
    case 'put':
    case 'refused':
      return `${event.type} ${describeSubnet(event.lease.subnet)}`;
    case 'removed':
      return `removed ${describeSubnet(event.subnet)}`;
    case 'state':
      return `state ${event.connected}`;
  }
}
