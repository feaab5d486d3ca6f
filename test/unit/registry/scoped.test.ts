import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openMemoryRegistry } from '../../../src/registry/memory.ts';
import { scopedRegistry } from '../../../src/registry/scoped.ts';
import { registryContract } from '../../contract/registry.ts';
import { outline, readWatch } from '../../contract/watch-reader.ts';
import { systemClock } from './clocks.ts';

registryContract('scoped', async () => {
  const whole = openMemoryRegistry({ clock: systemClock });
  const registry = scopedRegistry(whole, 'red');
  // Neighbours that nothing may be seen of.
  await whole.put('config', 'of none');
  await whole.put('red2/config', 'of another');
  await whole.put('blue/subnets/10.2.14.0-24', 'of another');
  return {
    registry,
    close: async () => {
      await registry.close();
      await whole.close();
    },
  };
});

test('two networks of one registry have the same keys, and see nothing of each other', async () => {
  const whole = openMemoryRegistry({ clock: systemClock });
  const [red, blue] = [scopedRegistry(whole, 'red'), scopedRegistry(whole, 'blue')];
  const watch = readWatch(blue, '');
  await watch.first(1);
  await red.put('config', 'red');
  const put = await blue.put('config', 'blue');
  assert.ok(put.written);
  await watch.upTo(put.revision);
  assert.deepEqual(outline(watch.told), ['snapshot', 'put config=blue']);
  assert.equal((await whole.get('red/config'))?.value, 'red');
  assert.equal((await whole.get('blue/config'))?.value, 'blue');
  assert.equal(red.name, 'memory/red');
  await watch.stop();
  await whole.close();
});

test('closing one network leaves the others and the registry itself open', async () => {
  const whole = openMemoryRegistry({ clock: systemClock });
  const [red, blue] = [scopedRegistry(whole, 'red'), scopedRegistry(whole, 'blue')];
  await red.close();
  await assert.rejects(red.get('config'), { code: 'registry-closed' });
  assert.equal(await blue.get('config'), undefined);
  await whole.close();
});
