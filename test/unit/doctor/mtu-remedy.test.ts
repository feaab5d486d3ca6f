import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createBackend } from '../../../src/backend/backends.ts';
import { mtuRemedy } from '../../../src/doctor/mtu-remedy.ts';
import { parseNetworkConfig } from '../../../src/lease/network-config.ts';

const external = { name: 'eth0', mtuBytes: 1500, ipv4: undefined, ipv6: undefined, routes: [] };

async function commandsFor(config: string, passesBytes: number): Promise<readonly string[]> {
  const { backend } = createBackend(parseNetworkConfig(config).config);
  const registry = { name: 'dir:/var/lib/weft', get: async () => ({ value: config }) };
  const scene = { registry, signal: new AbortController().signal };
  const containerMtu = (mtuBytes: number): number => backend.containerMtuBytes({ ...external, mtuBytes });
  const way = { passesBytes, containerMtu, external };
  return (await mtuRemedy(scene as unknown as Parameters<typeof mtuRemedy>[0], way)).commands;
}

const interfaceCases = [
  ['vxlan', '{"Type":"vxlan"}', 1350, 1400],
  ['udp', '{"Type":"udp"}', 1372, 1400],
  ['host-gw', '{"Type":"host-gw"}', 1400, 1400],
] as const;

for (const [name, backend, passes, mtu] of interfaceCases) {
  test(`where ${name} lets ${passes} bytes pass, an underlay of ${mtu} makes containers send no more`, async () => {
    const commands = await commandsFor(`{"Network":"10.2.0.0/16","Backend":${backend}}`, passes);
    assert.deepEqual(commands, [`ip link set dev eth0 mtu ${mtu}`]);
  });
}

test('an MTU that the network config names is lowered there, and all else of it stays', async () => {
  const config = '{"Network":"10.2.0.0/16","Backend":{"Type":"vxlan","VNI":7,"MTU":1480}}';
  const narrower = '{"Network":"10.2.0.0/16","Backend":{"Type":"vxlan","VNI":7,"MTU":1400}}';
  assert.deepEqual(await commandsFor(config, 1350), [
    `printf %s '${narrower}' | weft config put -registry dir:/var/lib/weft -`,
  ]);
});
