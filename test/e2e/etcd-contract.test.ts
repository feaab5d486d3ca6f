import { after } from 'node:test';
import { Scope } from '../../src/base/scope.ts';
import { openEtcdRegistry } from '../../src/registry/etcd.ts';
import { registryContract } from '../contract/registry.ts';
import { startEtcd } from '../support/etcd.ts';
import { systemClock } from '../unit/registry/clocks.ts';

const scope = new Scope();
after(() => scope.close());
const etcd = await startEtcd(scope);
let networks = 0;

registryContract('etcd', async () => {
  const prefix = `/network-${++networks}/`;
  const registry = openEtcdRegistry({
    endpoints: etcd.endpoints,
    prefix,
    clock: systemClock,
    random: Math.random,
  });
  return { registry, close: () => registry.close() };
});
