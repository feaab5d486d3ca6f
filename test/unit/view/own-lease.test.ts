import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIp } from '../../../src/base/ip.ts';
import { parsePrefix } from '../../../src/base/prefix.ts';
import { parseLeaseAttrs } from '../../../src/lease/lease-attrs.ts';
import { parseNetworkConfig } from '../../../src/lease/network-config.ts';
import type { SubnetEntry } from '../../../src/registry/subnet-entries.ts';
import { findOwnLease, type OwnTraces } from '../../../src/view/own-lease.ts';

const { config } = parseNetworkConfig('{"Network":"10.2.0.0/16"}');
const ours = parseIp('192.0.2.1');

function entry(subnet: string, publicIp: string | undefined, permanent = false): SubnetEntry {
  const of = { ipv4: parsePrefix(subnet), ipv6: undefined };
  const lease =
    publicIp === undefined
      ? undefined
      : { subnet: of, attrs: parseLeaseAttrs(JSON.stringify({ PublicIP: publicIp })), permanent };
  return { key: `subnets/${subnet.replace('/', '-')}`, revision: 1n, subnet: of, lease };
}

const nothing: OwnTraces = {
  config,
  identity: { publicIp: ours, publicIpv6: undefined },
  previous: undefined,
  addresses: [],
};
const previously = (subnet: string): OwnTraces => ({
  ...nothing,
  previous: { ipv4: parsePrefix(subnet), ipv6: undefined },
});

const cases: ReadonlyArray<readonly [string, readonly SubnetEntry[], OwnTraces, string]> = [
  [
    'the lease that publishes our address',
    [entry('10.2.1.0/24', '192.0.2.9'), entry('10.2.2.0/24', '192.0.2.1')],
    nothing,
    'address subnets/10.2.2.0-24',
  ],
  [
    'of several the one of the subnet file',
    [entry('10.2.1.0/24', '192.0.2.1'), entry('10.2.2.0/24', '192.0.2.1')],
    previously('10.2.2.0/24'),
    'address subnets/10.2.2.0-24',
  ],
  [
    'a reservation before the one of the subnet file',
    [entry('10.2.1.0/24', '192.0.2.1', true), entry('10.2.2.0/24', '192.0.2.1')],
    previously('10.2.2.0/24'),
    'address subnets/10.2.1.0-24',
  ],
  [
    'the one of the subnet in use, although it publishes another address',
    [entry('10.2.2.0/24', '203.0.113.1')],
    previously('10.2.2.0/24'),
    'subnet subnets/10.2.2.0-24',
  ],
  [
    'the one whose first address a device of ours has',
    [entry('10.2.2.0/24', '203.0.113.1')],
    { ...nothing, addresses: [parseIp('10.2.2.0')] },
    'subnet subnets/10.2.2.0-24',
  ],
  [
    'the subnet of before where it is free',
    [entry('10.2.1.0/24', '192.0.2.9')],
    previously('10.2.2.0/24'),
    'nothing',
  ],
  [
    'none where another has taken it with a value that says nothing',
    [entry('10.2.2.0/24', undefined)],
    previously('10.2.2.0/24'),
    'lease-missing',
  ],
  ['none for one outside the network', [entry('10.9.2.0/24', '192.0.2.1')], nothing, 'lease-missing'],
  ['none where there is nothing', [], nothing, 'lease-missing'],
];

for (const [what, entries, traces, expected] of cases) {
  test(`our lease is ${what}`, () => {
    if (expected === 'lease-missing') {
      assert.throws(() => findOwnLease(entries, traces), { code: 'lease-missing' });
      return;
    }
    const found = findOwnLease(entries, traces);
    assert.equal([found.by, found.key].filter(Boolean).join(' '), expected);
  });
}
