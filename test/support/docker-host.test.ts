import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Scope } from '../../src/base/scope.ts';
import { ownCgroups } from './cgroups.ts';
import { createDockerHost } from './docker-host.ts';
import { assertNoLeaks, takeInventory } from './leaks.ts';
import { joinByCable } from './netns.ts';
import { skipWithoutRealRoot } from './privilege.ts';
import { joinByVxlan } from './vxlan-by-hand.ts';

/** The control of e2e/docker-vxlan.test.ts: when this fails, look at the machine, not at Weft. */
test('containers of two dockerds meet over a VXLAN made by hand, and nothing is left of them afterwards', {
  skip: skipWithoutRealRoot,
}, async () => {
  const before = takeInventory();
  const scope = new Scope();
  try {
    const a = await createDockerHost(scope, 'host-a', { iptables: 'legacy', storage: 'vfs' });
    const b = await createDockerHost(scope, 'host-b', { iptables: 'nft', storage: 'overlay2' });
    await joinByCable(
      { netns: a.netns, address: '192.0.2.1/24' },
      { netns: b.netns, address: '192.0.2.2/24' },
    );
    await joinByVxlan(
      '10.2.0.0/16',
      { host: a, underlay: '192.0.2.1', subnet: '10.2.1.0' },
      { host: b, underlay: '192.0.2.2', subnet: '10.2.2.0' },
    );
    const [one, other] = await Promise.all(
      [a, b].map(async (host, index) => {
        const docker = await host.startDocker([
          `--bip=10.2.${index + 1}.1/24`,
          '--mtu=1450',
          '--ip-masq=false',
        ]);
        return docker.startContainer('c1');
      }),
    );
    assert.equal(one?.address, '10.2.1.2');
    assert.match((await one?.run('ping -c3 -W5 10.2.2.2')) ?? '', / 0% packet loss/);
    assert.match((await other?.run('ping -c3 -W5 10.2.1.2')) ?? '', / 0% packet loss/);
    assert.equal(ownCgroups().size, 2, 'the containers have their cgroups below ours');
  } finally {
    await scope.close();
  }
  await assertNoLeaks(before);
});
