import { openMemoryRegistry } from '../../../src/registry/memory.ts';
import { registryContract } from '../../contract/registry.ts';
import { systemClock } from './clocks.ts';

registryContract('memory', async () => {
  const registry = openMemoryRegistry({ clock: systemClock });
  return { registry, close: () => registry.close() };
});
