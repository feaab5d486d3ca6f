/** What comes from the registry and from files: leases, keys, the network config, subnet.env. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import type { Host } from '../../src/backend/backend.ts';
import { createBackend } from '../../src/backend/backends.ts';
import { vtepDataOf } from '../../src/backend/vtep.ts';
import { createVxlan } from '../../src/backend/vxlan.ts';
import { WeftError } from '../../src/base/errors.ts';
import { parseIp, tryParseIp } from '../../src/base/ip.ts';
import { parseMac } from '../../src/base/mac.ts';
import { parsePrefix, tryParsePrefix } from '../../src/base/prefix.ts';
import { PeerTable } from '../../src/host/peer-table.ts';
import { renderDockerOpts } from '../../src/lease/docker-opts.ts';
import { parseEnv } from '../../src/lease/env-text.ts';
import { parseJsonText } from '../../src/lease/json-text.ts';
import { judgeLease } from '../../src/lease/judge.ts';
import type { Lease } from '../../src/lease/lease.ts';
import { formatLeaseAttrs, parseLeaseAttrs } from '../../src/lease/lease-attrs.ts';
import { parseNetworkConfig } from '../../src/lease/network-config.ts';
import { formatNetworkConfig } from '../../src/lease/network-config-text.ts';
import { formatSubnetEnv, parseSubnetEnv } from '../../src/lease/subnet-env.ts';
import { formatSubnetKey, parseSubnetKey } from '../../src/lease/subnet-key.ts';
import { objectCommand } from '../../src/state/describe.ts';
import { check, fuzzText } from './fuzz.ts';
import { damagedText } from './mutations.ts';

const fixture = path.join(import.meta.dirname, '../fixtures/lease/flannel-leases.txt');
const entries = readFileSync(fixture, 'utf8')
  .split('\n')
  .filter(line => line !== '' && !line.startsWith('#'))
  .map(line => [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)] as const);
const keys = entries.map(([key]) => key);
const values = entries.map(([, value]) => value);

const configs = [
  '{"Network":"10.2.0.0/16","SubnetLen":24,"SubnetMin":"10.2.1.0","SubnetMax":"10.2.20.0","Backend":{"Type":"vxlan"}}',
  '{"Network":"10.0.0.0/8","EnableIPv6":true,"IPv6Network":"fc00::/48","Backend":{"Type":"vxlan","VNI":7,"Port":4789,"MTU":9000,"GBP":true,"Learning":false}}',
  '{ "network": "10.3.0.0/24",\n  "EnableNFTables": false, "Backend": {"Type": "wireguard", "PSK": "x\\u0041", "Mode": "auto"} }',
  '{"Network":"10.1.0.0/16"}',
];

const envs = [
  'FLANNEL_NETWORK=10.2.0.0/16\nFLANNEL_SUBNET=10.2.14.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n',
  'FLANNEL_IPV6_NETWORK=fc00::/48\nFLANNEL_IPV6_SUBNET=fc00:0:0:1::1/64\nFLANNEL_MTU=1400\n# by hand\nexport X="a b" # c\n',
];

fuzzText('a lease', values, parseLeaseAttrs);
fuzzText('a subnet key', keys, parseSubnetKey);
fuzzText('JSON', [...configs, ...values], parseJsonText);
fuzzText('the network config', configs, text => {
  const { config, warnings } = parseNetworkConfig(text);
  return { config, warnings, backend: createBackend(config).warnings };
});
fuzzText('subnet.env', envs, parseSubnetEnv);
fuzzText('an environment file', envs, text => renderDockerOpts(parseEnv(text), dockerOptions));
fuzzText('an address', ['10.2.3.4', 'fd00:1:2::3', '::ffff:10.0.0.1'], parseIp);
fuzzText('a prefix', ['10.2.3.0/24', 'fd00:1:2::/48'], parsePrefix);
fuzzText('a MAC', ['0a:1b:2c:3d:4e:5f', '0a-1b-2c-3d-4e-5f', '0a1b.2c3d.4e5f'], parseMac);

const dockerOptions = { individual: true, combined: true, combinedKey: 'DOCKER_OPTS', ipMasq: true };

test('a lease that was read is written and read again as the same', () => {
  check(damagedText(values), text => {
    const attrs = attempt(() => parseLeaseAttrs(text));
    if (attrs !== undefined) assert.deepEqual(parseLeaseAttrs(formatLeaseAttrs(attrs)), attrs);
  });
});

test('a key that was read is the only one of its subnet', () => {
  check(damagedText(keys), text => {
    const subnet = parseSubnetKey(text);
    if (subnet !== undefined) assert.equal(formatSubnetKey(subnet), text);
  });
});

test('a config that was read means the same when it is written and read again', () => {
  check(damagedText(configs), text => {
    const config = attempt(() => parseNetworkConfig(text))?.config;
    if (config === undefined) return;
    const written = formatNetworkConfig(config);
    assert.equal(formatNetworkConfig(parseNetworkConfig(written).config), written);
  });
});

test('what subnet.env says survives being written again', () => {
  const { config } = parseNetworkConfig(configs[1] ?? '');
  check(damagedText(envs), text => {
    const { subnet, mtuBytes = 1450, ipMasq = false } = parseSubnetEnv(text);
    if (subnet === undefined) return;
    const again = attempt(() => parseSubnetEnv(formatSubnetEnv({ config, subnet, mtuBytes, ipMasq })));
    if (again !== undefined) assert.deepEqual(again.subnet, subnet);
  });
});

test('addresses and prefixes that were read are canonical', () => {
  check(damagedText(['10.2.3.4', 'fd00:1:2::3', '::ffff:10.0.0.1', '::']), text => {
    const [ip, prefix] = [tryParseIp(text), tryParsePrefix(`${text}/17`)];
    if (ip !== undefined) assert.equal(tryParseIp(ip), ip);
    if (prefix !== undefined) assert.equal(tryParsePrefix(prefix), prefix);
  });
});

test('whatever a lease says, it is judged, planned and told without another error', () => {
  const { config } = parseNetworkConfig(configs[1] ?? '');
  const vxlan = { BackendType: 'vxlan', BackendData: { VNI: 7, VtepMAC: '0a:00:00:00:00:01' } };
  const own: Lease = {
    subnet: { ipv4: parsePrefix('10.2.4.0/24'), ipv6: parsePrefix('fc00:0:0:4::/64') },
    attrs: parseLeaseAttrs(
      JSON.stringify({ PublicIP: '192.0.2.1', ...vxlan, BackendV6Data: vxlan.BackendData }),
    ),
    permanent: false,
  };
  const external = {
    name: 'eth0',
    mtuBytes: 1500,
    ipv4: parseIp('192.0.2.1'),
    ipv6: parseIp('2001:db8::1'),
    routes: [],
  };
  const host: Host = { config, external, lease: own };
  const table = new PeerTable({ backend: createVxlan(config).backend, host, former: [] });
  const peers = values.map(value => value.replaceAll('"VNI":1', '"VNI":7'));
  check(damagedText(peers), text => {
    const attrs = attempt(() => parseLeaseAttrs(text));
    const subnet = parseSubnetKey('10.12.13.0-24&fc00:0:0:13::-64');
    if (attrs === undefined || subnet === undefined) return;
    const lease: Lease = { subnet, attrs, permanent: false };
    attempt(() => vtepDataOf(lease.attrs, 4));
    if (judgeLease(config, own, lease) !== 'ok') return;
    const { set, refused } = table.put(lease);
    assert.ok(set.size <= 6 && refused.length <= 1);
    for (const object of set.values()) assert.match(objectCommand('add', object), /^(ip|bridge) /);
  });
});

/** Undefined for what is refused. @throws what is no WeftError */
function attempt<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch (error) {
    if (error instanceof WeftError) return undefined;
    throw error;
  }
}
