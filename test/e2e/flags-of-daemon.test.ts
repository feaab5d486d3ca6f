/** Whoever looks at a host on which the daemon runs need not repeat its flags. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import process from 'node:process';
import { after, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { testScope } from '../support/leaks.ts';
import { createCluster, eventuallyMeshed } from '../support/weft-cluster.ts';
import type { WeftHost } from '../support/weft-host.ts';
import { createUnderlay } from '../support/weft-underlay.ts';
import { eventuallyEmpty, said } from './plan-house.ts';

const flanneld = process.env['FLANNELD'] ?? '';
const underlay = await createUnderlay(testScope({ after }));

/** Both outputs of a command without any flag that says which network it is. */
async function saidOn(
  host: WeftHost,
  command: string,
): Promise<{ readonly code: number; readonly text: string }> {
  return await said(host, ['sh', '-c', `bin/weft ${command} 2>&1`]);
}

function noteOf(name: string, flags: string): RegExp {
  return new RegExp(`^weft: ${flags} as given to ${name}, pid \\d+,\\s+which\\s+runs\\s+here$`, 'm');
}

test('status, plan, doctor and trace without flags look at the network of the daemon', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const [a, b] = await cluster.addHosts('a', 'b');
  for (const host of [a, b]) await host.join(['-ip-masq']);
  await eventuallyMeshed(cluster, [a, b]);
  const { subnet } = await b.subnetEnv();
  await eventuallyEmpty({ ...a, flags: [...a.flags, '-ip-masq'] });
  const address = subnet.replace('.0/24', '.0');
  const answers: ReadonlyArray<readonly [command: string, flags: string, answer: RegExp]> = [
    ['status', '-etcd-endpoints -etcd-prefix -iface -ip-masq', /^registry .*: answers$/m],
    ['plan', '-etcd-endpoints -etcd-prefix -iface -ip-masq', /^# nothing to do: 1 peer, /m],
    ['doctor', '-etcd-endpoints -etcd-prefix -iface -ip-masq', /^nothing is wrong; \d+ checks in \d+ ms$/m],
    [`trace ${address}`, '-etcd-endpoints -etcd-prefix', new RegExp(b.address.replaceAll('.', '\\.'))],
  ];
  for (const [command, flags, answer] of answers) {
    await eventually(command, async () => {
      const { code, text } = await saidOn(a, command);
      assert.equal(code, 0, `${command}: ${text}`);
      assert.match(text.replace(/\n {6}/g, ' '), noteOf('weft run', flags), command);
      assert.match(text, answer, command);
      return true;
    });
  }
});

test('flanneld’s flags are as good', {
  skip: flanneld === '' && 'FLANNELD is not set: it names a flanneld to ask',
}, async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const [a] = await cluster.addHosts('a');
  const daemon = await a.start([flanneld, ...a.flags, '-v', '2']);
  await daemon.waitFor('subnet.env', () => existsSync(a.file('/run/flannel/subnet.env')));
  const { text } = await saidOn(a, 'status');
  assert.match(text.replace(/\n {6}/g, ' '), noteOf('flanneld', '-etcd-endpoints -etcd-prefix -iface'));
  assert.match(text, /^registry .*: answers$/m);
});
