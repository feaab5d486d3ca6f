/**
 * A process full of fake hosts: node registry-hosts.ts URL PREFIX FIRST COUNT, told what to do by messages. Each is what a
 * host is to the registry: a connection of its own, a lease that is acquired and kept, a watch over all leases. etcd pays
 * for each connection and each stream, so that sharing one would measure something else.
 */
import process from 'node:process';
import { backoffMs } from '../../src/base/backoff.ts';
import { WeftError } from '../../src/base/errors.ts';
import { type IpAddress, ipAdd, parseIp } from '../../src/base/ip.ts';
import { silentLog } from '../../src/base/log.ts';
import type { LeaseAttrs } from '../../src/lease/lease.ts';
import { openEtcdRegistry } from '../../src/registry/etcd.ts';
import type { Registry, RegistryEvent } from '../../src/registry/registry.ts';
import { acquireLease } from '../../src/registry/subnet-acquire.ts';
import type { SubnetListing } from '../../src/registry/subnet-entries.ts';
import { createSubnetManager, type SubnetManager } from '../../src/registry/subnet-manager.ts';
import { createShiftedClock } from './registry-clock.ts';
import { type HostsReport, type HostsTask, probeKey } from './registry-messages.ts';

const [url = '', prefix = '', ...numbers] = process.argv.slice(2);
const [first = 0, count = 0] = numbers.map(Number);
const clock = createShiftedClock();
const ending = new AbortController();
const { signal } = ending;

/** Of all hosts of this process. */
const tally = { leased: 0, renewed: 0, failed: 0, events: 0, snapshots: 0 };
/** When each renewal came, by the shifted clock. */
const renewals: number[] = [];
/** Hosts whose watch is in order. */
const connected = new Set<number>();
/** The leases that each host knows, by {@link placeOf}: a lease that had to be written twice counts once. */
const known = new Map<number, Set<number>>();
/** When each host heard of the probe. */
let heardMs: number[] = [];

async function live(number: number): Promise<void> {
  const options = { endpoints: [url], prefix, clock, random: Math.random, timeoutMs: 120_000 };
  const registry = openEtcdRegistry(options);
  try {
    const tools = { registry, clock, random: Math.random, log: silentLog, warnOnce: () => {} };
    const manager = createSubnetManager(tools);
    const { config } = await patiently(() => manager.getConfig({ signal }));
    const publicIp = ipAdd(parseIp('198.18.0.1'), BigInt(number));
    const attrs = attrsOf(publicIp, number);
    const wish = { publicIp, publicIpv6: undefined, config, attrsFor: () => attrs, signal };
    let read: SubnetListing | undefined;
    const own = await patiently(() =>
      acquireLease(tools, wish, listing => {
        read = listing;
      }),
    );
    tally.leased++;
    const keeper = manager.keepLease(own, {
      signal,
      onEvent: ({ type }) => {
        if (type === 'renewed') renewals.push(clock.monotonicMs());
        tally[type === 'renewed' ? 'renewed' : 'failed']++;
      },
    });
    await Promise.all([followConfig(manager), read && follow(number, registry, read), keeper.ended]);
  } finally {
    await registry.close();
  }
}

/** Tries again what an etcd out of breath did not answer, as a daemon does. */
async function patiently<T>(ask: () => Promise<T>): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof WeftError) || !error.code.startsWith('etcd-')) throw error;
      tally.failed++;
      await clock.sleep(backoffMs({ firstMs: 100, maxMs: 5000 }, attempt, Math.random()), { signal });
    }
  }
}

/** Which nobody changes here. */
async function followConfig(manager: SubnetManager): Promise<void> {
  for await (const _ of manager.watchConfig({ signal }));
}

/** Goes on from what was read, as a daemon does, but judges no lease: that would be the work of as many machines. */
async function follow(number: number, registry: Registry, read: SubnetListing): Promise<void> {
  const { revision: after, witness } = read;
  known.set(number, new Set(read.entries.map(({ key }) => placeOf(key))));
  connected.add(number);
  for await (const event of registry.watch(read.prefix, { after, witness, signal })) take(number, event);
}

function take(number: number, event: RegistryEvent): void {
  switch (event.type) {
    case 'state':
      // One outage may be told several times, with another cause each.
      return void (event.connected ? connected.add(number) : connected.delete(number));
    case 'snapshot':
      tally.snapshots++;
      return;
    case 'put':
      tally.events++;
      if (event.entry.key === probeKey) heardMs.push(performance.timeOrigin + performance.now());
      else known.get(number)?.add(placeOf(event.entry.key));
      return;
    case 'delete':
      tally.events++;
      known.get(number)?.delete(placeOf(event.key));
  }
}

/** `subnets/10.2.14.0-24` as 2 * 256 + 14. */
function placeOf(key: string): number {
  const [, second = 0, third = 0] = key.split('.').map(Number);
  return second * 256 + third;
}

/** As a vxlan host publishes itself: some 100 bytes of value under some 45 of key. */
function attrsOf(publicIp: IpAddress, number: number): LeaseAttrs {
  const mac = `0a:58:${(number + 2 ** 24)
    .toString(16)
    .padStart(8, '0')
    .replace(/..(?=.)/g, '$&:')}`;
  return {
    ...{ publicIp, publicIpv6: undefined, backendType: 'vxlan' },
    ...{ backendData: { VNI: 1, VtepMAC: mac }, backendV6Data: undefined },
  };
}

function report(): HostsReport {
  const wasHeardMs = heardMs;
  heardMs = [];
  const least = known.size < count ? 0 : Math.min(...Array.from(known.values(), leases => leases.size));
  return { ...tally, connected: connected.size, least, heardMs: wasHeardMs, renewalsMs: [...renewals] };
}

const hosts: Promise<void>[] = [];
process.on('message', async (task: HostsTask) => {
  if (task.do === 'start') for (let at = first; at < first + count; at++) hosts.push(live(at));
  if (task.do === 'shift') clock.shift(task.milliseconds);
  process.send?.(report());
  if (task.do !== 'end') return;
  ending.abort();
  await Promise.allSettled(hosts);
  process.disconnect?.();
});
