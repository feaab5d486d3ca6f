import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import type { IpAddress } from '../../../src/base/ip.ts';
import { parsePrefix } from '../../../src/base/prefix.ts';
import { isOurs } from '../../../src/doctor/checks/clock.ts';
import { overlaps } from '../../../src/doctor/checks/network-overlap.ts';
import { findingOf, straysAmong } from '../../../src/doctor/checks/stray-keys.ts';
import { twinsAmong } from '../../../src/doctor/checks/twins.ts';
import { guessConfig } from '../../../src/doctor/config-guess.ts';
import { placeOf } from '../../../src/doctor/registry-place.ts';
import { parseLeaseAttrs } from '../../../src/lease/lease-attrs.ts';
import { parseNetworkConfig } from '../../../src/lease/network-config.ts';
import { parseSubnetEnv } from '../../../src/lease/subnet-env.ts';
import { openDirectoryRegistry } from '../../../src/registry/directory.ts';
import { openEtcdRegistry } from '../../../src/registry/etcd.ts';
import type { Registry, RegistryEntry } from '../../../src/registry/registry.ts';
import { scopedRegistry } from '../../../src/registry/scoped.ts';
import { readSubnetEntry } from '../../../src/registry/subnet-entries.ts';
import { systemClock } from '../../../src/sys/clock.ts';

const around = { clock: systemClock, random: Math.random };

test('commands name the registry by what it calls itself', async () => {
  const whole = openEtcdRegistry({
    endpoints: ['http://192.0.2.10:2379', '[2001:db8::1]:2379'],
    prefix: '/coreos.com/network/',
    ...around,
  });
  const scoped = scopedRegistry(whole, 'blue');
  try {
    const endpoints = 'http://192.0.2.10:2379,http://[2001:db8::1]:2379';
    const { flags, deleteCommand } = placeOf(whole.name);
    assert.deepEqual(flags, ['-etcd-endpoints', `'${endpoints}'`, '-etcd-prefix', '/coreos.com/network']);
    assert.equal(
      deleteCommand('subnets/10.2.3.0-24&fd00::-64'),
      `ETCDCTL_API=3 etcdctl --endpoints '${endpoints}' del -- '/coreos.com/network/subnets/10.2.3.0-24&fd00::-64'`,
    );
    assert.match(placeOf(scoped.name).readCommand('config'), / get -- \/coreos\.com\/network\/blue\/config$/);
    assert.equal(placeOf(whole.name).note, '');
    assert.match(placeOf('etcd https://etcd.example:2379/net').note, /--cacert/);
  } finally {
    await scoped.close();
    await whole.close();
  }
});

test('a key at the root of etcd, and one in a folder, have commands too', async () => {
  const root = openEtcdRegistry({ endpoints: ['http://127.0.0.1:2379'], prefix: '/', ...around });
  const folder = path.join(tmpdir(), `weft place ${process.pid}`);
  const files = await openDirectoryRegistry({ path: folder, ...around });
  try {
    assert.match(placeOf(root.name).deleteCommand('subnets/x'), / del -- \/subnets\/x$/);
    const place = placeOf(files.name);
    assert.deepEqual(place.flags, ['-registry', `'dir:${folder}'`]);
    assert.equal(place.deleteCommand('subnets/x'), `rm -f '${folder}/subnets/x' '${folder}/subnets/x.json'`);
    assert.equal(place.etcdctl, undefined);
  } finally {
    await root.close();
    await files.close();
    await rm(folder, { recursive: true });
  }
});

function entry(key: string, value: string): RegistryEntry {
  return { key, value, revision: 1n, permanent: false };
}

function vxlan(publicIp: string, mac: string, vni = 1): string {
  return JSON.stringify({
    PublicIP: publicIp,
    BackendType: 'vxlan',
    BackendData: { VNI: vni, VtepMAC: mac },
  });
}

const macs = ['0a:00:00:00:00:01', '0a:00:00:00:00:02', '0a:00:00:00:00:03'] as const;
const { config } = parseNetworkConfig('{"Network":"10.2.0.0/16"}');

test('a stray key is deleted by a command, unless its name is not what a terminal would show', () => {
  const registry = { name: 'dir:/var/lib/weft' } as Registry;
  const commandsFor = (key: string) =>
    findingOf({ registry }, { key, value: '{}', what: key }).remedy?.commands ?? [];
  assert.deepEqual(commandsFor("subnets/a'; reboot"), [
    `rm -f '/var/lib/weft/subnets/a'\\''; reboot' '/var/lib/weft/subnets/a'\\''; reboot.json'`,
  ]);
  for (const odd of ['\n', '\x1b', '\x9b']) assert.deepEqual(commandsFor(`subnets/a${odd}b`), []);
});

test('keys that are no leases, and leases that overlap or lie outside, are strays', () => {
  const entries = [
    entry('subnets/10.2.1.0-24', vxlan('192.0.2.1', macs[0])),
    entry('subnets/10.2.2.0-24', vxlan('192.0.2.2', macs[1])),
    entry('subnets/10.2.2.128-25', vxlan('192.0.2.3', macs[2])),
    entry('subnets/10.2.3.0-24', 'no JSON'),
    entry('subnets/10.3.0.0-24', vxlan('192.0.2.4', macs[2])),
    entry('subnets/rack', '{}'),
  ];
  const found = straysAmong(entries, config);
  assert.deepEqual(
    found.map(({ key, what }) => [key, what.replace(/^\S+ /, '').slice(0, 16)]),
    [
      ['subnets/10.2.3.0-24', 'whose subnet cou'],
      ['subnets/10.3.0.0-24', 'lies outside the'],
      ['subnets/rack', 'it names no subn'],
      ['subnets/10.2.2.128-25', 'overlaps subnets'],
    ],
  );
  const [stray] = straysAmong(entries.slice(1, 3), config, 'subnets/10.2.2.128-25');
  assert.equal(stray?.key, 'subnets/10.2.2.0-24', 'our own is none');
  assert.deepEqual(straysAmong(entries.slice(0, 2), config), []);
  assert.equal(straysAmong(entries, undefined).length, 3, 'without a config nothing is outside');
});

function leased(...entries: readonly RegistryEntry[]) {
  return entries.map(one => {
    const read = readSubnetEntry(one, () => {});
    assert.ok(read);
    return read;
  });
}

test('hosts that publish one address, or one MAC, are twins, and our own is never the one to go', () => {
  const [one, two, three] = leased(
    entry('subnets/10.2.1.0-24', vxlan('192.0.2.1', macs[0])),
    entry('subnets/10.2.2.0-24', vxlan('192.0.2.2', macs[0])),
    entry('subnets/10.2.3.0-24', vxlan('192.0.2.2', macs[2])),
  );
  assert.ok(one && two && three);
  const found = twinsAmong([one, two, three], two.key);
  assert.deepEqual(
    found.map(({ what, one: first, other }) => [what, first.key, other.key]),
    [
      [`the VTEP MAC ${macs[0]}`, two.key, one.key],
      ['the address 192.0.2.2', two.key, three.key],
    ],
  );
  assert.deepEqual(twinsAmong([one, three], undefined), []);
});

test('the config is told by the subnet file and by what most leases publish', () => {
  const env = parseSubnetEnv('FLANNEL_NETWORK=10.2.0.0/16\nFLANNEL_SUBNET=10.2.3.1/23\nFLANNEL_MTU=1450\n');
  const lease = (value: string) => ({
    subnet: { ipv4: parsePrefix('10.2.3.0/24'), ipv6: undefined },
    attrs: parseLeaseAttrs(value),
    permanent: false,
  });
  const leases = [
    lease(vxlan('192.0.2.1', macs[0], 7)),
    lease('{"PublicIP":"192.0.2.3","BackendType":"host-gw"}'),
    lease(vxlan('192.0.2.2', macs[1], 7)),
  ];
  const guess = guessConfig(env, leases);
  assert.equal(guess, '{"Network":"10.2.0.0/16","SubnetLen":23,"Backend":{"Type":"vxlan","VNI":7}}');
  assert.deepEqual(parseNetworkConfig(guess ?? '').warnings, []);
  const six = parseSubnetEnv('FLANNEL_IPV6_NETWORK=fd00::/48\nFLANNEL_IPV6_SUBNET=fd00::1/64\n');
  const { config: parsed } = parseNetworkConfig(guessConfig(six, []) ?? '');
  assert.deepEqual(
    [parsed.enableIpv4, parsed.ipv6Network, parsed.ipv6SubnetLength],
    [false, 'fd00::/48', 64],
  );
  assert.equal(guessConfig(parseSubnetEnv(''), leases), undefined);
});

test('addresses of the network on devices that have nothing to do with it overlap it', () => {
  const address = (dev: string, text: string) => {
    const [local = '', length] = text.split('/');
    return { dev, local: local as IpAddress, prefixLength: Number(length) };
  };
  const on = (dev: string, text: string): number =>
    overlaps(
      { addresses: [address(dev, text)] },
      {
        networks: [parsePrefix('10.2.0.0/16')],
        own: { ipv4: parsePrefix('10.2.3.0/24'), ipv6: undefined },
        devices: ['flannel.1'],
      },
    ).length;
  const cases: ReadonlyArray<readonly [dev: string, text: string, overlaps: number]> = [
    ['flannel.1', '10.2.3.0/32', 0],
    ['cni0', '10.2.3.1/24', 0],
    ['docker0', '172.17.0.1/16', 0],
    ['lo', '127.0.0.1/8', 0],
    ['eth0', '10.0.0.5/8', 1],
    ['br-1', '10.2.9.1/24', 1],
    // Said by the check of the containers' bridge.
    ['cni0', '10.2.9.1/24', 0],
    ['eth0', 'fd00::1/64', 0],
  ];
  for (const [dev, text, count] of cases) assert.equal(on(dev, text), count, `${dev} ${text}`);
});

test('the clock that most of the others contradict is the wrong one', () => {
  const hosts = (...aheads: readonly number[]) =>
    aheads.map((aheadMs, index) => ({ address: `192.0.2.${index}`, subnet: '', aheadMs }));
  const isOff = ({ aheadMs }: { aheadMs: number }) => Math.abs(aheadMs) > 5000;
  const judge = (...aheads: readonly number[]) => isOurs(hosts(...aheads), hosts(...aheads).filter(isOff));
  assert.equal(judge(60_000, 60_000, 1), true);
  assert.equal(judge(60_000, 0, 1), false);
  assert.equal(judge(60_000), false, 'one against one tells nothing');
  assert.equal(judge(60_000, -60_000, 0, 0), false);
});
