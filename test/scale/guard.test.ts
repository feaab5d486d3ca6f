/** The guard of ten thousand peers: what a start, and one peer more or less, ask of the firewall's programs. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { fakePeer } from '../../bench/scale/fake-peers.ts';
import type { Clock } from '../../src/base/clock.ts';
import type { Scope } from '../../src/base/scope.ts';
import { firewallPrograms, type Programs } from '../../src/firewall/programs.ts';
import type { Lease } from '../../src/lease/lease.ts';
import { systemClock } from '../../src/sys/clock.ts';
import { NftSocket } from '../../src/sys/nft-socket.ts';
import type { NftNotice } from '../../src/wire/nftables.ts';
import { leaseOf, openFirewall } from '../kernel/traffic-firewalls.ts';
import { eventually } from '../support/eventually.ts';
import { testScope } from '../support/leaks.ts';
import { createNetns, type Netns } from '../support/netns.ts';
import { guarded } from '../unit/traffic/wishes.ts';

const peers = 10_000;

function lease(number: number): Lease {
  const { subnet, publicIp } = fakePeer(number);
  return leaseOf(subnet, publicIp);
}

const all = Array.from({ length: peers }, (_, number) => lease(number));
const set = 'ip flannel-ipv4 vtep-peers';

interface Watched {
  readonly netns: Netns;
  readonly firewall: ReturnType<typeof openFirewall>['firewall'];
  readonly said: readonly string[];
  /** The programs that were started, in order. */
  readonly started: string[];
  /** How long somebody wanted to sleep, each time: a look that is due begins with one. */
  readonly slept: number[];
}

async function openWatched(scope: Scope): Promise<Watched> {
  const netns = await createNetns(scope, 'host');
  const [started, slept]: [string[], number[]] = [[], []];
  const real = firewallPrograms({ enter: netns.enter });
  const programs: Programs = {
    ...real,
    run: (argv, options) => {
      started.push(argv.join(' '));
      return real.run(argv, options);
    },
  };
  const clock: Clock = {
    ...systemClock,
    sleep: (milliseconds, options) => {
      slept.push(milliseconds);
      return systemClock.sleep(milliseconds, options);
    },
  };
  const { firewall, said } = openFirewall(scope, netns, { engine: 'nftables' }, { programs, clock });
  return { netns, firewall, said, started, slept };
}

test('ten thousand peers are let in by one transaction, and found right by one look', async t => {
  const { netns, firewall, started } = await openWatched(testScope(t));
  await firewall.replacePeers(all);
  await firewall.apply(guarded);
  assert.equal(started.filter(program => program.startsWith('nft -f')).length, 1);
  const listed = await netns.run(`nft list set ${set}`);
  assert.equal(listed.match(/198\.\d+\.\d+\.\d+/g)?.length, peers);
  await firewall.apply(guarded);
  assert.equal(started.filter(program => program.startsWith('nft -f')).length, 1);
});

test('a peer that comes or leaves among ten thousand starts no program, and asks for no look at the others', async t => {
  const { netns, firewall, started, slept } = await openWatched(testScope(t));
  await firewall.replacePeers(all);
  await firewall.apply(guarded);
  const before = [started.length, slept.length];
  const has = async (number: number): Promise<boolean> => {
    const { publicIp } = fakePeer(number);
    return await netns.run(`nft get element ${set} { ${publicIp} }`).then(
      () => true,
      () => false,
    );
  };
  await firewall.putPeer(lease(peers));
  assert.ok(await has(peers));
  await firewall.removePeer(lease(7).subnet);
  assert.ok(!(await has(7)));
  await setImmediate();
  assert.deepEqual([started.length, slept.length], before);

  // Somebody else's doing is looked at all the same.
  await netns.run(`nft delete element ${set} { ${fakePeer(8).publicIp} }`);
  await eventually('a repair', () => firewall.status.repairs === 1);
  assert.ok(await has(8));
});

test('peers that come in one burst are let in by one transaction', async t => {
  const scope = testScope(t);
  const { netns, firewall } = await openWatched(scope);
  await firewall.replacePeers([lease(0)]);
  await firewall.apply(guarded);
  let commits = 0;
  const onNotice = ({ type }: NftNotice): void => {
    if (type === 'committed') commits++;
  };
  const socket = scope.own('ear', NftSocket.open({ netns: netns.path, onNotice, onOverrun() {} }));
  const burst: Promise<void>[] = [];
  for (let number = 1; number <= 1000; number++) {
    burst.push(firewall.putPeer(lease(number)));
    // As the leases of one message come: each a few promises after the other.
    for (let hops = 0; hops < 10; hops++) await undefined;
  }
  await Promise.all(burst);
  socket.drain();
  assert.equal(commits, 1);
});
