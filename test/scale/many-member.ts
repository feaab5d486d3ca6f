/**
 * A member of a network of many: all of the daemon between a registry and the kernel, guard included.
 *
 *     registry ─> leases ─> peer follower ─> reconciler ─> kernel ─> monitor ─> reconciler
 */

import assert from 'node:assert/strict';
import { fakePeer, scaleConfig } from '../../bench/scale/fake-peers.ts';
import { createBackend } from '../../src/backend/backends.ts';
import { parseIp } from '../../src/base/ip.ts';
import { silentLog } from '../../src/base/log.ts';
import { parsePrefix } from '../../src/base/prefix.ts';
import type { Scope } from '../../src/base/scope.ts';
import type { DaemonOptions } from '../../src/daemon/options.ts';
import { PeerFollower } from '../../src/daemon/peer-follower.ts';
import { Reconciler } from '../../src/daemon/reconciler.ts';
import { TrafficRules } from '../../src/daemon/traffic.ts';
import type { Membership } from '../../src/host/membership.ts';
import { type KernelEvent, monitor } from '../../src/kernel/monitor.ts';
import { parseNetworkConfig } from '../../src/lease/network-config.ts';
import { openMemoryRegistry } from '../../src/registry/memory.ts';
import { createSubnetManager } from '../../src/registry/subnet-manager.ts';
import { systemClock } from '../../src/sys/clock.ts';
import { NetlinkSocket } from '../../src/sys/netlink-socket.ts';
import type { Netns } from '../support/netns.ts';
import { leaseKey, leaseText } from '../support/weft-cluster.ts';
import type { PeerFacts } from '../support/weft-host.ts';
import { leaseOf, own, underlayLines } from './many-life.ts';

export interface ManyMember {
  /** Writes the peer's lease; resolves when all that follows from it has been done, and heard of. */
  readonly put: (peer: PeerFacts) => Promise<void>;
  readonly remove: (peer: PeerFacts) => Promise<void>;
  /** Writes many leases at once; resolves like `put`, after the last. */
  readonly putAll: (peers: readonly PeerFacts[]) => Promise<void>;
  /** By which the kernel is told. */
  readonly socket: NetlinkSocket;
}

const options: Partial<DaemonOptions> = {
  ...{ ipMasq: false, ipMasqFullyRandom: false, ipMasqExclude: [], iptablesForwardRules: false },
  ...{ iptablesResyncSeconds: 3600, vtepFilter: true },
};

function membership(): Membership {
  const { config } = parseNetworkConfig(JSON.stringify({ ...JSON.parse(scaleConfig), EnableNFTables: true }));
  const { backend } = createBackend(config);
  const ipv4 = parseIp(own.publicIp);
  const external = { name: 'eth0', mtuBytes: 1500, ipv4, ipv6: undefined, routes: [] };
  const host = { config, external, lease: leaseOf(own), nextHops: 'always' as const };
  const chosen = { external, index: 2, publicIp: ipv4, publicIpv6: undefined, because: '', missing: [] };
  const guarded = [{ prefix: parsePrefix('192.0.2.0/24'), what: 'the underlay' }];
  return { backend, host, former: [], chosen, guarded };
}

/** Joins a network of `count` peers, and leads to all of them. */
export async function openMember(scope: Scope, netns: Netns, count: number): Promise<ManyMember> {
  await netns.ipBatch(underlayLines);
  const { signal } = scope;
  const tools = { log: silentLog, clock: systemClock, random: Math.random, signal };
  const registry = scope.own('registry', openMemoryRegistry(tools));
  const write = (peer: PeerFacts) => registry.put(leaseKey(peer), leaseText(peer));
  for (let number = 0; number < count; number++) await write(fakePeer(number));

  const member = membership();
  const { backend, host } = member;
  const socket = scope.own('socket', NetlinkSocket.open({ netns: netns.path }));
  const reconciler = new Reconciler({
    ...tools,
    socket,
    ...{ devices: backend.devices, needs: ['eth0'], borrowed: [] },
    owns: object => backend.owns(host, object),
  });
  let heard = (_: KernelEvent): void => {};
  const onEvent = (event: KernelEvent): void => {
    reconciler.notice(event);
    heard(event);
  };
  scope.own('monitor', monitor({ netns: netns.path, onEvent }));
  const part = { netns: netns.path, of: <T>(wish: T): T => wish };
  const traffic = scope.own('traffic', TrafficRules.open(options as DaemonOptions, tools, member, part));
  const known = Promise.withResolvers<void>();
  const follower = new PeerFollower({
    ...{ reconciler, traffic, log: silentLog, onChange() {}, onSnapshot: known.resolve },
    membership: () => member,
    guarded: () => member.guarded,
  });
  const following = follow();
  scope.defer('following', async () => {
    await following;
    await reconciler.settled();
  });
  await known.promise;
  await reconciler.settled();
  assert.equal(follower.count, count);

  async function follow(): Promise<void> {
    const { config, lease } = host;
    for await (const event of createSubnetManager({ registry, ...tools }).watchLeases({
      ...{ config, own: lease, signal },
    })) {
      await follower.take(event, systemClock.monotonicMs());
    }
  }

  /** Acts, and waits for the notice of what comes of it, and then for that of a route of our own: notices come in order. */
  let sentinels = 0;
  async function andHear(act: () => Promise<unknown>, isIt: (event: KernelEvent) => boolean): Promise<void> {
    const done = Promise.withResolvers<void>();
    heard = event => {
      if (isIt(event)) done.resolve();
    };
    await act();
    await done.promise;
    await reconciler.settled();
    const last = Promise.withResolvers<void>();
    const sentinel = parsePrefix(`203.0.113.${++sentinels}/32`);
    heard = event => {
      if (event.type === 'present' && event.object.type === 'route' && event.object.value.dst === sentinel)
        last.resolve();
    };
    await netns.run(`ip route add blackhole ${sentinel}`);
    await last.promise;
  }

  const isEntry =
    (type: KernelEvent['type'], { mac }: PeerFacts) =>
    (event: KernelEvent): boolean =>
      event.type === type &&
      event.type !== 'overrun' &&
      event.object.type === 'fdb' &&
      event.object.value.lladdr === mac;
  return {
    socket,
    putAll: peers =>
      andHear(() => Promise.all(peers.map(write)), isEntry('present', peers.at(-1) ?? assert.fail())),
    put: peer => andHear(() => write(peer), isEntry('present', peer)),
    remove: peer => andHear(() => registry.delete(leaseKey(peer)), isEntry('gone', peer)),
  };
}
