/**
 * Forged VXLAN frames on the wire, with and without the guard:
 *
 *   stranger 192.0.2.9 ─┐
 *   peer     192.0.2.2 ─┼─ switch ─ host 192.0.2.1 (flannel.1) ─ container 10.2.1.2
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Scope } from '../../src/base/scope.ts';
import type { Daemon } from '../support/daemon.ts';
import { eventually } from '../support/eventually.ts';
import { testScope } from '../support/leaks.ts';
import { createNetns, joinByCable, joinBySwitch, type Netns } from '../support/netns.ts';
import { guarded } from '../unit/traffic/wishes.ts';
import { listenForDatagrams, sendDatagram, vxlanPacket } from './traffic-datagrams.ts';
import { choices, leaseOf, openFirewall } from './traffic-firewalls.ts';

interface Wire {
  readonly scope: Scope;
  readonly host: Netns;
  readonly container: Daemon;
  /** Sends a frame into the tunnel, from an inner address to the container. */
  send(from: 'peer' | 'stranger', innerSource: string, text: string): Promise<void>;
}

const port = 9999;
const vtepMac = '02:00:0a:02:01:00';
const wish = { ...guarded, config: { network: guarded.config.network } };

async function wire(t: TestContext): Promise<Wire> {
  const scope = testScope(t);
  const [host, peer, stranger, container] = (await Promise.all(
    ['host', 'peer', 'stranger', 'container'].map(label => createNetns(scope, label)),
  )) as [Netns, Netns, Netns, Netns];
  await joinBySwitch(scope, [
    { netns: host, address: '192.0.2.1/24' },
    { netns: peer, address: '192.0.2.2/24' },
    { netns: stranger, address: '192.0.2.9/24' },
  ]);
  await joinByCable(
    { netns: host, device: 'cbr', address: '10.2.1.1/24' },
    { netns: container, address: '10.2.1.2/24', gateway: '10.2.1.1' },
  );
  await host.ipBatch([
    'link add flannel.1 type vxlan id 1 local 192.0.2.1 dev eth0 dstport 8472 nolearning',
    `link set flannel.1 address ${vtepMac} mtu 1450 up`,
    'address add 10.2.1.0/32 dev flannel.1',
    'route add 10.2.2.0/24 via 10.2.2.0 dev flannel.1 onlink',
  ]);
  await host.run('sysctl -q -w net/ipv4/ip_forward=1 net/ipv4/conf/all/rp_filter=0');
  return {
    scope,
    host,
    container: await listenForDatagrams(container, port),
    send: async (from, innerSource, text) => {
      const inner = { source: innerSource, destination: '10.2.1.2', port, text };
      const packet = vxlanPacket({ mac: vtepMac, ...inner });
      await sendDatagram(from === 'peer' ? peer : stranger, { address: '192.0.2.1', port: 8472 }, packet);
    },
  };
}

test('without a guard anybody on the underlay reaches a container by a forged frame', async t => {
  const { container, send } = await wire(t);
  await send('stranger', '10.2.2.2', 'forged');
  await container.waitForOutput(/forged/);
});

for (const [name, choice] of choices) {
  test(`${name}: with the guard only peers do, with sources of the network, and the rest is counted`, async t => {
    const { scope, host, container, send } = await wire(t);
    const { firewall } = openFirewall(scope, host, choice);
    await firewall.replacePeers([leaseOf('10.2.2.0/24', '192.0.2.2')]);
    await firewall.apply(wish);
    await send('stranger', '10.2.2.2', 'forged by a stranger');
    await send('peer', '198.51.100.7', 'forged by a peer');
    await eventually('both counted', async () => {
      const { strangersDropped, outsidersDropped } = await firewall.guardReport();
      return strangersDropped.packets === 1 && outsidersDropped.packets === 1;
    });
    await send('peer', '10.2.2.2', 'legitimate');
    await container.waitForOutput(/legitimate/);
    assert.doesNotMatch(container.output, /forged/);
  });

  test(`${name}: a host is let in when putPeer resolves, and shut out when it has left`, async t => {
    const { scope, host, container, send } = await wire(t);
    const { firewall } = openFirewall(scope, host, choice);
    await firewall.replacePeers([]);
    await firewall.apply(wish);
    await send('peer', '10.2.2.2', 'too early');
    await eventually('counted', async () => (await firewall.guardReport()).strangersDropped.packets === 1);
    await firewall.putPeer(leaseOf('10.2.2.0/24', '192.0.2.2'));
    await send('peer', '10.2.2.2', 'in time');
    await container.waitForOutput(/in time/);
    await firewall.removePeer(leaseOf('10.2.2.0/24', '192.0.2.2').subnet);
    const { packets } = (await firewall.guardReport()).strangersDropped;
    await send('peer', '10.2.2.2', 'too late');
    await eventually(
      'counted',
      async () => (await firewall.guardReport()).strangersDropped.packets === packets + 1,
    );
    assert.doesNotMatch(container.output, /too/);
  });
}

test('nftables: whose packets are dropped is in the report and named in the log', async t => {
  const { scope, host, send } = await wire(t);
  const { firewall, said } = openFirewall(scope, host, { engine: 'nftables' }, { resyncMs: 100 });
  await firewall.replacePeers([]);
  await firewall.apply(wish);
  await send('stranger', '10.2.2.2', 'one');
  await send('stranger', '10.2.2.2', 'two');
  await eventually('counted', async () => (await firewall.guardReport()).strangersDropped.packets === 2);
  assert.deepEqual((await firewall.guardReport()).strangers, [{ address: '192.0.2.9', packets: 2 }]);
  // An unrelated change makes the next period a full look.
  await eventually('its name in the log', async () => {
    await host.run(['sh', '-c', 'nft add table ip other; nft delete table ip other']);
    return said.some(line => line.startsWith('warn: tunnel packets from 192.0.2.9 are dropped'));
  });
});
