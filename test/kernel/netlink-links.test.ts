import assert from 'node:assert/strict';
import { closeSync } from 'node:fs';
import { test } from 'node:test';
import { parseIp } from '../../src/base/ip.ts';
import { parseMac } from '../../src/base/mac.ts';
import { links } from '../../src/kernel/links.ts';
import { NetlinkError } from '../../src/sys/netlink-error.ts';
import { openNetns } from '../../src/sys/netns.ts';
import type { Link, LinkSpec } from '../../src/wire/link.ts';
import type { Vxlan } from '../../src/wire/vxlan-link.ts';
import { testScope } from '../support/leaks.ts';
import { createNetns } from '../support/netns.ts';
import { both, cable, openPair, openSide, type Pair, sameText, sameValue } from './netlink-pair.ts';

const mac = parseMac('0a:00:00:00:00:01');
const v0 = 3;
const v1 = 2;

/** Creates by request and by line, compares what `ip` and what we say of it, and deletes by request and by line. */
async function createBoth(
  pair: Pair,
  spec: LinkSpec,
): Promise<{ readonly text: string; readonly link: Link }> {
  await both(pair, links.requests.add(spec));
  const text = await sameText(pair, `ip -d link show ${spec.name}`);
  const link = await sameValue(pair, socket => links.get(socket, spec.name));
  assert.ok(link !== undefined);
  await both(pair, links.requests.delete(link));
  assert.equal(await sameValue(pair, socket => links.get(socket, spec.name)), undefined);
  return { text, link };
}

test('a VXLAN device has the attributes it was given, and its line makes the same', async t => {
  const pair = await openPair(testScope(t), [...cable, 'address add 192.0.2.1/24 dev v0']);
  const cases: ReadonlyArray<readonly [Omit<Vxlan, 'kind'>, RegExp]> = [
    [{ vni: 1 }, /vxlan id 1 srcport 0 0 dstport 8472 ttl auto ageing 300/],
    [
      { vni: 1, dev: v0, local: parseIp('192.0.2.1'), port: 8472, learning: false },
      /vxlan id 1 local 192.0.2.1 dev v0 srcport 0 0 dstport 8472 nolearning ttl auto ageing 300 udpcsum/,
    ],
    [
      {
        vni: 0xffffff,
        dev: v0,
        local: parseIp('192.0.2.1'),
        group: parseIp('192.0.2.9'),
        port: 4789,
        sourcePorts: { low: 1000, high: 2000 },
        ttl: 7,
        tos: 4,
        df: 1,
        learning: false,
        ageingSeconds: 77,
        limit: 9,
        proxy: true,
        rsc: true,
        l2miss: true,
        l3miss: true,
        udpChecksum: false,
        udp6ZeroChecksumTx: true,
        udp6ZeroChecksumRx: true,
        remoteChecksumTx: true,
        remoteChecksumRx: true,
        gbp: true,
      },
      /id 16777215 remote 192.0.2.9 local 192.0.2.1 dev v0 srcport 1000 2000 dstport 4789 nolearning proxy rsc l2miss l3miss tos 0x4 ttl 7 df set ageing 77 maxaddr 9 noudpcsum udp6zerocsumtx udp6zerocsumrx remcsumtx remcsumrx gbp/,
    ],
    [
      {
        vni: 6,
        local: parseIp('2001:db8::1'),
        group: parseIp('ff02::5'),
        dev: v0,
        flowLabel: 0x12345,
        port: 4790,
      },
      /id 6 group ff02::5 local 2001:db8::1 dev v0 srcport 0 0 dstport 4790 ttl auto flowlabel 0x12345/,
    ],
    [{ vni: 7, ttlInherit: true, tos: 1, df: 2 }, /tos inherit ttl inherit df inherit/],
    [
      { vni: 8, ttl: 0, learning: true, gbp: false, proxy: false },
      /id 8 srcport 0 0 dstport 8472 ttl auto ageing/,
    ],
    [{ vni: 0, external: true, vniFilter: true, port: 4791 }, /vxlan external vnifilter/],
    [{ vni: 0, external: true, gpe: true, port: 4790 }, /vxlan external .*dstport 4790 .*gpe/],
  ];
  for (const [vxlan, expected] of cases) {
    // A device with the generic protocol extension is a bare IP device.
    const settings = { name: 'vx.1', mac: vxlan.gpe === true ? undefined : mac, mtuBytes: 1400 };
    const { text, link } = await createBoth(pair, { ...settings, kind: { kind: 'vxlan', ...vxlan } });
    assert.match(text, expected);
    assert.match(
      text,
      vxlan.gpe === true ? /mtu 1400 .*link\/none/s : /mtu 1400 .*link\/ether 0a:00:00:00:00:01/s,
    );
    assert.partialDeepStrictEqual(link, { ...settings, up: false });
    assert.partialDeepStrictEqual(link.kind, { kind: 'vxlan', ...vxlan });
  }
});

test('links of every kind are created as their line creates them', async t => {
  const pair = await openPair(testScope(t), [...cable, 'link add br0 address 0a:00:00:00:00:b0 type bridge']);
  const master = (await sameValue(pair, socket => links.get(socket, 'br0')))?.index ?? 0;
  const cases: ReadonlyArray<readonly [LinkSpec, RegExp]> = [
    [{ name: 'b1', mac, up: true, kind: { kind: 'bridge' } }, /UP.*bridge .*stp_state 0/s],
    [{ name: 'b1', mac, kind: { kind: 'bridge', stp: true } }, /stp_state 1/],
    [
      {
        name: 'v2',
        mac,
        mtuBytes: 1400,
        txQueueLength: 77,
        master,
        up: true,
        kind: {
          kind: 'veth',
          peer: { name: 'v3', mac: parseMac('0a:00:00:00:00:02'), mtuBytes: 1300, txQueueLength: 66 },
        },
      },
      /v2@v3: <.*UP.* mtu 1400 .* master br0 .* qlen 77\n.*ether 0a:00:00:00:00:01.*veth/s,
    ],
  ];
  for (const [spec, expected] of cases) {
    const { text, link } = await createBoth(pair, spec);
    assert.match(text, expected);
    const { kind, ...settings } = spec;
    assert.partialDeepStrictEqual(link, settings);
    assert.equal(link.kind.kind, kind?.kind);
    if (kind?.kind === 'bridge') assert.partialDeepStrictEqual(link.kind, kind);
  }
});

test('a bridge filters VLANs where the kernel can, and is refused as `ip` is where it cannot', async t => {
  const pair = await openPair(testScope(t));
  const spec = { name: 'b1', mac, kind: { kind: 'bridge', vlanFiltering: true } } as const;
  const refused = await pair.theirs.netns.run(links.requests.add(spec).what()).then(
    () => false,
    () => true,
  );
  if (refused) {
    await assert.rejects(links.add(pair.ours.socket, spec), { code: 'netlink-eopnotsupp', remedy: /kernel/ });
  } else {
    await links.add(pair.ours.socket, spec);
    assert.match(await sameText(pair, 'ip -d link show b1'), /vlan_filtering 1/);
    assert.deepEqual((await links.get(pair.ours.socket, 'b1'))?.kind, { ...spec.kind, stp: false });
  }
});

test('the other end of a veth pair takes its settings, and the two know each other', async t => {
  const { netns, socket } = await openSide(testScope(t), 'veth');
  const peer = { name: 'far', mac, mtuBytes: 1300, txQueueLength: 66 };
  await links.add(socket, { name: 'near', kind: { kind: 'veth', peer } });
  const [near, far] = [await links.get(socket, 'near'), await links.get(socket, 'far')];
  assert.partialDeepStrictEqual(far, {
    ...peer,
    kind: { kind: 'veth' },
    parent: near?.index,
    parentNetnsId: undefined,
  });
  assert.equal(near?.parent, far?.index);
  assert.match(await netns.run('ip link show far'), /far@near: .* mtu 1300 .* qlen 66\n.*0a:00:00:00:00:01/);
});

test('the other end of a veth pair is born in the namespace that is told, as with the line', async t => {
  const scope = testScope(t);
  const { netns, socket } = await openSide(scope, 'near');
  const far = await openSide(scope, 'far');
  const { path } = await createNetns(scope, 'line');
  const fd = openNetns(far.netns.path);
  const request = links.requests.add({
    name: 'eth0',
    mac,
    kind: { kind: 'veth', peer: { name: 'eth1', mtuBytes: 1400, netnsFd: fd } },
  });
  try {
    await socket.request(request);
  } finally {
    closeSync(fd);
  }
  assert.match(await far.netns.run('ip link show eth1'), /eth1@if\d+: .* mtu 1400/);
  const end = await links.get(far.socket, 'eth1');
  assert.equal(end?.parent, (await links.get(socket, 'eth0'))?.index);
  assert.equal(typeof end?.parentNetnsId, 'number');
  // The same by the line, from a shell that has a namespace open under the same number.
  await netns.run('ip link delete eth0');
  await netns.run(['bash', '-c', `exec ${fd}<${path}; ${request.what()}`]);
  assert.match(await netns.run('ip link show eth0'), /eth0@if\d+: /);
  assert.match(await netns.run(`nsenter --net=${path} ip link show eth1`), /eth1@if\d+: .* mtu 1400/);
});

test('a link is changed, renamed, enslaved, moved and deleted as its lines do it', async t => {
  const scope = testScope(t);
  const pair = await openPair(scope, [
    ...cable,
    'link add br0 address 0a:00:00:00:00:b0 type bridge',
    'link add vx0 address 0a:00:00:00:00:c0 type vxlan id 5 dstport 8472',
  ]);
  const br0 = (await sameValue(pair, socket => links.get(socket, 'br0')))?.index ?? 0;
  const changes: ReadonlyArray<
    readonly [string, Omit<LinkSpec, 'name'> & { readonly name?: string }, RegExp]
  > = [
    ['v0', { mtuBytes: 1400 }, /mtu 1400/],
    ['v0', { mac: parseMac('0a:00:00:00:00:77') }, /0a:00:00:00:00:77/],
    ['v0', { txQueueLength: 9, alias: 'the "near" end' }, /qlen 9.*alias the "near" end/s],
    ['v0', { up: false }, /state DOWN/],
    ['v0', { name: 'eth9', mtuBytes: 1300 }, /eth9@v1: .*mtu 1300/],
    ['eth9', { up: true, master: br0 }, /UP.* master br0/],
    ['eth9', { master: 0 }, /^(?!.*master)/s],
    [
      'vx0',
      { mac, kind: { kind: 'vxlan', vni: 5, learning: false, ageingSeconds: 99 } },
      /nolearning .*ageing 99/,
    ],
  ];
  for (const [name, change, expected] of changes) {
    const link = await sameValue(pair, socket => links.get(socket, name));
    assert.ok(link !== undefined);
    const spec = { name, ...change };
    await both(pair, links.requests.set(link, spec));
    assert.match(await sameText(pair, `ip -d link show ${spec.name}`), expected);
    const { kind, ...settings } = spec;
    const changed = await sameValue(pair, socket => links.get(socket, spec.name));
    assert.partialDeepStrictEqual(changed, {
      ...settings,
      master: spec.master === 0 ? undefined : spec.master,
    });
    if (kind !== undefined) assert.partialDeepStrictEqual(changed?.kind, kind);
  }
  assert.equal(await sameValue(pair, socket => links.get(socket, 'v0')), undefined);
});

test('a change by number alone renames nothing, whatever name it gives for messages', async t => {
  const { socket } = await openSide(testScope(t), 'set', cable);
  await links.set(socket, v1, { name: 'elsewhere', mtuBytes: 1400 });
  assert.partialDeepStrictEqual(await links.get(socket, 'v1'), { index: v1, mtuBytes: 1400 });
});

test('a new link gets its alias, which the kernel does not take at birth', async t => {
  const { netns, socket } = await openSide(testScope(t), 'alias');
  await links.add(socket, { name: 'b1', alias: 'made by weft', kind: { kind: 'bridge' } });
  assert.match(await netns.run('ip link show b1'), /alias made by weft/);
});

test('TUN and TAP devices are read back as they were made, and are not taken for each other', async t => {
  const { netns, socket } = await openSide(testScope(t), 'tun');
  await netns.ipBatch([
    'tuntap add tun0 mode tun user 5 group 6 multi_queue vnet_hdr pi',
    'tuntap add tap0 mode tap',
    'link set tun0 mtu 1300 up',
  ]);
  assert.partialDeepStrictEqual(await links.get(socket, 'tun0'), {
    up: true,
    mtuBytes: 1300,
    pointToPoint: true,
    mac: undefined,
    kind: {
      kind: 'tun',
      mode: 'tun',
      persistent: true,
      multiQueue: true,
      vnetHeader: true,
      packetInformation: true,
      owner: 5,
      group: 6,
    },
  });
  assert.deepEqual((await links.get(socket, 'tap0'))?.kind, {
    kind: 'tun',
    mode: 'tap',
    persistent: true,
    multiQueue: false,
    vnetHeader: false,
    packetInformation: false,
    owner: undefined,
    group: undefined,
  });
});

test('the loopback and a list of links are what `ip -br link` lists', async t => {
  const { netns, socket } = await openSide(testScope(t), 'list', [
    ...cable,
    'link add br0 address 0a:00:00:00:00:b0 type bridge',
  ]);
  const lo = await links.get(socket, 'lo');
  assert.partialDeepStrictEqual(lo, {
    index: 1,
    loopback: true,
    up: true,
    carrier: true,
    kind: { kind: 'none' },
  });
  const listed = JSON.parse(await netns.run('ip -j link')) as Array<{
    ifindex: number;
    ifname: string;
    mtu: number;
  }>;
  const own = (await links.list(socket)).map(({ index, name, mtuBytes }) => ({
    ifindex: index,
    ifname: name,
    mtu: mtuBytes,
  }));
  assert.deepEqual(
    own,
    listed.map(({ ifindex, ifname, mtu }) => ({ ifindex, ifname, mtu })),
  );
});

test('a refusal keeps the words of the kernel, as `ip` shows them', async t => {
  const { netns, socket } = await openSide(testScope(t), 'refusal', [
    'link add vx0 type vxlan id 5 dstport 8472',
    'link add v0 type veth peer name v1',
  ]);
  const refusals: ReadonlyArray<readonly [LinkSpec, string]> = [
    [{ name: 'vx1', kind: { kind: 'vxlan', vni: 5, port: 8472 } }, 'EEXIST'],
    [{ name: 'v1', kind: { kind: 'bridge' } }, 'EEXIST'],
    [{ name: 'vx1', kind: { kind: 'vxlan', vni: 6, dev: 99 } }, 'ENODEV'],
    [{ name: 'vx1', kind: { kind: 'vxlan', vni: 0x1000000 } }, 'ERANGE'],
    [{ name: 'x', kind: { kind: 'other', name: 'nosuchkind' } }, 'EOPNOTSUPP'],
    [{ name: 'b1', mtuBytes: 20, kind: { kind: 'vxlan', vni: 9 } }, 'EINVAL'],
  ];
  for (const [spec, errnoName] of refusals) {
    const line = links.requests.add(spec).what();
    await assert.rejects(links.add(socket, spec), error => {
      assert.ok(error instanceof NetlinkError);
      assert.equal(error.errnoName, errnoName, error.message);
      assert.equal(error.code, `netlink-${errnoName.toLowerCase()}`);
      assert.ok(error.message.startsWith(`${line} failed: ${errnoName} (`), error.message);
      if (error.kernelText !== '') assert.ok(error.message.endsWith(`the kernel says: ${error.kernelText}`));
      return true;
    });
  }
  // Such as "A VXLAN device with the specified VNI already exists", which `ip` shows after "Error: ".
  const again = links.requests.add({ name: 'vx1', kind: { kind: 'vxlan', vni: 5, port: 8472 } });
  const [outcome] = await socket.requestAll([again]);
  assert.ok(outcome?.ok === false && outcome.error instanceof NetlinkError);
  assert.match(outcome.error.kernelText, /VNI already exists/);
  await assert.rejects(netns.run(again.what()), new RegExp(`Error: ${outcome.error.kernelText}`));
});
