import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RegistryStatus } from '../../../src/daemon/registry-status.ts';
import { createTestClock } from '../registry/clocks.ts';

test('the registry is stale from the first word of its loss to the first word of it', async () => {
  const clock = createTestClock();
  const status = new RegistryStatus(clock);
  const seen = () => [status.connected, status.staleSinceWallMs, status.reconnects];
  assert.deepEqual(seen(), [undefined, undefined, 0]);
  status.take({ type: 'snapshot', leases: [] });
  assert.deepEqual(seen(), [true, undefined, 0]);
  const lostAtMs = clock.wallMs();
  status.take({ type: 'state', connected: false });
  await clock.advance(5000);
  status.take({ type: 'state', connected: false });
  assert.deepEqual(seen(), [false, lostAtMs, 0]);
  status.take({ type: 'state', connected: true });
  status.take({ type: 'state', connected: true });
  assert.deepEqual(seen(), [true, undefined, 1]);
  status.take({ type: 'state', connected: false });
  status.take({ type: 'own', lease: undefined });
  assert.deepEqual(seen(), [true, undefined, 2]);
});
