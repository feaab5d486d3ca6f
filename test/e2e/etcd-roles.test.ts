/** What a daemon's role in etcd must allow: with IPv4 what flannel needs, with IPv6 a little more. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { parseIp } from '../../src/base/ip.ts';
import { Scope } from '../../src/base/scope.ts';
import type { NetworkConfig } from '../../src/lease/network-config.ts';
import { openEtcdRegistry } from '../../src/registry/etcd.ts';
import { createSubnetManager, type SubnetManager } from '../../src/registry/subnet-manager.ts';
import { startEtcd } from '../support/etcd.ts';
import { systemClock } from '../unit/registry/clocks.ts';
import { attrsOf } from '../unit/registry/subnets.ts';

const prefix = '/coreos.com/network';
const user = { name: 'weft', password: 'secret', prefix: `${prefix}/subnets` };
const scope = new Scope();
after(() => scope.close());
const etcd = await startEtcd(scope, { user });
const grant = ['role', 'grant-permission', user.name];
await etcd.etcdctl([...grant, 'read', `${prefix}/config`]);

const ipv4 = { Network: '10.2.0.0/16', Backend: { Type: 'vxlan' } };
const dual = { ...ipv4, EnableIPv6: true, IPv6Network: 'fd00:10:2::/48' };
const both = { publicIp: parseIp('192.0.2.1'), publicIpv6: parseIp('2001:db8::1') };

async function managing(
  config: object,
  body: (manager: SubnetManager, config: NetworkConfig) => Promise<void>,
) {
  await etcd.etcdctl(['put', `${prefix}/config`, JSON.stringify(config)]);
  const registry = openEtcdRegistry({
    ...{ endpoints: etcd.endpoints, prefix, clock: systemClock, random: Math.random },
    ...{ username: user.name, password: user.password },
  });
  try {
    const manager = createSubnetManager({ registry, clock: systemClock, random: Math.random });
    await body(manager, (await manager.getConfig()).config);
  } finally {
    await registry.close();
  }
}

const attrsFor = () => ({ ...attrsOf('192.0.2.1'), ...both });

/** Joins, renews and reads the peers. @returns the lease's key */
async function takePart(manager: SubnetManager, config: NetworkConfig): Promise<string> {
  const own = await manager.acquireLease({ ...both, config, attrsFor });
  await manager.renewLease(own);
  const controller = new AbortController();
  for await (const event of manager.watchLeases({ config, own: own.lease, signal: controller.signal })) {
    if (event.type === 'own') {
      assert.deepEqual(event.lease?.subnet, own.lease.subnet);
      break;
    }
    assert.equal(event.type, 'snapshot');
  }
  return own.key;
}

test('a role made for flannel is enough for IPv4; IPv6 needs all keys that begin with subnet', async () => {
  let before = '';
  await managing(ipv4, async (manager, config) => {
    before = await takePart(manager, config);
  });
  await managing(dual, async (manager, config) => {
    await assert.rejects(takePart(manager, config), {
      code: 'etcd-permission',
      remedy: /role grant-permission/,
    });
  });
  await etcd.etcdctl([...grant, 'readwrite', '--prefix=true', `${prefix}/subnet`]);
  await managing(dual, async (manager, config) => {
    const key = await takePart(manager, config);
    assert.ok(key.startsWith(`${before}&fd00:10:2:`), key);
  });
  await managing({ ...dual, EnableIPv4: false }, async (manager, config) => {
    assert.match(await takePart(manager, config), /^subnet6\/fd00:10:2:/);
  });
});
