import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { createUdp } from '../../../src/backend/udp.ts';
import { TunnelCarrier } from '../../../src/daemon/tunnel-carrier.ts';
import type { CarriedPeer } from '../../../src/host/carried-peer.ts';
import { systemClock } from '../../../src/sys/clock.ts';
import { Tunnel, type TunnelChange } from '../../../src/tunnel/tunnel.ts';
import { eventually } from '../../support/eventually.ts';
import { configOf, hostOf, peer } from '../backend/hosts.ts';
import { rememberingLog } from './extension-house.ts';

const type = { Type: 'udp' };
const { backend } = createUdp(configOf(type));

function carried(number: number): CarriedPeer {
  const lease = peer(number, { PublicIP: `192.0.2.${number}`, BackendType: 'udp' });
  return { lease, routed: [lease.subnet.ipv4].filter(prefix => prefix !== undefined), objects: [], backend };
}

interface TunnelInTests {
  /** Changes that it was told of and has not taken. */
  pending(): number;
  /** Takes them, as the worker thread does in its own time. */
  take(): void;
  routes(): string[];
}

function tunnelInTests(t: TestContext): TunnelInTests {
  const told: Array<{ readonly change: TunnelChange; readonly resolve: () => void }> = [];
  const routes = new Set<string>();
  const change = async (asked: TunnelChange): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    told.push({ change: asked, resolve });
    await promise;
  };
  t.mock.method(Tunnel, 'open', async () => ({ change, close: async () => {}, problem: undefined }));
  return {
    pending: () => told.length,
    take: () => {
      for (const { change: asked, resolve } of told.splice(0)) {
        for (const dst of asked.unset) routes.delete(dst);
        for (const { dst } of asked.set) routes.add(dst);
        resolve();
      }
    },
    routes: () => [...routes].sort(),
  };
}

test('who joins or leaves while the tunnel is told of those before is not forgotten', async t => {
  const tunnel = tunnelInTests(t);
  const { carrier } = backend;
  assert.ok(carrier?.type === 'tunnel');
  const tools = { log: rememberingLog(), clock: systemClock, random: () => 0.5 };
  const opened = new TunnelCarrier({ carrier, backend, host: hostOf(type), ...tools });
  t.after(() => opened.close());
  opened.change({ joined: [carried(2), carried(3)], left: [] });
  await eventually('the tunnel to be told of its first peers', () => tunnel.pending() > 0);
  opened.change({ joined: [carried(4)], left: [carried(3)] });
  tunnel.take();
  await eventually('the tunnel to be open', () => opened.problem === undefined);
  tunnel.take();
  assert.deepEqual(tunnel.routes(), ['10.2.2.0/24', '10.2.4.0/24']);
});
