/** As after a power cut: all hosts start at the same instant, and each must get a subnet and learn all others. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { testScope } from '../support/leaks.ts';
import { createCluster, eventuallyMeshed } from '../support/weft-cluster.ts';
import { waitUntilReady } from '../support/weft-host.ts';
import { createUnderlay } from '../support/weft-underlay.ts';

const underlay = await createUnderlay(testScope({ after }));

/** As many subnets as hosts in the end: whoever comes last must find the last one. */
const range = { first: 1, last: 20 };

for (const count of [2, 5, 20]) {
  test(`${count} hosts that start at the same instant get different subnets and learn all others`, async t => {
    const cluster = await createCluster(testScope(t), underlay);
    const hosts = await cluster.addHosts(...Array.from({ length: count }, (_, index) => `h${index + 1}`));
    const daemons = await Promise.all(hosts.map(host => host.startWeft()));
    await Promise.all(daemons.map(waitUntilReady));

    const leases = await cluster.leases();
    assert.deepEqual(
      [...leases.values()].map(lease => lease.publicIp).sort(),
      hosts.map(host => host.address).sort(),
      'one lease for each host',
    );
    for (const subnet of leases.keys()) {
      const octet = Number(/^10\.2\.(\d+)\.0\/24$/.exec(subnet)?.[1]);
      assert.ok(octet >= range.first && octet <= range.last, `${subnet} lies in the range of the config`);
    }
    const files = await Promise.all(hosts.map(host => host.subnetEnv()));
    assert.deepEqual(files.map(({ subnet }) => subnet).sort(), [...leases.keys()].sort());
    await eventuallyMeshed(cluster, hosts);
    assert.deepEqual(
      daemons.map(daemon => daemon.exit),
      hosts.map(() => undefined),
    );
  });
}
