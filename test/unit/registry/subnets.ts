import { parseIp } from '../../../src/base/ip.ts';
import type { Log } from '../../../src/base/log.ts';
import { parsePrefix } from '../../../src/base/prefix.ts';
import type { LeaseAttrs, Subnet } from '../../../src/lease/lease.ts';
import { type NetworkConfig, parseNetworkConfig } from '../../../src/lease/network-config.ts';
import { type MemoryRegistry, MemoryStore, openMemoryRegistry } from '../../../src/registry/memory.ts';
import { createSubnetManager, type SubnetManager } from '../../../src/registry/subnet-manager.ts';
import { createTestClock, type TestClock } from './clocks.ts';

/** What a vxlan host at this address publishes. */
export function attrsOf(publicIp: string, mac = '0a:00:00:00:00:01'): LeaseAttrs {
  return {
    publicIp: parseIp(publicIp),
    publicIpv6: undefined,
    backendType: 'vxlan',
    backendData: { VNI: 1, VtepMAC: mac },
    backendV6Data: undefined,
  };
}

export function subnetOf(ipv4: string | undefined, ipv6?: string): Subnet {
  return {
    ipv4: ipv4 === undefined ? undefined : parsePrefix(ipv4),
    ipv6: ipv6 === undefined ? undefined : parsePrefix(ipv6),
  };
}

export function configOf(json: object): NetworkConfig {
  return parseNetworkConfig(JSON.stringify({ Backend: { Type: 'vxlan' }, ...json })).config;
}

/** 10.2.1.0/24 to 10.2.20.0/24. */
export const usualConfig = configOf({
  Network: '10.2.0.0/16',
  SubnetMin: '10.2.1.0',
  SubnetMax: '10.2.20.0',
});

/** A log that can be read: one line each, the level first. */
export function recordingLog(): { readonly log: Log; readonly lines: readonly string[] } {
  const lines: string[] = [];
  const note =
    (level: string) =>
    (_fields: object, message: string): void =>
      void lines.push(`${level} ${message}`);
  return {
    lines,
    log: { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') },
  };
}

/** One host, and the store that it shares with others. */
export interface TestHost {
  readonly clock: TestClock;
  readonly store: MemoryStore;
  readonly registry: MemoryRegistry;
  readonly manager: SubnetManager;
  readonly lines: readonly string[];
  /** Another host of the same store. */
  another(): TestHost;
}

export function createHost(
  clock: TestClock = createTestClock(),
  store: MemoryStore = new MemoryStore({ clock }),
  random: () => number = Math.random,
): TestHost {
  const registry = openMemoryRegistry({ clock, store });
  const { log, lines } = recordingLog();
  const manager = createSubnetManager({ registry, clock, random, log });
  return { clock, store, registry, manager, lines, another: () => createHost(clock, store, random) };
}

/** Lets time pass, at most seconds, until the promise has settled. */
export async function settle<T>(clock: TestClock, promise: Promise<T>): Promise<T> {
  let settled = false;
  const done = (): void => {
    settled = true;
  };
  promise.then(done, done);
  for (let tick = 0; tick < 1000 && !settled; tick++) await clock.advance(20);
  return await promise;
}
