/** Two hosts with a container each, and a ping between them that runs through whatever happens to etcd. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Scope } from '../../src/base/scope.ts';
import type { Daemon } from './daemon.ts';
import { recovered } from './fault-etcd.ts';
import { type Cluster, createCluster, joinAll, leaseKey, peersOf } from './weft-cluster.ts';
import { healthFlags, kernelOf, overlayFor, type PeerFacts, type WeftHost } from './weft-host.ts';
import { assertNothingLost, type Ping, startPing } from './weft-ping.ts';
import type { Underlay } from './weft-underlay.ts';

export interface OutagePair {
  readonly cluster: Cluster;
  readonly a: WeftHost;
  readonly b: WeftHost;
  /** The daemon of `a`, on which all eyes are. */
  readonly weft: Daemon;
  readonly ping: Ping;
  /** What is in the kernel of `a`, to be compared. */
  kernel(): Promise<unknown>;
  /** Takes away the lease of the last such peer and writes another: so there is something to catch up with. */
  changePeers(): Promise<void>;
  /** Waits until the kernels of both hosts say what the leases in the registry say: 15 seconds, no longer. */
  converged(): Promise<void>;
  /** Waits for text that the daemon says from now on. */
  listen(): (pattern: RegExp) => Promise<unknown>;
  /** Makes sure that a few packets get through, where the ping could not last. */
  reach(): Promise<unknown>;
  /** Ends the ping. @throws AssertionError when a packet was lost */
  finish(): Promise<string>;
}

export async function createOutagePair(
  scope: Scope,
  underlay: Underlay,
  options: { readonly flags?: readonly string[] } = {},
): Promise<OutagePair> {
  const cluster = await createCluster(scope, underlay);
  const [a, b] = await cluster.addHosts('a', 'b');
  const flags = [...healthFlags, ...(options.flags ?? [])];
  const [weft] =
    options.flags === undefined ? await joinAll(cluster, [a, b]) : [await a.join(flags), await b.join(flags)];
  assert.ok(weft);
  const [one, other] = [await a.addContainer(), await b.addContainer()];
  const hosts = [a, b];
  const converged = async (): Promise<void> => {
    await recovered('the kernels to say what the leases say', async () => {
      const peers = await peersOf(cluster);
      for (const host of hosts) {
        assert.ok(
          peers.some(peer => peer.publicIp === host.address),
          `${host.name} has a lease`,
        );
        const wanted = overlayFor(peers.filter(peer => peer.publicIp !== host.address));
        assert.deepEqual(await host.overlay(), wanted, host.name);
      }
      return true;
    });
  };
  await converged();
  const ping = await startPing(one.netns, other.address);
  let made = 0;
  return {
    cluster,
    a,
    b,
    weft,
    ping,
    converged,
    kernel: async () => [await kernelOf(a), await a.overlay()],
    changePeers: async () => {
      if (made > 0) await cluster.delete(leaseKey(ghost(made)));
      made++;
      await cluster.putLease(ghost(made));
    },
    listen: () => {
      const from = weft.output.length;
      return pattern => weft.waitFor(`output ${pattern}`, () => pattern.test(weft.output.slice(from)));
    },
    reach: () => recovered('a way', () => one.netns.run(`ping -n -c 3 -i 0.2 -W 1 ${other.address}`)),
    finish: () => assertNothingLost(ping),
  };
}

/** Peers that exist in etcd only. */
function ghost(number: number): PeerFacts {
  const subnet = `10.2.${30 + number}.0/24`;
  return { subnet, publicIp: `192.0.2.${200 + number}`, mac: `0a:00:00:00:01:${number + 10}` };
}

/**
 * A daemon without its registry has nothing to do but to try again now and then. The bound is a tenth of one
 * processor: an endless loop takes all it can get.
 */
export async function assertIdle(daemon: Daemon, seconds = 3): Promise<string> {
  const before = await cpuMs(daemon.pid);
  assert.ok(before > 50, `it took ${before} ms to start: is that the daemon?`);
  await sleep(seconds * 1000);
  const usedMs = (await cpuMs(daemon.pid)) - before;
  assert.ok(usedMs <= seconds * 100, `${usedMs} ms of processor time in ${seconds} s`);
  return `${usedMs} ms of processor time in ${seconds} s of outage`;
}

/** User and system time of a process and its threads; a tick is 10 ms (proc_pid_stat(5), fields 14 and 15). */
async function cpuMs(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}
