/**
 * container 10.2.1.2 ── host 10.2.1.1, 203.0.113.1 ── outside 203.0.113.9, which knows no way back to the container
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { parsePrefix } from '../../src/base/prefix.ts';
import type { Scope } from '../../src/base/scope.ts';
import { testScope } from '../support/leaks.ts';
import { createNetns, joinByCable, type Netns } from '../support/netns.ts';
import { everyFlag, guarded } from '../unit/traffic/wishes.ts';
import { connectForEver, serveTcp } from './traffic-connections.ts';
import { choices, leaseOf, openFirewall } from './traffic-firewalls.ts';

const outsideAddress = '203.0.113.9';
const port = 8080;
const linesOf = (text: string) => text.split('\n').filter(line => line !== '');

async function house(
  t: TestContext,
): Promise<{ scope: Scope; host: Netns; container: Netns; outside: Netns }> {
  const scope = testScope(t);
  const [host, container, outside] = (await Promise.all(
    ['host', 'container', 'outside'].map(label => createNetns(scope, label)),
  )) as [Netns, Netns, Netns];
  await joinByCable(
    { netns: host, device: 'cbr', address: '10.2.1.1/24' },
    { netns: container, address: '10.2.1.2/24', gateway: '10.2.1.1' },
  );
  await joinByCable(
    { netns: host, device: 'eth0', address: '203.0.113.1/24' },
    { netns: outside, address: `${outsideAddress}/24` },
  );
  await host.run('sysctl -q -w net/ipv4/ip_forward=1');
  await serveTcp(outside, port);
  return { scope, host, container, outside };
}

for (const [name, choice] of choices) {
  test(`${name}: containers reach the outside as the host, and no connection is lost while rules are rewritten`, async t => {
    const { scope, host, container } = await house(t);
    // So that the forward rules matter at every instant too; nftables' own cannot help against it.
    if (choice.engine === 'iptables') await host.run(`iptables-${choice.iptablesVariant} -P FORWARD DROP`);
    const { firewall } = openFirewall(scope, host, choice);
    await firewall.replacePeers([]);
    await firewall.apply(guarded);
    const client = await connectForEver(container, { address: outsideAddress, port });
    await client.waitForOutput(/203/);
    for (let round = 0; round < 20; round++) {
      const ipMasqExclude = [parsePrefix(`10.${100 + round}.0.0/16`)];
      await firewall.apply({ ...guarded, ipMasqExclude });
      await firewall.putPeer(leaseOf(`10.2.${round + 2}.0/24`, `192.0.2.${round + 2}`));
    }
    const before = linesOf(client.output).length;
    await client.waitFor('more connections', () => linesOf(client.output).length > before + 5);
    await client.kill();
    assert.deepEqual([...new Set(linesOf(client.output))], ['::ffff:203.0.113.1']);
    assert.equal(await retransmissions(container), 0, 'no packet was lost on the way');
  });

  test(`${name}: an excluded destination sees the container itself`, async t => {
    const { scope, host, container, outside } = await house(t);
    await outside.ipBatch(['route add 10.2.1.0/24 via 203.0.113.1']);
    const { firewall } = openFirewall(scope, host, choice);
    await firewall.apply({ ...everyFlag, ipMasqExclude: [parsePrefix('203.0.113.0/24')] });
    const client = await connectForEver(container, { address: outsideAddress, port });
    await client.waitForOutput(/10\.2\.1\.2/);
    await client.kill();
    assert.deepEqual([...new Set(linesOf(client.output))], ['::ffff:10.2.1.2']);
  });
}

/** TCP segments that the namespace had to send again. */
async function retransmissions(netns: Netns): Promise<number> {
  const [names = [], values = []] = linesOf(await netns.run('cat /proc/net/snmp'))
    .filter(line => line.startsWith('Tcp:'))
    .map(line => line.split(' '));
  return Number(values[names.indexOf('RetransSegs')]);
}
