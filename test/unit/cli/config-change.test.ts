import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configChanges, renderConfigChange } from '../../../src/cli/config-change.ts';
import { parseNetworkConfig } from '../../../src/lease/network-config.ts';

function changes(from: string | undefined, to: string): string[] {
  const old = from === undefined ? undefined : parseNetworkConfig(from).config;
  return configChanges(old, parseNetworkConfig(to).config).map(renderConfigChange);
}

const cases: Readonly<
  Record<string, readonly [from: string | undefined, to: string, changes: readonly string[]]>
> = {
  'nothing when only the writing differs': [
    '{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan"}}',
    '{"backend":{"type":"VXLAN"},"network":"10.5.9.9/16","SubnetLen":24}',
    [],
  ],
  'old and new value': [
    '{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan","VNI":1}}',
    '{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan","VNI":2}}',
    ['Backend.VNI: 1 -> 2'],
  ],
  'keys that come and go': [
    '{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan","VNI":1}}',
    '{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan","Port":8472}}',
    ['Backend.Port: 8472 (new)', 'Backend.VNI: 1 (gone)'],
  ],
  'derived values that change with the network': [
    '{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan"}}',
    '{"Network":"10.6.0.0/16","Backend":{"Type":"vxlan"}}',
    [
      'Network: 10.5.0.0/16 -> 10.6.0.0/16',
      'SubnetMin: 10.5.1.0 -> 10.6.1.0',
      'SubnetMax: 10.5.255.0 -> 10.6.255.0',
    ],
  ],
  'that a secret changes, but not the secret': [
    '{"Network":"10.5.0.0/16","Backend":{"Type":"ipsec","PSK":"hunter2"}}',
    '{"Network":"10.5.0.0/16","Backend":{"Type":"ipsec","PSK":"hunter3"}}',
    ['Backend.PSK: *** -> ***'],
  ],
  'everything when there was nothing': [
    undefined,
    '{"Network":"10.5.0.0/24","Backend":{"Type":"vxlan"}}',
    [
      'EnableIPv4: true (new)',
      'EnableIPv6: false (new)',
      'EnableNFTables: false (new)',
      'Network: 10.5.0.0/24 (new)',
      'SubnetLen: 26 (new)',
      'SubnetMin: 10.5.0.64 (new)',
      'SubnetMax: 10.5.0.192 (new)',
      'Backend.Type: vxlan (new)',
    ],
  ],
};

for (const [what, [from, to, expected]] of Object.entries(cases)) {
  test(`a changed config tells ${what}`, () => assert.deepEqual(changes(from, to), expected));
}
