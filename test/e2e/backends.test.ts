/** Every backend with every family: three hosts, their containers, a restart, a peer that went, and a host taken out. */
import assert from 'node:assert/strict';
import process from 'node:process';
import { after, before, test } from 'node:test';
import { parsePrefix, prefixCovers } from '../../src/base/prefix.ts';
import { type KernelEvent, type MonitoredObject, monitor } from '../../src/kernel/monitor.ts';
import type { Daemon } from '../support/daemon.ts';
import { eventually } from '../support/eventually.ts';
import { testScope } from '../support/leaks.ts';
import type { WeftHost } from '../support/weft-host.ts';
import { assertNothingLost, type Ping, startPing } from '../support/weft-ping.ts';
import { createUnderlay } from '../support/weft-underlay.ts';
import {
  addContainers,
  assertUnchanged,
  type Container,
  createNetwork,
  envOf,
  eventuallyMeshed,
  type Family,
  kernelOf,
  makeRouter,
  type Network,
  type NetworkKind,
  pingFullSize,
  removeContainer,
  subnetsOf,
} from './backends-house.ts';
import { startTransfer } from './backends-transfer.ts';

interface Backend extends Pick<NetworkKind, 'backend' | 'routed'> {
  readonly name: string;
  /** What the containers' MTU lacks of the underlay's 1500: with IPv4 alone, and with IPv6. */
  readonly overhead: Readonly<Record<Family, number>>;
  /** What a restart may cost: no packet at all, or only time. */
  readonly restart: 'nothing' | 'time';
}

const backends: readonly Backend[] = [
  { name: 'vxlan', backend: { Type: 'vxlan' }, overhead: { 4: 50, 6: 70 }, restart: 'nothing' },
  {
    name: 'vxlan with DirectRouting',
    backend: { Type: 'vxlan', DirectRouting: true },
    overhead: { 4: 50, 6: 70 },
    restart: 'nothing',
    routed: true,
  },
  { name: 'host-gw', backend: { Type: 'host-gw' }, overhead: { 4: 0, 6: 0 }, restart: 'nothing' },
  { name: 'udp', backend: { Type: 'udp' }, overhead: { 4: 28, 6: 48 }, restart: 'time' },
];

const choices: ReadonlyArray<readonly Family[]> = [[4], [6], [4, 6]];

const underlay = await createUnderlay(testScope({ after }));
before(() => makeRouter(underlay));

for (const backend of backends) {
  for (const families of choices) {
    const name = `${backend.name}, ${families.map(family => `IPv${family}`).join(' and ')}`;
    test(`${name}: containers reach each other, a restart costs ${backend.restart}, cleanup leaves nothing`, async t => {
      const scope = testScope(t);
      const network = await createNetwork(scope, underlay, { ...backend, families });
      const [a, b, c] = network.hosts;
      await addForeignRoutes(a);
      const bare = await Promise.all(network.hosts.map(kernelOf));
      const daemons = await Promise.all(network.hosts.map(host => host.join()));
      const [one, two, three] = await addContainers(scope, network);
      await eventuallyMeshed([one, two, three], families);
      await t.test('full-size packets pass, and the MTU is what the contract says', async () => {
        const overhead = backend.overhead[families.includes(6) ? 6 : 4];
        assert.equal((await envOf(a))['MTU'], `${1500 - overhead}`);
        for (const family of families)
          for (const [from, to] of bothWays(one, two, three)) await pingFullSize(from, to, family);
      });
      const crossing = await Promise.all(families.map(family => startCrossing(one, two, three, family)));
      await daemons[1]?.kill();
      const second = await b.join();
      for (const each of crossing) t.diagnostic(await each.end(backend.restart));

      await second.stop();
      let third: Daemon | undefined;
      const made = await kernelOf(b);
      const changes = await changesOf(b, async () => {
        third = await b.join();
      });
      assert.deepEqual(changes, [], 'a daemon that starts once more changes nothing');
      assertUnchanged(made, await kernelOf(b), 'nor does it alter a link');

      await Promise.all([daemons[2]?.stop(), third?.stop()]);
      await network.cluster.delete(await leaseKeyOf(network, c));
      const fourth = await b.join();
      for (const family of families) await eventuallyUnreachable(two, three, family);
      await assertForgotten(b, Object.values(await subnetsOf(c)));
      await eventuallyMeshed([one, two], families);

      await Promise.all([daemons[0]?.stop(), fourth.stop()]);
      for (const container of [one, two, three]) await removeContainer(container);
      for (const [index, host] of network.hosts.entries()) {
        const dry = await host.run('bin/weft cleanup -dry-run');
        // Firewalls are cleaned at the same time.
        assert.deepEqual(sortedLines(await host.run('bin/weft cleanup')), sortedLines(dry));
        assertUnchanged(bare[index] ?? [], await kernelOf(host), `${host.name} after\n${dry}`);
      }
    });
  }
}

function sortedLines(text: string): string[] {
  return text.split('\n').sort();
}

function bothWays(one: Container, ...others: readonly Container[]): Array<readonly [Container, Container]> {
  return others.flatMap(other => [[one, other] as const, [other, one] as const]);
}

interface Crossing {
  /** Ends it, and tells what it saw. @throws Error for what a restart may not cost */
  end(cost: Backend['restart']): Promise<string>;
}

/** A transfer to the middle container, and pings from both others. */
async function startCrossing(
  one: Container,
  two: Container,
  three: Container,
  family: Family,
): Promise<Crossing> {
  const pings = await Promise.all([one, three].map(({ netns }) => startPing(netns, two.addresses[family])));
  const transfer = await startTransfer(one.netns, two.netns, two.addresses[family]);
  return {
    end: async cost => {
      await transfer.more(2);
      const received = await transfer.end();
      const lost = await Promise.all(pings.map(cost === 'nothing' ? assertNothingLost : whatWasLost));
      return `${received}; ${lost.join('; ')}`;
    },
  };
}

async function whatWasLost(ping: Ping): Promise<string> {
  await ping.more(20);
  const { answered, lost } = await ping.stop();
  return `${answered} packets, ${lost.length} lost`;
}

/** Of the network, but nobody's lease; and elsewhere. */
async function addForeignRoutes({ netns }: WeftHost): Promise<void> {
  await netns.ipBatch([
    'route add 10.2.200.0/24 via 192.0.2.10',
    'route add 10.77.0.0/24 via 192.0.2.10 proto static',
    'route add fd02:0:0:fff0::/64 via 2001:db8::a',
  ]);
}

/**
 * What is made, altered or removed on a host while something is done, but for links, whose notices also tell of carriers
 * that come and go, and for what the kernel learns, or makes of itself in its own time: an interface's link-local address
 * is there when nobody else turns out to have it, a second or two after the interface.
 */
async function changesOf({ netns }: WeftHost, act: () => Promise<void>): Promise<string[]> {
  const changes: string[] = [];
  const onEvent = (event: KernelEvent): void => {
    if (event.type === 'overrun') changes.push('overrun');
    else if (!isOfTheKernel(event.object)) changes.push(`${event.type} ${JSON.stringify(event.object)}`);
  };
  const objects = ['address', 'route', 'nexthop', 'neighbour', 'fdb'] as const;
  const watch = monitor({ netns: netns.path, objects, onEvent });
  try {
    await act();
    return changes;
  } finally {
    watch.close();
  }
}

const linkLocal = parsePrefix('fe80::/10');

function isOfTheKernel({ type, value }: MonitoredObject): boolean {
  if (type === 'neighbour') return value.state !== 'permanent';
  if (type === 'address') return value.scope === 'link';
  if (type === 'route') return value.protocol === 'kernel' && prefixCovers(linkLocal, value.dst);
  return type === 'fdb' && value.dst === undefined;
}

/** Wherever an engine keeps it: below the prefix, whatever its form. */
async function leaseKeyOf(
  { cluster: { prefix, underlay: where } }: Network,
  host: WeftHost,
): Promise<string> {
  const keys = (await where.etcd.ctl('get', '--prefix', '--keys-only', `${prefix}/`)).split('\n');
  const parts = Object.values(await subnetsOf(host)).map(subnet => subnet.replace('/', '-'));
  const found = keys.filter(key => parts.some(part => part !== '' && key.includes(part)));
  assert.equal(found.length, 1, `${host.name} has one lease of ${parts} in ${keys}`);
  return found[0]?.slice(prefix.length + 1) ?? '';
}

/** Whoever is asked to carry it says so at once; nobody waits for an answer that cannot come. */
async function eventuallyUnreachable(from: Container, to: Container, family: Family): Promise<void> {
  await eventually(`${to.host.name} to be out of reach by IPv${family}`, async () => {
    const code = await from.netns.run([process.execPath, '-e', connect, to.addresses[family]]);
    return /^(ENETUNREACH|EHOSTUNREACH)$/m.test(code);
  });
}

const connect = `
const socket = require('node:net').connect({ port: 9, host: process.argv[1], timeout: 2000 });
socket.on('error', error => console.log(error.code)).on('timeout', () => socket.destroy());
`;

async function assertForgotten(host: WeftHost, subnets: readonly string[]): Promise<void> {
  const lines = await kernelOf(host);
  for (const subnet of subnets.filter(Boolean)) {
    const base = subnet.replace(/\/\d+$/, '');
    assert.deepEqual(
      lines.filter(line => line.split(/[ /]/).includes(base)),
      [],
      `${base} on ${host.name}`,
    );
  }
}
