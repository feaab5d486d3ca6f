/** A trace, and a packet, followed on both hosts: what the far daemon sees is named from here, and mended there. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { Scope } from '../../src/base/scope.ts';
import { culpritOf, type Trace } from '../../src/trace/hop.ts';
import { eventually } from '../support/eventually.ts';
import { testScope } from '../support/leaks.ts';
import { askDoor } from '../support/peer-asker.ts';
import { createCluster, joinAll } from '../support/weft-cluster.ts';
import type { Container, WeftHost } from '../support/weft-host.ts';
import { createUnderlay } from '../support/weft-underlay.ts';
import { launcher } from './cli-weft.ts';

const underlay = await createUnderlay(testScope({ after }));

interface Pair {
  readonly a: WeftHost;
  readonly b: WeftHost;
  readonly container: Container;
  /** From a to the container of b, unless told otherwise. */
  trace(...flags: string[]): Promise<string>;
  live(): Promise<string>;
}

async function openPair(scope: Scope, flags: { readonly b?: readonly string[] } = {}): Promise<Pair> {
  const cluster = await createCluster(scope, underlay);
  const [a, b] = await cluster.addHosts('a', 'b');
  if (flags.b === undefined) await joinAll(cluster, [a, b]);
  else await Promise.all([a.join(), b.join(flags.b)]);
  const container = await b.addContainer();
  const registry = ['-etcd-endpoints', underlay.etcd.url, '-etcd-prefix', cluster.prefix];
  const trace = async (...more: string[]): Promise<string> =>
    await a.run([
      'sh',
      '-c',
      '"$@" || true',
      'sh',
      launcher,
      'trace',
      ...registry,
      ...more,
      container.address,
    ]);
  if (flags.b === undefined)
    await eventually('the door', async () => {
      const { status } = await askDoor({ netns: a.netns, address: b.address }, '/v1/hello');
      return status === 200;
    });
  // The container is known at its bridge, and each host to the other.
  await eventually('a ping', async () => {
    await a.netns.run(['ping', '-c1', '-W1', container.address]).catch(() => '');
    return /0% packet loss|bytes from/.test(
      await a.netns.run(['ping', '-c1', '-W1', container.address]).catch(() => ''),
    );
  });
  return { a, b, container, trace, live: () => trace('-live') };
}

test('the other half is drawn as the daemon there sees it, to the port of the container and back', async t => {
  const { b, container, trace } = await openPair(testScope(t));
  const text = await trace();
  const there = text.slice(text.indexOf(`┌ ${b.address}, as its daemon sees it`), text.indexOf('└'));
  for (const line of [
    /├ around it, the outer packet/,
    /● device +eth0: <UP> mtu 1500 veth/,
    /├ out of it, the packet itself/,
    /● device +flannel\.1: <UP> mtu 1450 vxlan id 1/,
    /● forwarding +net\/ipv4\/ip_forward = 1/,
    /● route +10\.2\.\d+\.0\/24 dev cni0/,
    /● bridge +cni0: <UP>/,
    /● port +veth\d+: <UP>/,
    new RegExp(`\\? container +${container.address.replaceAll('.', '\\.')}: what is inside`),
    new RegExp(`┌ the way back: ${b.address.replaceAll('.', '\\.')}, as its daemon sees it`),
    /● FDB entry +[0-9a-f:]+ dev flannel\.1 dst 192\.0\.2\.\d+ self permanent/,
    /┌ the way back: this host/,
  ])
    assert.match(there, line, text);
  assert.doesNotMatch(there, /○ (?!lease)/);
  assert.match(text, /nothing is wrong on the way to .*, as far as both hosts see\n$/);
});

interface Fault {
  readonly name: string;
  /** What is done on b. */
  harm(pair: Pair): Promise<unknown>;
  readonly says: RegExp;
}

const faults: readonly Fault[] = [
  {
    name: 'a FORWARD rule that drops',
    harm: ({ b }) => b.netns.run('iptables -I FORWARD -i flannel.1 -j DROP'),
    says: /✖ firewall +-A FORWARD -i flannel\.1 -j DROP[\s\S]*broken at the firewall of 192\.0\.2\.\d+: iptables -t filter FORWARD drops it/,
  },
  {
    name: 'a bridge that is down',
    harm: ({ b }) => b.netns.ipBatch(['link set cni0 down']),
    says: /✖ bridge +cni0: <DOWN>[\s\S]*broken at the bridge of 192\.0\.2\.\d+: cni0 is down/,
  },
  {
    name: 'no forwarding',
    harm: ({ b }) => b.netns.run('sysctl -qw net.ipv4.ip_forward=0'),
    says: /broken at the forwarding of 192\.0\.2\.\d+: this host forwards no IPv4 packets/,
  },
  {
    name: 'the route to its own bridge gone',
    harm: ({ b, container }) =>
      b.netns.ipBatch([`route del ${container.address.replace(/\d+$/, '0')}/24 dev cni0`]),
    says: /broken at the route of 192\.0\.2\.\d+: /,
  },
];

for (const { name, harm, says } of faults) {
  test(`at the other host, ${name} is named from here, and what is printed mends it there`, async t => {
    const pair = await openPair(testScope(t));
    const { a, b, container, trace } = pair;
    await harm(pair);
    const text = await trace();
    assert.match(text, says);
    await mend(b, text);
    assert.doesNotMatch(await trace(), /broken|✖/);
    await eventually('an answer', async () => {
      const said = await a.netns.run(['ping', '-c1', '-W1', container.address]).catch(() => '');
      return /bytes from/.test(said);
    });
  });
}

/** Does what is printed, on the host that is named. */
async function mend(host: WeftHost, text: string): Promise<void> {
  const [, on, commands = ''] = /what to do on (\S+):[^\n]*\n((?: {2}.*\n)*)/.exec(text) ?? [];
  assert.equal(on, host.address, text);
  await host.netns.run(['sh', '-euc', commands.replaceAll(' \\\n', ' ')]);
}

test('an entry that the way back lacks, because something keeps removing it, is named from here', async t => {
  const { b, trace } = await openPair(testScope(t));
  const [mac = ''] = (await b.overlay()).fdb[0]?.split(' ') ?? [];
  const remove = `bridge fdb del ${mac} dev flannel.1 2>/dev/null`;
  const remover = await b.netns.start(['sh', '-c', `while :; do ${remove}; sleep 0.005; done`]);
  await eventually('the missing entry', async () => {
    const { hops } = JSON.parse(await trace('-json')) as Trace;
    const culprit = culpritOf(hops);
    return (
      culprit?.kind === 'fdb' &&
      culprit.host === 'there' &&
      culprit.direction === 'back' &&
      culprit.remedy?.on === b.address
    );
  });
  await remover.kill();
});

test('where no daemon answers there, the registry tells, and one line says why', async t => {
  const { b, trace } = await openPair(testScope(t), { b: ['-peer-port', '0'] });
  const text = await trace();
  assert.ok(text.includes(`┌ ${b.address}, as the registry has it`), text);
  assert.ok(
    text.includes(`the other host was not heard: no daemon of Weft listens at ${b.address}:8473`),
    text,
  );
  const unasked = await trace('-peer-port', '0');
  assert.doesNotMatch(unasked, /was not heard/);
});

test('-live shows on which devices of both hosts its packet was seen, and where it was lost', async t => {
  const { a, b, container, live } = await openPair(testScope(t));
  const answered = await live();
  assert.match(
    answered,
    new RegExp(
      `● eth0 +seen after .*\\non ${b.address}, by its own clock\\n  ● eth0 +seen.*\\n  ● flannel\\.1 +seen.*\\n  ● cni0 +seen.*\\n  ● veth\\d+ +seen.*\\n  answered\\n$`,
    ),
    answered,
  );
  const losses: ReadonlyArray<readonly [string, () => Promise<unknown>, () => Promise<unknown>, RegExp]> = [
    [
      'the underlay',
      () => dropUdp(b.port),
      passAgain,
      /last seen at eth0, not seen at eth0 on 192\.0\.2\.\d+: lost between the two/,
    ],
    [
      'a guard of the tunnel there',
      () => b.netns.run('iptables -t raw -I PREROUTING -p udp --dport 8472 -j DROP'),
      () => b.netns.run('iptables -t raw -D PREROUTING 1'),
      /last seen at eth0 on 192\.0\.2\.\d+, not seen at flannel\.1 there/,
    ],
    [
      'a rule of forwarding there',
      () => b.netns.run('iptables -I FORWARD -p icmp --icmp-type echo-request -j DROP'),
      () => b.netns.run('iptables -D FORWARD 1'),
      /last seen at flannel\.1 on 192\.0\.2\.\d+, not seen at cni0 there/,
    ],
    [
      'the container itself',
      () => container.netns.run('iptables -I INPUT -p icmp -j DROP'),
      () => container.netns.run('iptables -F'),
      /it arrived at veth\d+ on 192\.0\.2\.\d+, and no answer came from there/,
    ],
    [
      'the way back over the underlay',
      () => dropUdp(a.port),
      passAgain,
      /its answer was last seen at eth0 on 192\.0\.2\.\d+, not seen at eth0: lost between the two/,
    ],
  ];
  for (const [where, harm, undo, says] of losses) {
    await harm();
    assert.match((await live()).replace(/\s+/g, ' '), says, where);
    await undo();
  }
});

/** Tunnel packets towards the host at this port of the switch; what is asked at the doors passes. */
async function dropUdp(port: string): Promise<string> {
  const chain = `type filter hook forward priority 0; oifname "${port}" ip protocol udp drop;`;
  return await underlay.bridge.run('nft -f -', { input: `table bridge lossy { chain c { ${chain} }; }` });
}

async function passAgain(): Promise<string> {
  return await underlay.bridge.run('nft delete table bridge lossy');
}
