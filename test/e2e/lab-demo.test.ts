import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { type KernelEvent, monitor } from '../../src/kernel/monitor.ts';
import { type LabBackend, labBackends } from '../../src/lab/lab-network.ts';
import { labFamilies } from '../../src/lab/lab-plan.ts';
import { run } from '../support/command.ts';
import { eventually } from '../support/eventually.ts';
import { testScope } from '../support/leaks.ts';
import { createNetns } from '../support/netns.ts';

function remains(): string[] {
  const namespaces = readdirSync('/run/netns').filter(name => name.startsWith('weft-demo-'));
  return [...namespaces, ...(existsSync('/run/weft/lab/demo') ? ['its state'] : [])];
}

test('the demo pings both ways without loss, explains itself, leaves nothing, and does so again', async t => {
  testScope(t);
  for (const round of ['first', 'second']) {
    const said = await run('bin/weft lab demo');
    assert.deepEqual(remains(), [], `after the ${round} round`);
    assert.equal(said.match(/5 sent, 5 received, 0 % lost/g)?.length, 2, said);
    const [, subnet, gateway] = /\(1\) route +(\S+) via (\S+) dev flannel\.1/.exec(said) ?? [];
    const [, mac] = new RegExp(`\\(2\\) neighbour +${gateway} lladdr (\\S+) PERMANENT`).exec(said) ?? [];
    assert.match(said, new RegExp(`\\(3\\) FDB entry +${mac} dst 192\\.0\\.2\\.12 self permanent`));
    assert.ok(subnet?.startsWith(`${gateway}/`));
    assert.match(said, /MTU 1500 - 50 = 1450/);
    assert.deepEqual(
      said.split('\n').filter(line => [...line].length > 100),
      [],
    );
    assert.ok(!said.includes('\x1b'), 'no colours where nobody sees them');
  }
});

/** What the demo says of each: what carries the packets, and how many bytes it adds to those of IPv4 and of IPv6. */
const sayings: Readonly<Record<LabBackend, { readonly carries: RegExp; readonly wire: readonly RegExp[] }>> =
  {
    vxlan: {
      carries: /three entries in host1's kernel\n\(1\) route .* onlink\n/,
      wire: [/MTU 1500 - 50 = 1450/, /MTU 1500 - 70 = 1430/],
    },
    'vxlan-direct': {
      carries: /one route in host1's kernel\n\(1\) route .* dev eth0 .*\n.*which is on this link\n/,
      wire: [/On the wire between them: nothing is added/, /On the wire between them: nothing is added/],
    },
    'host-gw': {
      carries: /one route in host1's kernel\n\(1\) route .* dev eth0 .*\n.*which is on this link\n/,
      wire: [/packet, ≤ 1500/, /packet, ≤ 1500/],
    },
    udp: {
      carries: /host1's daemon\n\(1\) route .* dev flannel0.*\n.*\n\(2\) its table .*UDP 8285\n/,
      wire: [/MTU 1500 - 28 = 1472/, /MTU 1500 - 48 = 1452/],
    },
  };

for (const backend of labBackends) {
  for (const family of labFamilies) {
    test(`the demo of ${backend} with --family ${family} loses no packet, and tells what carries it`, async t => {
      testScope(t);
      const said = await run(['bin/weft', 'lab', 'demo', '--backend', backend, '--family', family]);
      assert.equal(said.match(/5 sent, 5 received, 0 % lost/g)?.length, 2 * family.length, said);
      const { carries, wire } = sayings[backend];
      assert.match(said, carries);
      for (const digit of family) assert.match(said, wire[digit === '4' ? 0 : 1] ?? /$^/);
      const wide = said.split('\n').filter(line => [...line].length > 100);
      assert.deepEqual(wide, []);
      assert.deepEqual(remains(), []);
    });
  }
}

test('the namespace that the demo is called in never sees a device, an address or a route of it', async t => {
  const scope = testScope(t);
  const { path, run: runInside } = await createNetns(scope, 'machine');
  const events: KernelEvent[] = [];
  const watch = scope.own('monitor', monitor({ netns: path, onEvent: event => void events.push(event) }));
  await runInside('bin/weft lab demo');
  assert.deepEqual(events, []);
  await runInside('ip link add canary type bridge');
  await eventually('the event that proves that the monitor works', () => events.length > 0);
  watch.close();
});

test('a reader who has seen enough gets the demo cleared away all the same', async t => {
  testScope(t);
  await run(['sh', '-c', 'bin/weft lab demo | head -1']);
  await eventually('nothing left', () => remains().length === 0);
});

test('Ctrl-C in the demo takes everything away', async t => {
  testScope(t);
  const demo = spawn('bin/weft', ['lab', 'demo']);
  const ended = once(demo, 'exit');
  await eventually('namespaces', () => remains().length > 3);
  demo.kill('SIGINT');
  assert.deepEqual(await ended, [1, null]);
  assert.deepEqual(remains(), []);
});

test('a demo after one that was killed clears up after it', async t => {
  testScope(t);
  const demo = spawn('bin/weft', ['lab', 'demo']);
  const ended = once(demo, 'exit');
  await eventually('namespaces', () => remains().length > 3);
  demo.kill('SIGKILL');
  await ended;
  await run('bin/weft lab demo');
  assert.deepEqual(remains(), []);
});

test('needs neither ping nor etcd nor Docker: only ip', async t => {
  testScope(t);
  const hide = ['ping', 'etcd', 'dockerd', 'iptables', 'nft', 'nsenter', 'bridge']
    .map(program => `p=$(command -v ${program}) && mount --bind /dev/null "$p"`)
    .join('; ');
  await run(['unshare', '--mount', 'sh', '-c', `${hide}; exec bin/weft lab demo`]);
});
