import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judgeSettings, type SettingsWish, settingKeys } from '../../../src/traffic/surroundings.ts';

const wish: SettingsWish = { families: [4, 6], devices: ['flannel.1'], external: 'eth0' };

const right: Readonly<Record<string, string>> = {
  'net/ipv4/ip_forward': '1',
  'net/ipv6/conf/all/forwarding': '1',
  'net/bridge/bridge-nf-call-iptables': '1',
  'net/bridge/bridge-nf-call-ip6tables': '1',
  'net/ipv4/conf/all/rp_filter': '0',
  'net/ipv4/conf/eth0/rp_filter': '2',
  'net/ipv4/conf/flannel.1/rp_filter': '0',
};

function judge(change: Readonly<Record<string, string | undefined>>): string[] {
  return judgeSettings(wish, new Map(Object.entries({ ...right, ...change }))).map(finding => finding.what);
}

test('the keys to read are those that are judged', () => {
  assert.deepEqual(settingKeys(wish).sort(), Object.keys(right).sort());
});

const cases: ReadonlyArray<readonly [string, Readonly<Record<string, string | undefined>>, string[]]> = [
  ['all is right', {}, []],
  ['forwarding is off', { 'net/ipv4/ip_forward': '0' }, ['net/ipv4/ip_forward is 0']],
  ['IPv6 forwarding is off', { 'net/ipv6/conf/all/forwarding': '0' }, ['net/ipv6/conf/all/forwarding is 0']],
  [
    'br_netfilter is not loaded',
    { 'net/bridge/bridge-nf-call-iptables': undefined },
    ['net/bridge/bridge-nf-call-iptables is missing: the module br_netfilter is not loaded'],
  ],
  [
    'br_netfilter is switched off',
    { 'net/bridge/bridge-nf-call-ip6tables': '0' },
    ['net/bridge/bridge-nf-call-ip6tables is 0'],
  ],
  [
    'the filter of one device is strict',
    { 'net/ipv4/conf/flannel.1/rp_filter': '1' },
    ['the reverse path filter of flannel.1 is strict (net/ipv4/conf/flannel.1/rp_filter)'],
  ],
  [
    'the filter of all is strict, that of one loose',
    { 'net/ipv4/conf/all/rp_filter': '1' },
    [
      'the reverse path filter of flannel.1 is strict (net/ipv4/conf/all/rp_filter, net/ipv4/conf/flannel.1/rp_filter)',
    ],
  ],
  ['the tunnel is not there yet', { 'net/ipv4/conf/flannel.1/rp_filter': undefined }, []],
];

for (const [title, change, expected] of cases) {
  test(`${title}`, () => assert.deepEqual(judge(change), expected));
}

test('every finding says what it does and what to do', () => {
  const all = Object.fromEntries(Object.keys(right).map(key => [key, key.endsWith('rp_filter') ? '1' : '0']));
  const findings = judgeSettings(wish, new Map(Object.entries(all)));
  assert.equal(findings.length, 6);
  for (const { consequence, remedy } of findings) {
    assert.match(consequence, /\w{4}/);
    assert.match(remedy, /sysctl -w net\//);
  }
});
