/**
 * A process of its own for directory-processes.test.ts: `directory-process.ts PATH ROLE ...`. It says `ready` on
 * standard output, waits for a line on standard input, and then does what its role says.
 */
import { once } from 'node:events';
import process from 'node:process';
import { parseIp } from '../../../src/base/ip.ts';
import { openDirectoryRegistry } from '../../../src/registry/directory.ts';
import type { Registry } from '../../../src/registry/registry.ts';
import { createSubnetManager } from '../../../src/registry/subnet-manager.ts';
import { systemClock } from './clocks.ts';
import { attrsOf } from './subnets.ts';

const [folder = '', role = '', ...rest] = process.argv.slice(2);

const roles: Readonly<Record<string, (registry: Registry) => Promise<void>>> = {
  /** Leases a subnet for the address REST[0] and prints its key. */
  async lease(registry) {
    const manager = createSubnetManager({ registry, clock: systemClock, random: Math.random });
    const { config } = await manager.getConfig();
    const [publicIp = ''] = rest;
    const wish = {
      publicIp: parseIp(publicIp),
      publicIpv6: undefined,
      config,
      attrsFor: () => attrsOf(publicIp),
    };
    say((await manager.acquireLease(wish)).key);
  },

  /** Adds one to the key `counter`, REST[0] times, by compare-and-swap. */
  async count(registry) {
    for (let done = 0; done < Number(rest[0]); ) {
      const entry = await registry.get('counter');
      const value = String(Number(entry?.value ?? 0) + 1);
      if ((await registry.put('counter', value, { expect: entry?.revision ?? 'absent' })).written) done++;
    }
    say('done');
  },

  /** Writes and removes, until killed, and says each number once it is written. */
  async scribble(registry) {
    for (let number = Number(rest[0]); ; number++) {
      await registry.put('subnets/a', JSON.stringify({ number, filling: 'x'.repeat(20_000) }));
      await registry.put('subnets/b', `${number}`);
      await registry.delete('subnets/b');
      say(`${number}`);
    }
  },
};

const registry = await openDirectoryRegistry({ path: folder, clock: systemClock, random: Math.random });
say('ready');
await once(process.stdin, 'data');
await roles[role]?.(registry);
await registry.close();
process.stdin.destroy();

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
