/**
 * Everything at once for a while: hosts join and leave, etcd is killed and restored, daemons are killed, entries are
 * damaged, while the containers of all hosts that stay ping each other. At the end every host must hold what the leases
 * say, and the daemon that lived through all of it must have grown in nothing.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Scope } from '../../src/base/scope.ts';
import { damages, seeded, shellOf, type Target } from '../kernel/repair-damages.ts';
import type { Daemon } from '../support/daemon.ts';
import { eventually } from '../support/eventually.ts';
import {
  type Cluster,
  createCluster,
  eventuallyMeshed,
  joinAll,
  leaseOf,
  peersOf,
} from '../support/weft-cluster.ts';
import {
  type Container,
  createWeftHost,
  type PeerFacts,
  type WeftHost,
  waitUntilReady,
} from '../support/weft-host.ts';
import { createUnderlay, type Underlay } from '../support/weft-underlay.ts';

export interface SoakOptions {
  readonly seconds: number;
  readonly seed: number;
  /** Told of each action as it begins. */
  onAction?(action: string): void;
}

export interface SoakReport {
  /** How often each thing was done. */
  readonly actions: ReadonlyMap<string, number>;
  readonly pings: { readonly pairs: number; readonly sent: number; readonly lost: number };
  /** Repairs that the daemon told of which was never killed. */
  readonly repairs: number;
  /** The daemon that was never killed, after the warm-up and at the end. */
  readonly witness: { readonly after: Footprint; readonly end: Footprint };
  /** Share of one CPU that it used when all was over. */
  readonly idleCpu: number;
}

export interface Footprint {
  readonly descriptors: number;
  readonly rssBytes: number;
}

interface Member {
  readonly scope: Scope;
  readonly host: WeftHost;
  weft: Daemon;
  readonly container: Container;
}

const [staying, guestsAtMost] = [4, 2];
const actionEveryMs = 400;
const warmUpShare = 0.25;
const pingSeconds = 0.1;

export async function soak(scope: Scope, options: SoakOptions): Promise<SoakReport> {
  const scene = await Scene.create(scope, options);
  const pings = await startPings(scene.members);
  const startMs = performance.now();
  const elapsed = (): number => (performance.now() - startMs) / 1000 / options.seconds;
  while (elapsed() < warmUpShare) await scene.act();
  const after = await footprintOf(scene.witness.weft);
  while (elapsed() < 1) await scene.act();
  await scene.restore();
  const results = await stopPings(pings);
  await sleep(2_000);
  const end = await footprintOf(scene.witness.weft);
  return {
    actions: scene.actions,
    pings: results,
    repairs: scene.witness.weft.output.match(/warn +repaired/g)?.length ?? 0,
    witness: { after, end },
    idleCpu: await cpuOf(scene.witness.weft, 3_000),
  };
}

class Scene {
  readonly actions = new Map<string, number>();
  readonly members: Member[] = [];
  readonly #guests: Member[] = [];
  /** The leases of the members, which they keep to the end. */
  #lasting: readonly PeerFacts[] = [];
  readonly #scope: Scope;
  readonly #underlay: Underlay;
  readonly #cluster: Cluster;
  readonly #options: SoakOptions;
  readonly #random: () => number;
  /** After how many actions etcd comes back; undefined while it is there. */
  #etcdBackIn: number | undefined;
  #guestsSoFar = 0;

  private constructor(scope: Scope, underlay: Underlay, cluster: Cluster, options: SoakOptions) {
    this.#scope = scope;
    this.#underlay = underlay;
    this.#cluster = cluster;
    this.#options = options;
    this.#random = seeded(options.seed);
  }

  static async create(scope: Scope, options: SoakOptions): Promise<Scene> {
    const underlay = await createUnderlay(scope);
    const cluster = await createCluster(scope, underlay);
    const scene = new Scene(scope, underlay, cluster, options);
    const names = Array.from({ length: staying }, (_, index) => `h${index}`);
    const hosts = await cluster.addHosts(...names);
    const daemons = await joinAll(cluster, hosts);
    for (const [index, host] of hosts.entries()) {
      const weft = daemons[index] as Daemon;
      scene.members.push({ scope, host, weft, container: await host.addContainer() });
    }
    scene.#lasting = await peersOf(cluster);
    return scene;
  }

  /** Its daemon lives through all. */
  get witness(): Member {
    return this.members[0] as Member;
  }

  /** Does one thing, and takes its time. */
  async act(): Promise<void> {
    const startMs = performance.now();
    if (this.#etcdBackIn !== undefined && --this.#etcdBackIn <= 0) await this.#restoreEtcd();
    await this.#one();
    await sleep(Math.max(0, actionEveryMs - (performance.now() - startMs)));
  }

  /** Lets everything come to rest. @throws AssertionError naming what does not hold then */
  async restore(): Promise<void> {
    if (this.#etcdBackIn !== undefined) await this.#restoreEtcd();
    const all = [...this.members, ...this.#guests];
    for (const { weft } of all) await waitUntilReady(weft);
    const hosts = all.map(({ host }) => host);
    await eventuallyMeshed(this.#cluster, hosts).catch((cause: Error) => {
      const said = all.map(({ host, weft }) => `== ${host.name}\n${weft.output.slice(-6000)}`);
      throw new Error(`${cause.message}\n${said.join('\n')}`, { cause });
    });
    for (const member of all) await this.#assertOwnDevice(member);
    for (const one of all) for (const other of all) if (one !== other) await reach(one, other);
  }

  async #one(): Promise<void> {
    const isEtcdThere = this.#etcdBackIn === undefined;
    const chance = this.#random();
    if (chance < 0.6) return await this.#damage();
    if (chance < 0.75) return await this.#killDaemon();
    if (chance < 0.8 && isEtcdThere) return await this.#killEtcd();
    if (chance < 0.9 && isEtcdThere && this.#guests.length < guestsAtMost) return await this.#join();
    if (isEtcdThere && this.#guests.length > 0) return await this.#leave();
    return await this.#damage();
  }

  async #damage(): Promise<void> {
    const { host } = this.#pick(this.members);
    const damage = this.#pick(damages);
    this.#count('entries damaged', `${damage.kind} on ${host.name}`);
    const own = (await host.subnetEnv()).subnet.replace('/24', '');
    // A peer that stays: what a damage makes of a peer that nobody has, e.g. a stale neighbour, is not weft's to mend.
    const peer = this.#pick(this.#lasting.filter(({ publicIp }) => publicIp !== host.address));
    const target: Target = { dev: 'flannel.1', address: own, underlay: 'eth0', local: host.address, peer };
    await host.netns.run(shellOf(damage, target));
  }

  async #killDaemon(): Promise<void> {
    const member = this.#pick(this.members.slice(1));
    this.#count('daemons killed', member.host.name);
    member.weft = await member.weft.restart();
  }

  async #killEtcd(): Promise<void> {
    this.#count('etcd killed and restored', '');
    await this.#underlay.etcd.stop();
    this.#etcdBackIn = 3 + Math.floor(this.#random() * 10);
  }

  async #restoreEtcd(): Promise<void> {
    await this.#underlay.etcd.start();
    this.#etcdBackIn = undefined;
  }

  async #join(): Promise<void> {
    const name = `g${this.#guestsSoFar++}`;
    this.#count('hosts joined', name);
    const scope = new Scope();
    this.#scope.defer(name, () => scope.close());
    const host = await createWeftHost(scope, this.#underlay, this.#cluster.prefix, name);
    const weft = await host.join();
    const guest = { scope, host, weft, container: await host.addContainer() };
    this.#guests.push(guest);
    await reach(guest, this.witness);
  }

  async #leave(): Promise<void> {
    const guest = this.#guests.shift();
    if (guest === undefined) return;
    this.#count('hosts left', guest.host.name);
    const { key } = await leaseOf(this.#cluster, guest.host);
    await guest.weft.stop();
    await this.#cluster.delete(key);
    await guest.scope.close();
  }

  async #assertOwnDevice({ host }: Member): Promise<void> {
    const { subnet } = await host.subnetEnv();
    const { mac } = await leaseOf(this.#cluster, host);
    const link = await host.netns.run('ip -d link show flannel.1');
    const addresses = await host.netns.run('ip -4 -o address show dev flannel.1');
    for (const part of ['UP,LOWER_UP', 'mtu 1450', `link/ether ${mac}`, 'vxlan id 1', 'nolearning']) {
      assert.ok(link.includes(part), `${host.name}: no ${part} in ${link}`);
    }
    assert.deepEqual(addresses.match(/inet \S+/g), [`inet ${subnet.replace('/24', '/32')}`], host.name);
  }

  #pick<T>(items: readonly T[]): T {
    return items[Math.floor(this.#random() * items.length)] as T;
  }

  #count(action: string, what: string): void {
    this.actions.set(action, (this.actions.get(action) ?? 0) + 1);
    this.#options.onAction?.(`${action}: ${what}`);
  }
}

async function reach(from: Member, to: Member): Promise<void> {
  await eventually(`an answer from ${to.host.name} to ${from.host.name}`, () =>
    from.container.netns.run(`ping -n -c1 -W1 ${to.container.address}`).then(() => true),
  );
}

async function startPings(members: readonly Member[]): Promise<Daemon[]> {
  const pairs = members.flatMap(from => members.filter(to => to !== from).map(to => ({ from, to })));
  return await Promise.all(
    pairs.map(({ from, to }) =>
      from.container.netns.start(['ping', '-n', '-q', '-i', `${pingSeconds}`, to.container.address]),
    ),
  );
}

async function stopPings(pings: readonly Daemon[]): Promise<SoakReport['pings']> {
  let [sent, received] = [0, 0];
  for (const ping of pings) {
    ping.signal('SIGINT');
    await ping.exited;
    const [, transmitted, answered] =
      /(\d+) packets transmitted, (\d+) received/.exec(ping.output) ?? assert.fail(ping.output);
    sent += Number(transmitted);
    received += Number(answered);
  }
  return { pairs: pings.length, sent, lost: sent - received };
}

/** What it holds at rest: the least of some looks, for in between it starts programs and calls etcd. */
async function footprintOf({ pid }: Daemon): Promise<Footprint> {
  let descriptors = Number.POSITIVE_INFINITY;
  for (let look = 0; look < 20; look++) {
    descriptors = Math.min(descriptors, readdirSync(`/proc/${pid}/fd`).length);
    await sleep(100);
  }
  const [, kilobytes = ''] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return { descriptors, rssBytes: Number(kilobytes) * 1024 };
}

/** A hundredth of a second is what the kernel counts in. */
async function cpuOf({ pid }: Daemon, duringMs: number): Promise<number> {
  const ticks = (): number => {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ');
    return Number(fields[11]) + Number(fields[12]);
  };
  const before = ticks();
  await sleep(duringMs);
  return ((ticks() - before) * 10) / duringMs;
}
