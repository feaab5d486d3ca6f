/** What only the operator can mend ends the daemon: exit code 1, a named error, what to do, and nothing changed. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { WeftError } from '../../src/base/errors.ts';
import { requireVxlan } from '../../src/daemon/preflight.ts';
import { NetlinkSocket } from '../../src/sys/netlink-socket.ts';
import type { NetlinkRequest } from '../../src/wire/netlink.ts';
import { testScope } from '../support/leaks.ts';
import { createNetns } from '../support/netns.ts';
import { type Cluster, createCluster, joinAll, leaseText, usualConfig } from '../support/weft-cluster.ts';
import { eventuallyLeadsTo, kernelOf, type WeftHost, type WeftOptions } from '../support/weft-host.ts';
import { createUnderlay } from '../support/weft-underlay.ts';

const underlay = await createUnderlay(testScope({ after }));

interface Refusal {
  readonly title: string;
  readonly config?: string;
  readonly flags?: readonly string[];
  readonly options?: WeftOptions;
  /** Leases that are there before. */
  readonly leases?: Readonly<Record<string, string>>;
  readonly says: readonly RegExp[];
  readonly exitCode?: number;
}

const withBackend = (backend: object): string => JSON.stringify({ Network: '10.2.0.0/16', Backend: backend });
const leaseOfHost = (octet: number): string =>
  leaseText({ publicIp: `192.0.2.${octet}`, mac: `0a:00:00:00:00:${octet}` });

const refusals: readonly Refusal[] = [
  {
    title: 'an interface that does not exist; those that do are listed with their addresses',
    flags: ['-iface', 'eth7', '-iface', 'eth8'],
    says: [/no interface fits -iface eth7, -iface eth8/, /lo \(127\.0\.0\.1/, /eth0 \(192\.0\.2\.\d+/],
  },
  {
    title: 'a regular expression that no interface matches',
    flags: ['-iface-regex', '^eth9'],
    says: [/no interface fits -iface-regex \^eth9/, /eth0 \(192\.0\.2\.\d+/],
  },
  {
    title: 'an interface without an address',
    flags: ['-iface', 'bare'],
    says: [/-iface bare \(bare has no usable IPv4 address\)/],
  },
  {
    title: 'a process without CAP_NET_ADMIN',
    options: { wrap: ['setpriv', '--bounding-set', '-net_admin', '--inh-caps', '-net_admin', '--'] },
    says: [/needs CAP_NET_ADMIN, which this process lacks/, /run as root, or give it/],
  },
  {
    title: 'a network without a free subnet: the range and its size are named, and how many are reserved',
    config: JSON.stringify({
      Network: '10.2.0.0/16',
      SubnetMin: '10.2.1.0',
      SubnetMax: '10.2.3.0',
      Backend: { Type: 'vxlan' },
    }),
    leases: {
      'subnets/10.2.1.0-24': leaseOfHost(91),
      'subnets/10.2.2.0-23': leaseOfHost(92),
      'subnets/test': 'x',
    },
    says: [
      /no subnet is free: \/24 of 10\.2\.0\.0\/16 from 10\.2\.1\.0 to 10\.2\.3\.0 holds 3/,
      /2 are taken.*2 of them reserved/,
    ],
  },
  {
    title: 'a backend that Weft has not got',
    config: withBackend({ Type: 'wireguard' }),
    says: [/Backend\.Type is wireguard, which flannel has and Weft has not/, /vxlan, host-gw, udp/],
  },
  {
    title: 'a backend that nobody knows; the nearest one is named',
    config: withBackend({ Type: 'vxlam' }),
    says: [/Backend\.Type is "vxlam", which nobody knows; did you mean vxlan\?/],
  },
  {
    title: 'a backend option that makes no sense',
    config: withBackend({ Type: 'vxlan', VNI: 16777216 }),
    says: [/VNI/, /16777215/],
  },
  {
    title: 'a network of IPv6 on an interface that has none',
    config: '{"EnableIPv4":false,"EnableIPv6":true,"IPv6Network":"fd00:2::/48","Backend":{"Type":"vxlan"}}',
    says: [/eth0 has no usable IPv6 address/],
  },
  {
    title: 'a health port that is taken',
    flags: ['-healthz-ip', '192.0.2.77', '-healthz-port', '8081'],
    says: [/listening on 192\.0\.2\.77:8081 for health checks failed/, /-healthz-port/],
  },
  {
    title: 'a flag that does not exist',
    flags: ['-ifaces', 'eth0'],
    says: [/-ifaces.*did you mean -iface\?/],
    exitCode: 2,
  },
];

for (const {
  title,
  config = usualConfig,
  flags = [],
  options,
  leases = {},
  says,
  exitCode = 1,
} of refusals) {
  test(`the daemon refuses ${title}`, async t => {
    const cluster = await createCluster(testScope(t), underlay, { config });
    const [a] = await cluster.addHosts('a');
    for (const [key, value] of Object.entries(leases)) await cluster.put(key, value);
    await a.netns.ipBatch(['link add bare type veth peer name far', 'link set bare up', 'link set far up']);
    const before = await worldOf(cluster, a);
    const weft = await a.start([
      ...(options?.wrap ?? []),
      'bin/weft',
      'run',
      ...withoutIface(a, flags),
      ...flags,
    ]);
    assert.deepEqual(await weft.exited, { code: exitCode, signal: null }, weft.output);
    // Long messages are wrapped for people.
    const said = weft.output.replace(/\s+/g, ' ');
    for (const pattern of says) assert.match(said, pattern);
    assert.doesNotMatch(said, /unexpected error|\bat .*\.ts:\d+/);
    assert.deepEqual(await worldOf(cluster, a), before);
  });
}

test('no default route and no -iface: refused; with a default route its interface is chosen, and said', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const [a] = await cluster.addHosts('a');
  const before = await worldOf(cluster, a);
  const weft = await a.start(['bin/weft', 'run', ...a.flags.slice(0, -2)]);
  assert.deepEqual(await weft.exited, { code: 1, signal: null });
  assert.match(
    weft.output.replace(/\s+/g, ' '),
    /there is no default route .* name it with -iface: lo \(127/,
  );
  assert.deepEqual(await worldOf(cluster, a), before);
  await a.netns.run('ip route add default via 192.0.2.10');
  const again = await a.start(['bin/weft', 'run', ...a.flags.slice(0, -2)]);
  await again.waitForOutput(/interface=eth0 .*because="it has the default route"/);
  await again.waitForOutput(/ ready /);
});

test('a full network refuses a newcomer and costs those who are in it nothing', async t => {
  const config =
    '{"Network":"10.2.0.0/16","SubnetMin":"10.2.1.0","SubnetMax":"10.2.2.0","Backend":{"Type":"vxlan"}}';
  const cluster = await createCluster(testScope(t), underlay, { config });
  const [a, b, late] = await cluster.addHosts('a', 'b', 'late');
  await joinAll(cluster, [a, b]);
  const before = await worldOf(cluster, late);
  const weft = await late.startWeft();
  assert.deepEqual(await weft.exited, { code: 1, signal: null });
  assert.match(
    weft.output.replace(/\s+/g, ' '),
    /no subnet is free: .* holds 2, and 2 are taken in etcd .*\(0 of them reserved\)/,
  );
  assert.deepEqual(await worldOf(cluster, late), before);
  const [peer] = [...(await cluster.leases())].flatMap(([subnet, { publicIp, mac }]) =>
    publicIp === b.address ? [{ subnet, publicIp, mac }] : [],
  );
  assert.ok(peer);
  await eventuallyLeadsTo(a, [peer]);
});

test('a kernel without VXLAN is told from one that has it, by the answer it gives to an unknown kind of device', async t => {
  const scope = testScope(t);
  const netns = await createNetns(scope, 'kernel');
  const socket = scope.own('socket', NetlinkSocket.open({ netns: netns.path }));
  await requireVxlan(socket);
  // Every kernel lacks this kind; it answers as one without VXLAN answers for VXLAN.
  const lacking = {
    request: (request: NetlinkRequest) => socket.request(askingForUnknownKind(request)),
  } as unknown as NetlinkSocket;
  await assert.rejects(requireVxlan(lacking), (error: unknown) => {
    assert.ok(error instanceof WeftError);
    assert.equal(error.code, 'vxlan-missing');
    assert.match(error.remedy ?? '', /modprobe vxlan/);
    assert.match(String((error.cause as Error).message), /EOPNOTSUPP/);
    return true;
  });
  assert.equal((await netns.run('ip -br link')).split('\n').filter(Boolean).length, 1, 'nothing was made');
});

/** The same request for a kind of device that is spelt otherwise. */
function askingForUnknownKind(request: NetlinkRequest): NetlinkRequest {
  const body = Buffer.from(request.body);
  const at = body.indexOf('vxlan');
  assert.ok(at > 0);
  body.write('vxlam', at);
  return { ...request, body };
}

/** The usual flags, without the usual interface where another choice is the matter. */
function withoutIface(host: WeftHost, flags: readonly string[]): readonly string[] {
  return flags.some(flag => flag.startsWith('-iface')) ? host.flags.slice(0, -2) : host.flags;
}

/** What must not change: the kernel, subnet.env, and all keys in etcd. */
async function worldOf(cluster: Cluster, host: WeftHost): Promise<unknown> {
  const keys = await underlay.etcd.ctl('get', '--prefix', `${cluster.prefix}/`);
  return [await kernelOf(host), await host.run('ls -A /run/flannel'), keys];
}
