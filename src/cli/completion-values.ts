import { readdir } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import type { Candidate, ValueSources } from './completion.ts';

/** The values that only this host knows, by the placeholder that stands for them; each is read when it is asked for. */
export const valueSources: ValueSources = {
  /** Those with an address: no other can carry traffic between hosts. */
  IFACE: async () => Object.keys(networkInterfaces()).map(value => ({ value, about: addressesOf(value) })),

  /** All network devices, those without an address too. */
  DEV: async () => (await readdir('/sys/class/net')).map(value => ({ value, about: addressesOf(value) })),

  LAB: async () => (await labNames()).map(value => ({ value, about: 'lab' })),

  PLACE: flag => placesOfLab(flag('--name') ?? 'lab'),
};

function addressesOf(device: string): string {
  return (networkInterfaces()[device] ?? []).map(({ address }) => address).join(' ');
}

async function labNames(): Promise<readonly string[]> {
  return (await import('../lab/lab-state.ts')).labNames();
}

async function placesOfLab(lab: string): Promise<Candidate[]> {
  const [{ readRecord }, { placesOf, planLab }] = await Promise.all([
    import('../lab/lab-state.ts'),
    import('../lab/lab-plan.ts'),
  ]);
  const record = readRecord(lab);
  if (record === undefined || record === 'half-made') return [];
  return placesOf(planLab(record.shape)).map(({ name, netns }) => ({ value: name, about: netns }));
}
