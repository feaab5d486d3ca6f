/** A network of thousands of peers that exist in the registry alone, one subnet after the other from 10.100.0.0/24 on. */
import process from 'node:process';
import type { Cluster } from '../test/support/weft-cluster.ts';
import type { WeftHost } from '../test/support/weft-host.ts';

export const manyConfig = '{"Network":"10.0.0.0/8","SubnetLen":24,"Backend":{"Type":"vxlan"}}';

/** Writes their leases by one program for all, on a host from which etcd can be reached. */
export async function putManyLeases(
  { prefix, underlay: { etcd } }: Cluster,
  host: WeftHost,
  peers: number,
): Promise<void> {
  await host.run([process.execPath, '--input-type=module', '-e', putLeases, etcd.url, prefix, `${peers}`]);
}

const putLeases = `
import { openEtcdRegistry } from '${new URL('../src/registry/etcd.ts', import.meta.url)}';
const [endpoint, prefix, peers] = process.argv.slice(1);
const clock = { wallMs: Date.now, monotonicMs: () => performance.now(), sleep: async () => {} };
const registry = openEtcdRegistry({ endpoints: [endpoint], prefix, clock, random: Math.random });
const put = async index => {
  const [high, low] = [index >> 8, index & 255];
  const mac = '0a:00:00:00:' + [high, low].map(byte => byte.toString(16).padStart(2, '0')).join(':');
  const value = { PublicIP: '198.18.' + high + '.' + low, PublicIPv6: null, BackendType: 'vxlan',
    BackendData: { VNI: 1, VtepMAC: mac } };
  await registry.put('subnets/10.' + (100 + high) + '.' + low + '.0-24', JSON.stringify(value));
};
const worker = async first => { for (let index = first; index < Number(peers); index += 64) await put(index); };
await Promise.all(Array.from({ length: 64 }, (_, first) => worker(first)));
await registry.close();`;
