/** Daemons ask their peers: who answers, who does not, how large a packet passes, on every kind of path. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { testScope } from '../support/leaks.ts';
import { createCluster, eventuallyMeshed, leaseOf } from '../support/weft-cluster.ts';
import { kernelOf, type PeerFacts, type WeftHost } from '../support/weft-host.ts';
import { createUnderlay } from '../support/weft-underlay.ts';
import { createNetwork, type Family, makeRouter, type NetworkKind, subnetsOf } from './backends-house.ts';
import { addNamespaces, configOf, joinNetworks } from './networks-house.ts';
import { echoesTo, eventuallyProbed, probingFlags, scrape, sizesOf, verdictsOf } from './probing-house.ts';

const underlay = await createUnderlay(testScope({ after }));
await makeRouter(underlay);

const keyOf = (subnet: string): string => subnet.replace('/', '-');

test('a peer answers, is silent within seconds when it is cut off, and answers again: each is said once', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const [a, b] = await cluster.addHosts('a', 'b');
  const weft = await a.join(['-metrics-addr', '127.0.0.1:9469']);
  await b.join();
  await eventuallyMeshed(cluster, [a, b]);
  const peer = await leaseOf(cluster, b);
  const labels = { peer: keyOf(peer.subnet), family: '4' };
  const found = await eventuallyProbed(a, 'an answer', one => {
    assert.deepEqual(verdictsOf(one), { answers: 1 });
    assert.deepEqual(sizesOf(one), { [`${labels.peer}/4`]: 1450 });
  });
  const latency = found.value('weft_peer_latency_seconds', labels);
  assert.ok(latency > 0 && latency < 1, `${latency} s`);
  assert.equal(found.value('weft_peer_loss_ratio', labels), 0);
  assert.equal(found.value('weft_peer_worst_latency_seconds'), latency);
  assert.equal(found.value('weft_probe_latency_seconds_count'), found.value('weft_probe_sent_total'));

  const cutMs = performance.now();
  await underlay.bridge.ipBatch([`link set ${b.port} down`]);
  const silent = await eventuallyProbed(a, 'silence', one =>
    assert.deepEqual(verdictsOf(one), { silent: 1 }),
  );
  t.diagnostic(`silent after ${Math.round(performance.now() - cutMs)} ms`);
  assert.ok(silent.value('weft_probe_lost_total') >= 2);
  assert.ok(silent.value('weft_peer_worst_loss_ratio') > 0);
  await weft.waitForOutput(/ warn .*does not answer any more/);
  await underlay.bridge.ipBatch([`link set ${b.port} up`]);
  await eventuallyProbed(a, 'an answer', one => assert.deepEqual(verdictsOf(one), { lossy: 1 }));
  await weft.waitForOutput(/answers again/);
  const said = weft.output.split('\n').filter(line => /answer|vanish|pass again/.test(line));
  assert.equal(said.length, 2, weft.output);
  assert.match(
    said[0] ?? '',
    new RegExp(
      `peer ${peer.subnet} does not answer any more .*see why with: weft doctor -peer ${peer.subnet}`,
    ),
  );
  assert.match(said[1] ?? '', / info .*peer .* answers again/);
});

interface Path extends NetworkKind {
  /** What passes where nothing is in the way. */
  readonly wantedBytes: number;
  /** What passes to a host behind a port that swallows what is larger than 1400 bytes. */
  readonly passing: Readonly<Record<Family, number>>;
}

const paths: Readonly<Record<string, Path>> = {
  vxlan: { backend: { Type: 'vxlan' }, families: [4, 6], wantedBytes: 1430, passing: { 4: 1350, 6: 1330 } },
  'vxlan, directly routed': {
    backend: { Type: 'vxlan', DirectRouting: true },
    families: [4, 6],
    routed: true,
    wantedBytes: 1430,
    passing: { 4: 1400, 6: 1400 },
  },
  'host-gw': {
    backend: { Type: 'host-gw' },
    families: [4, 6],
    wantedBytes: 1500,
    passing: { 4: 1400, 6: 1400 },
  },
  udp: { backend: { Type: 'udp' }, families: [4, 6], wantedBytes: 1452, passing: { 4: 1372, 6: 1352 } },
};

for (const [name, path] of Object.entries(paths)) {
  test(`${name}: by both families peers answer, and the largest packet that passes is found to the byte`, async t => {
    const network = await createNetwork(testScope(t), underlay, path);
    const [a, b, c] = network.hosts;
    await underlay.bridge.run(['nft', swallow(b.port)]);
    const weft = await a.join(probingFlags);
    for (const host of [b, c]) await host.join(probingFlags);
    const [peer, other] = await Promise.all([subnetsOf(b), subnetsOf(c)]);
    const nameOf = (subnets: typeof peer): string => [subnets[4], subnets[6]].map(keyOf).join('&');
    await eventuallyProbed(a, 'the sizes', found => {
      assert.deepEqual(
        sizesOf(found),
        Object.fromEntries(
          path.families.flatMap(family => [
            [`${nameOf(peer)}/${family}`, path.passing[family]],
            [`${nameOf(other)}/${family}`, path.wantedBytes],
          ]),
        ),
      );
      assert.equal(found.value('weft_peers_short'), 2);
      const { silent, unanswered, unprobed } = verdictsOf(found);
      assert.deepEqual([silent, unanswered, unprobed], [undefined, undefined, undefined]);
    });
    for (const family of path.families) {
      await weft.waitForOutput(
        new RegExp(
          ` warn .*packets to ${peer[family]} larger than ${path.passing[family]} bytes vanish: ${path.wantedBytes} should pass`,
        ),
      );
    }
    await assertPassing(a, b, path);

    // Whoever comes back may come another way.
    await underlay.bridge.ipBatch([`link set ${b.port} down`]);
    await underlay.bridge.run('nft delete table netdev small');
    await eventuallyProbed(a, 'silence', found => assert.equal(verdictsOf(found)['silent'], 2));
    await underlay.bridge.ipBatch([`link set ${b.port} up`]);
    await eventuallyProbed(a, 'the whole size', found => {
      const wanted = path.families.map(() => path.wantedBytes);
      const found6 = path.families.map(family => sizesOf(found)[`${nameOf(peer)}/${family}`]);
      assert.deepEqual(found6, wanted);
    });
  });
}

/** Without a word to the sender, as a switch does whose MTU is smaller. */
const swallow = (port: string): string => `
  table netdev small {
    chain c { type filter hook ingress device ${port} priority 0; meta length > 1400 drop; }
  }`;

/** By another program: the size that was found passes, and one more byte does not. */
async function assertPassing(a: WeftHost, b: WeftHost, { backend, families, passing }: Path): Promise<void> {
  const subnets = await subnetsOf(b);
  const number = b.address.split('.').at(-1);
  const direct = 'DirectRouting' in backend || JSON.stringify(backend).includes('host-gw');
  for (const family of families) {
    const tunnel = subnets[family].replace(/\/\d+$/, '');
    const underlayAddress = family === 4 ? b.address : `2001:db8::${number}`;
    const to = direct ? underlayAddress : tunnel;
    const ping = (bytes: number) =>
      a.netns.run([...['ping', '-n', '-c1', '-W1', '-Mdo', `-s${bytes - (family === 4 ? 28 : 48)}`], to]);
    await ping(passing[family]);
    await assert.rejects(ping(passing[family] + 1), /1 packets transmitted, 0 received/s);
  }
}

test('a host without any daemon answers and is not touched, and one that is not there is unanswered without a word', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const [a, plain] = await cluster.addHosts('a', 'plain');
  const weft = await a.join(probingFlags);
  const own = await leaseOf(cluster, a);
  const there: PeerFacts = { subnet: '10.2.40.0/24', publicIp: plain.address, mac: '0a:00:00:00:00:40' };
  const base = own.subnet.replace('/24', '');
  // As flanneld leaves it when it ends.
  await plain.netns.ipBatch([
    `link add flannel.1 type vxlan id 1 local ${plain.address} dev eth0 dstport 8472 nolearning`,
    `link set flannel.1 address ${there.mac} mtu 1450 up`,
    'address add 10.2.40.0/32 dev flannel.1',
    `route add ${own.subnet} via ${base} dev flannel.1 onlink`,
    `neigh add ${base} lladdr ${own.mac} dev flannel.1 nud permanent`,
  ]);
  await plain.netns.run(`bridge fdb add ${own.mac} dev flannel.1 dst ${a.address} self permanent`);
  const before = await kernelOf(plain);
  await cluster.putLease(there);
  await cluster.putLease({ subnet: '10.2.41.0/24', publicIp: '192.0.2.241', mac: '0a:00:00:00:00:41' });
  await eventuallyProbed(a, 'both verdicts', found => {
    assert.deepEqual(verdictsOf(found), { answers: 1, unanswered: 1 });
    assert.deepEqual(sizesOf(found), { '10.2.40.0-24/4': 1450 });
    assert.equal(found.value('weft_peer_loss_ratio', { peer: '10.2.41.0-24' }), 1);
    assert.equal(found.value('weft_peer_worst_loss_ratio'), 0, 'of those that have ever answered');
  });
  assert.deepEqual(await kernelOf(plain), before);
  await cluster.delete('subnets/10.2.41.0-24');
  await eventuallyProbed(a, 'that it is forgotten', found =>
    assert.deepEqual(verdictsOf(found), { answers: 1 }),
  );
  assert.doesNotMatch(weft.output, /does not answer/);
});

test('with -peer-probing=false nothing is sent, and all are unprobed', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const [a, b] = await cluster.addHosts('a', 'b');
  await a.join([...probingFlags, '-peer-probing=false']);
  await b.join(probingFlags);
  await eventuallyMeshed(cluster, [a, b]);
  const counted = await echoesTo(b);
  await eventuallyProbed(b, 'answers', found => {
    assert.deepEqual(verdictsOf(found), { answers: 1 });
    assert.ok(found.value('weft_probe_sent_total') >= 5);
  });
  assert.ok((await echoesTo(a)) >= 5);
  assert.equal(await echoesTo(b), counted);
  assert.equal(counted, 0);
  const off = await scrape(a);
  assert.deepEqual(verdictsOf(off), { unprobed: 1 });
  assert.equal(off.value('weft_probe_sent_total'), 0);
});

test('a network in a namespace of its own is probed there', async t => {
  const cluster = await createCluster(testScope(t), underlay, { config: undefined });
  const [a, b] = await cluster.addHosts('a', 'b');
  await cluster.put('red/config', configOf(3, '10.3.0.0/16'));
  for (const host of [a, b]) await addNamespaces(host, 'red');
  for (const host of [a, b]) await joinNetworks(host, 'red@red', probingFlags);
  await eventuallyProbed(a, 'an answer', found => {
    assert.equal(found.value('weft_peers_probed', { network: 'red', verdict: 'answers' }), 1);
    assert.deepEqual(Object.values(sizesOf(found)), [1450]);
  });
});

test('without CAP_NET_RAW it says so once, and probes all the same where a group may', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const [a, b] = await cluster.addHosts('a', 'b');
  const withoutRaw = { wrap: ['setpriv', '--bounding-set=-net_raw', '--inh-caps=-net_raw'] };
  await b.join();
  const weft = await a.join(probingFlags, withoutRaw);
  await eventuallyProbed(a, 'no answer', found => assert.deepEqual(verdictsOf(found), { unprobed: 1 }));
  await cluster.putLease({ subnet: '10.2.41.0/24', publicIp: '192.0.2.241', mac: '0a:00:00:00:00:41' });
  await eventuallyProbed(a, 'no answer', found => assert.deepEqual(verdictsOf(found), { unprobed: 2 }));
  const said = weft.output.split('\n').filter(line => line.includes('CAP_NET_RAW'));
  assert.equal(said.length, 1, weft.output);
  assert.match(said[0] ?? '', / info .*peers are not probed by IPv4: .*ping_group_range/);
  await weft.stop();
  await cluster.delete('subnets/10.2.41.0-24');
  await a.netns.run(['sysctl', '-q', '-w', 'net.ipv4.ping_group_range=0 2147483647']);
  await a.join(probingFlags, withoutRaw);
  await eventuallyProbed(a, 'an answer', found => {
    assert.deepEqual(verdictsOf(found), { answers: 1 });
    assert.deepEqual(Object.values(sizesOf(found)), [1450]);
  });
});
