import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { WeftError } from '../../../src/base/errors.ts';
import { addressBits, ipToBigInt } from '../../../src/base/ip.ts';
import { prefixBase, prefixLast, prefixLength } from '../../../src/base/prefix.ts';
import { type NetworkConfig, parseNetworkConfig } from '../../../src/lease/network-config.ts';
import { formatNetworkConfig } from '../../../src/lease/network-config-text.ts';
import { anyPrefix } from '../base/arbitraries.ts';

const vxlan = { Backend: { Type: 'vxlan' } };

function parse(config: object): NetworkConfig {
  return parseNetworkConfig(JSON.stringify({ ...vxlan, ...config })).config;
}

/** network, length, min, max of IPv4, then of IPv6. */
function rangesOf(config: NetworkConfig): unknown[] {
  return [
    [config.network, config.subnetLength, config.subnetMin, config.subnetMax],
    [config.ipv6Network, config.ipv6SubnetLength, config.ipv6SubnetMin, config.ipv6SubnetMax],
  ];
}

const off = [undefined, undefined, undefined, undefined];
const ipv6Only = { EnableIPv4: false, EnableIPv6: true };

test('every default is derived as flannel derives it, and what is given is kept', () => {
  const cases: ReadonlyArray<readonly [object, unknown[], unknown[]]> = [
    [{ Network: '10.5.0.0/16' }, ['10.5.0.0/16', 24, '10.5.1.0', '10.5.255.0'], off],
    [{ Network: '10.3.0.0/24' }, ['10.3.0.0/24', 26, '10.3.0.64', '10.3.0.192'], off],
    [{ Network: '10.5.77.9/16' }, ['10.5.0.0/16', 24, '10.5.1.0', '10.5.255.0'], off],
    [{ Network: '10.0.0.0/22' }, ['10.0.0.0/22', 24, '10.0.1.0', '10.0.3.0'], off],
    [{ Network: '10.0.0.0/23' }, ['10.0.0.0/23', 25, '10.0.0.128', '10.0.1.128'], off],
    [{ Network: '10.0.0.0/28' }, ['10.0.0.0/28', 30, '10.0.0.4', '10.0.0.12'], off],
    [{ Network: '10.0.0.0/8' }, ['10.0.0.0/8', 24, '10.0.1.0', '10.255.255.0'], off],
    [{ Network: '255.0.0.0/8' }, ['255.0.0.0/8', 24, '255.0.1.0', '255.255.255.0'], off],
    [{ Network: '128.0.0.0/1', SubnetLen: 3 }, ['128.0.0.0/1', 3, '160.0.0.0', '224.0.0.0'], off],
    [
      { Network: '10.3.0.0/16', SubnetMin: '10.3.5.0', SubnetMax: '10.3.8.0', SubnetLen: 28 },
      ['10.3.0.0/16', 28, '10.3.5.0', '10.3.8.0'],
      off,
    ],
    [
      { Network: '10.2.0.0/16', SubnetLen: 24, SubnetMin: '10.2.1.0', SubnetMax: '10.2.20.0' },
      ['10.2.0.0/16', 24, '10.2.1.0', '10.2.20.0'],
      off,
    ],
    [
      { Network: '10.5.0.0/16', SubnetLen: 0, SubnetMin: '0.0.0.0', SubnetMax: '0.0.0.0' },
      ['10.5.0.0/16', 24, '10.5.1.0', '10.5.255.0'],
      off,
    ],
    [
      { Network: '10.5.0.0/16', SubnetLen: 30, SubnetMin: '10.5.0.0' },
      ['10.5.0.0/16', 30, '10.5.0.0', '10.5.255.252'],
      off,
    ],
    [{ Network: '10.5.0.0/16', SubnetMax: '10.5.1.0' }, ['10.5.0.0/16', 24, '10.5.1.0', '10.5.1.0'], off],
    [{ ...ipv6Only, IPv6Network: 'fc00::/48' }, off, ['fc00::/48', 64, 'fc00:0:0:1::', 'fc00:0:0:ffff::']],
    [
      {
        ...ipv6Only,
        IPv6Network: 'fc00::/48',
        IPv6SubnetLen: 124,
        IPv6SubnetMin: 'fc00:0:0:1::',
        IPv6SubnetMax: 'fc00:0:0:f::',
      },
      off,
      ['fc00::/48', 124, 'fc00:0:0:1::', 'fc00:0:0:f::'],
    ],
    [{ ...ipv6Only, IPv6Network: 'fd00::7/62' }, off, ['fd00::/62', 64, 'fd00:0:0:1::', 'fd00:0:0:3::']],
    [
      { ...ipv6Only, IPv6Network: 'fd00::/63' },
      off,
      ['fd00::/63', 65, 'fd00::8000:0:0:0', 'fd00:0:0:1:8000::'],
    ],
    [{ ...ipv6Only, IPv6Network: 'fd00::/124' }, off, ['fd00::/124', 126, 'fd00::4', 'fd00::c']],
    [
      {
        ...ipv6Only,
        IPv6Network: 'fd00::/124',
        IPv6SubnetLen: 0,
        IPv6SubnetMin: '::',
        IPv6SubnetMax: '0:0::0',
      },
      off,
      ['fd00::/124', 126, 'fd00::4', 'fd00::c'],
    ],
    [
      { ...ipv6Only, IPv6Network: 'ffff::/16' },
      off,
      ['ffff::/16', 64, 'ffff:0:0:1::', 'ffff:ffff:ffff:ffff::'],
    ],
    [
      { EnableIPv6: true, Network: '10.5.0.0/16', IPv6Network: 'fc00::/48' },
      ['10.5.0.0/16', 24, '10.5.1.0', '10.5.255.0'],
      ['fc00::/48', 64, 'fc00:0:0:1::', 'fc00:0:0:ffff::'],
    ],
  ];
  for (const [given, ipv4, ipv6] of cases) {
    assert.deepEqual(rangesOf(parse(given)), [ipv4, ipv6], JSON.stringify(given));
  }
});

test("the switches have flannel's defaults", () => {
  const cases = [
    [{}, [true, false, false]],
    [{ EnableIPv4: null, EnableIPv6: null, EnableNFTables: null }, [true, false, false]],
    [{ EnableNFTables: true }, [true, false, true]],
    [{ EnableIPv6: true }, [true, true, false]],
    [ipv6Only, [false, true, false]],
  ] as const;
  for (const [given, expected] of cases) {
    const config = parse({ Network: '10.5.0.0/16', IPv6Network: 'fd00::/48', ...given });
    assert.deepEqual([config.enableIpv4, config.enableIpv6, config.enableNftables], expected);
  }
});

test('keys match in any case, and of several the last one wins', () => {
  const cases = [
    '{"network": "10.5.0.0/16", "subnetlen": 26}',
    '{"NETWORK": "10.5.0.0/16", "sUBNETlEN": 26}',
    '{"Network": "10.9.0.0/16", "Network": "10.5.0.0/16", "SubnetLen": 26}',
    '{"Network": "10.9.0.0/16", "network": "10.5.0.0/16", "SubnetLen": 26}',
    '{"Network": "10.8.0.0/16", "network": "10.9.0.0/16", "Network": "10.5.0.0/16", "SubnetLen": 26}',
    '{"Network": "10.5.0.0/16", "SubnetLen": 26, "subnetLen": 26}',
  ];
  for (const text of cases) {
    const { config } = parseNetworkConfig(text);
    assert.deepEqual([config.network, config.subnetLength], ['10.5.0.0/16', 26], text);
  }
});

test('null leaves everything but a network and the backend at its default', () => {
  const scalars = ['EnableIPv4', 'SubnetLen', 'SubnetMin', 'SubnetMax', 'IPv6SubnetLen', 'IPv6SubnetMin'];
  const nulls = Object.fromEntries(scalars.map(key => [key, null]));
  assert.deepEqual(parse({ Network: '10.5.0.0/16', ...nulls }), parse({ Network: '10.5.0.0/16' }));
});

test('the backend is read by its type in lower case, its other keys are left as they are', () => {
  const cases = [
    [{ Type: 'vxlan' }, 'vxlan', {}],
    [{ Type: 'VXLAN', VNI: 7, port: 8472 }, 'vxlan', { VNI: 7, port: 8472 }],
    [{ type: 'Host-GW' }, 'host-gw', {}],
    [{ Type: 'udp', TYPE: 'alloc' }, 'alloc', {}],
    [{ Type: 'no-such-backend', deep: { a: [1, null] } }, 'no-such-backend', { deep: { a: [1, null] } }],
  ] as const;
  for (const [backend, type, options] of cases) {
    const config = parse({ Network: '10.5.0.0/16', Backend: backend });
    assert.deepEqual(config.backend, { type, options, declared: true });
  }
});

test('without a backend it is udp, as in flannel, and a warning says so', () => {
  const { config, warnings } = parseNetworkConfig('{"Network": "10.5.0.0/16"}');
  assert.deepEqual(config.backend, { type: 'udp', options: {}, declared: false });
  assert.deepEqual(warnings, [
    'there is no Backend: that means udp, as in flannel; most networks want "Backend": {"Type": "vxlan"}, which is faster',
  ]);
});

const v6 = { ...ipv6Only, IPv6Network: 'fd00::/48' };

test('every mistake is an error that names the key, what was found and what is expected', () => {
  const cases: ReadonlyArray<readonly [object | string, string]> = [
    [
      '',
      'the network config is invalid JSON at line 1, column 1: expected a value, found the end of the text',
    ],
    ['{"Network": }', 'the network config is invalid JSON at line 1, column 13: expected a value, found }'],
    ['[]', 'the network config is [], expected a JSON object'],
    ['null', 'the network config is null, expected a JSON object'],
    ['"10.5.0.0/16"', 'the network config is "10.5.0.0/16", expected a JSON object'],
    [{ EnableIPv4: 'yes' }, 'EnableIPv4: expected true or false, found "yes"'],
    [{ enableipv6: 1 }, 'EnableIPv6: expected true or false, found 1'],
    [{ EnableNFTables: 'true' }, 'EnableNFTables: expected true or false, found "true"'],
    [{ Network: null }, 'Network: expected an IPv4 prefix, found null'],
    [{ Network: 'garbage' }, 'Network: expected an IPv4 prefix, found "garbage"'],
    [{ Network: '' }, 'Network: expected an IPv4 prefix, found ""'],
    [{ Network: '10.5.0.0' }, 'Network: expected an IPv4 prefix, found "10.5.0.0"'],
    [{ Network: 10 }, 'Network: expected an IPv4 prefix, found 10'],
    [{ Network: ['10.5.0.0/16'] }, 'Network: expected an IPv4 prefix, found ["10.5.0.0/16"]'],
    [{ Network: 'fd00::/48' }, 'Network: expected an IPv4 prefix, found "fd00::/48"'],
    [{ ...ipv6Only, Network: 'garbage' }, 'Network: expected an IPv4 prefix, found "garbage"'],
    [{ IPv6Network: null }, 'IPv6Network: expected an IPv6 prefix, found null'],
    [{ IPv6Network: '10.5.0.0/16' }, 'IPv6Network: expected an IPv6 prefix, found "10.5.0.0/16"'],
    [{ SubnetLen: '24' }, 'SubnetLen: expected a whole number, 0 or more, found "24"'],
    [{ SubnetLen: -1 }, 'SubnetLen: expected a whole number, 0 or more, found -1'],
    [{ SubnetLen: 24.5 }, 'SubnetLen: expected a whole number, 0 or more, found 24.5'],
    [{ SubnetLen: true }, 'SubnetLen: expected a whole number, 0 or more, found true'],
    [{ SubnetMin: '10.5.1.0/24' }, 'SubnetMin: expected an IPv4 address, found "10.5.1.0/24"'],
    [{ SubnetMax: 'fd00::' }, 'SubnetMax: expected an IPv4 address, found "fd00::"'],
    [{ SubnetMax: '' }, 'SubnetMax: expected an IPv4 address, found ""'],
    [{ IPv6SubnetMin: '10.5.1.0' }, 'IPv6SubnetMin: expected an IPv6 address, found "10.5.1.0"'],
    [
      { Network: undefined },
      'Network is not given, expected the prefix that all hosts share: define a correct Network parameter',
    ],
    [
      { Network: '0.0.0.0/0' },
      'Network is 0.0.0.0/0, expected the prefix that all hosts share: define a correct Network parameter',
    ],
    [
      { SubnetLen: 31 },
      'SubnetLen is 31, but must be less than /31: a subnet needs room for a tunnel and a bridge',
    ],
    [
      { Network: '10.5.0.0/31', SubnetLen: 31 },
      'SubnetLen is 31, but must be less than /31: a subnet needs room for a tunnel and a bridge',
    ],
    [
      { SubnetLen: 17 },
      'SubnetLen is 17 in Network 10.5.0.0/16, expected at least 18: the network must be able to accommodate at least four subnets',
    ],
    [{ Network: '10.5.0.0/29' }, 'Network 10.5.0.0/29 is too small: the minimum useful prefix is /28'],
    [{ SubnetMin: '10.6.0.0' }, 'SubnetMin 10.6.0.0 is not in the range of the Network 10.5.0.0/16'],
    [{ SubnetMax: '10.4.255.0' }, 'SubnetMax 10.4.255.0 is not in the range of the Network 10.5.0.0/16'],
    [
      { SubnetMin: '10.5.1.1' },
      'SubnetMin is not on a SubnetLen boundary: 10.5.1.1, expected the base of a /24',
    ],
    [
      { SubnetMax: '10.5.255.128', SubnetLen: 24 },
      'SubnetMax is not on a SubnetLen boundary: 10.5.255.128, expected the base of a /24',
    ],
    [
      { SubnetMin: '10.5.9.0', SubnetMax: '10.5.3.0' },
      'SubnetMin 10.5.9.0 is above SubnetMax 10.5.3.0: no subnet is left to lease',
    ],
    [{ SubnetMax: '10.5.0.0' }, 'SubnetMin 10.5.1.0 is above SubnetMax 10.5.0.0: no subnet is left to lease'],
    [
      { ...ipv6Only },
      'IPv6Network is not given, expected the prefix that all hosts share: define a correct IPv6Network parameter',
    ],
    [
      { ...ipv6Only, IPv6Network: '::/0' },
      'IPv6Network is ::/0, expected the prefix that all hosts share: define a correct IPv6Network parameter',
    ],
    [
      { ...v6, IPv6SubnetLen: 127 },
      'IPv6SubnetLen is 127, but must be less than /127: a subnet needs room for a tunnel and a bridge',
    ],
    [
      { ...v6, IPv6SubnetLen: 49 },
      'IPv6SubnetLen is 49 in IPv6Network fd00::/48, expected at least 50: the network must be able to accommodate at least four subnets',
    ],
    [
      { ...v6, IPv6Network: 'fd00::/125' },
      'IPv6Network fd00::/125 is too small: the minimum useful prefix is /124',
    ],
    [
      { ...v6, IPv6SubnetMin: 'fc00::' },
      'IPv6SubnetMin fc00:: is not in the range of the IPv6Network fd00::/48',
    ],
    [
      { ...v6, IPv6SubnetMax: 'fe00::' },
      'IPv6SubnetMax fe00:: is not in the range of the IPv6Network fd00::/48',
    ],
    [
      { ...v6, IPv6SubnetMin: 'fd00:0:0:1::1' },
      'IPv6SubnetMin is not on a IPv6SubnetLen boundary: fd00:0:0:1::1, expected the base of a /64',
    ],
    [
      { ...v6, IPv6SubnetMax: 'fd00:0:0:1:8000::' },
      'IPv6SubnetMax is not on a IPv6SubnetLen boundary: fd00:0:0:1:8000::, expected the base of a /64',
    ],
    [
      { ...v6, IPv6SubnetMin: 'fd00:0:0:9::', IPv6SubnetMax: 'fd00:0:0:3::' },
      'IPv6SubnetMin fd00:0:0:9:: is above IPv6SubnetMax fd00:0:0:3::: no subnet is left to lease',
    ],
    [{ EnableIPv4: false }, 'EnableIPv4 and EnableIPv6 are both false, expected at least one'],
    [{ Backend: {} }, 'Backend has no Type: the backend type "" is unknown'],
    [{ Backend: null }, 'Backend has no Type: the backend type "" is unknown'],
    [{ Backend: { Type: null } }, 'Backend has no Type: the backend type "" is unknown'],
    [{ Backend: { Type: '' } }, 'Backend has no Type: the backend type "" is unknown'],
    [{ Backend: 'vxlan' }, 'error decoding Backend property of config: expected an object, found "vxlan"'],
    [{ Backend: [] }, 'error decoding Backend property of config: expected an object, found []'],
    [
      { Backend: { Type: 5 } },
      'error decoding Backend property of config: expected Type to be a string, found 5',
    ],
  ];
  for (const [given, message] of cases) {
    const text =
      typeof given === 'string' ? given : JSON.stringify({ Network: '10.5.0.0/16', ...vxlan, ...given });
    assert.throws(
      () => parseNetworkConfig(text),
      (error: unknown) => {
        assert.ok(error instanceof WeftError);
        assert.equal(error.message, message, text);
        assert.equal(error.code, 'config-invalid');
        assert.ok((error.remedy ?? '').length > 10, `a remedy for ${message}`);
        return true;
      },
    );
  }
});

test("flannel's order of checks decides which of two mistakes is told", () => {
  const cases = [
    [{ Network: '10.5.0.0/29', SubnetLen: 31 }, /must be less than \/31/],
    [{ Network: '10.5.0.0/29', SubnetLen: 30 }, /at least four subnets/],
    [{ Network: '10.5.0.0/29', SubnetMin: '10.6.0.0' }, /too small/],
    [{ Network: '10.5.0.0/16', SubnetMin: '10.5.0.1', SubnetMax: '10.6.0.0' }, /SubnetMax.*range/],
    [{ Network: '10.5.0.0/16', SubnetMin: '10.5.9.1', SubnetMax: '10.5.3.1' }, /SubnetMin.*boundary/],
  ] as const;
  for (const [given, message] of cases) assert.throws(() => parse(given), { message });
});

test('a remedy can be followed: it is the nearest thing that works', () => {
  const cases = [
    [{ Network: '10.5.0.0/16', SubnetMin: '10.5.1.7' }, 'set SubnetMin to 10.5.1.0'],
    [{ Network: '10.5.0.0/16', SubnetLen: 17 }, 'set SubnetLen to 18 or more, or leave it out'],
    [
      { Network: '10.5.0.0/16', SubnetMin: '10.9.0.0' },
      'choose SubnetMin from 10.5.0.0 to 10.5.255.255, or leave it out',
    ],
    [{ Network: 'x' }, 'write "Network": "10.5.0.0/16"'],
    [{ Network: '10.5.0.0/16', SubnetLen: '24' }, 'write "SubnetLen": 24, or leave the key out'],
    [{ Network: '10.5.0.0/16', SubnetMin: 7 }, 'write "SubnetMin": "10.5.1.0", or leave the key out'],
    [{}, 'add "Network": "10.5.0.0/16", or switch the family off with "EnableIPv4": false'],
    [{ Network: '10.5.0.0/16', Backend: {} }, 'write "Backend": {"Type": "vxlan"}'],
  ] as const;
  for (const [given, remedy] of cases) assert.throws(() => parse(given), { remedy });
});

test('what flannel keeps silent about is a warning', () => {
  const cases: ReadonlyArray<readonly [string, readonly string[]]> = [
    ['{"Network": "10.5.0.0/16", "Backend": {"Type": "vxlan", "anything": 1}}', []],
    ['"SubnetLength": 24', ['unknown key "SubnetLength" (did you mean "SubnetLen"?)']],
    ['"Networks": ["10.5.0.0/16"]', ['unknown key "Networks" (did you mean "Network"?)']],
    ['"_comment": "ours"', ['unknown key "_comment"']],
    ['"SubnetLen": 24, "SubnetLen": 26', ['key "SubnetLen" is given more than once: the last one counts']],
    ['"SubnetLen": 24, "subnetlen": 26', ['key "SubnetLen" is given more than once: the last one counts']],
    [
      '"IPv6Network": "fd00::/48"',
      ['IPv6Network fd00::/48 has no effect: EnableIPv6 is false unless set to true'],
    ],
    [
      '"EnableIPv4": false, "EnableIPv6": true, "IPv6Network": "fd00::/48"',
      ['Network 10.5.0.0/16 has no effect: EnableIPv4 is false'],
    ],
  ];
  for (const [given, warnings] of cases) {
    const text = given.startsWith('{')
      ? given
      : `{"Network": "10.5.0.0/16", "Backend": {"Type": "vxlan"}, ${given}}`;
    assert.deepEqual(parseNetworkConfig(text).warnings, warnings, text);
  }
});

test('hostile text is refused with a named error', () => {
  const cases = [
    ' '.repeat(300_000),
    `{"Network": ${'['.repeat(100_000)}`,
    `{"${'x'.repeat(200_000)}": 1}`,
    '{"__proto__": {"Network": "10.5.0.0/16"}}',
    '{"constructor": 1, "toString": 2}',
  ];
  for (const text of cases) assert.throws(() => parseNetworkConfig(text), { code: 'config-invalid' });
});

test('any text is either a config or a config-invalid error with a remedy', () => {
  const value = fc.oneof(
    fc.json({ maxDepth: 1 }).map(text => JSON.parse(text) as unknown),
    anyPrefix(4),
    anyPrefix(6),
    fc.constantFrom('10.5.1.0', '10.5.0.0/16', 'fd00::', 24, 64, true),
  );
  const keys = fc.constantFrom(
    'Network',
    'SubnetLen',
    'SubnetMin',
    'IPv6Network',
    'EnableIPv6',
    'Backend',
    'x',
  );
  const text = fc.oneof(
    fc.dictionary(keys, value).map(object => JSON.stringify(object)),
    fc.string(),
  );
  fc.assert(
    fc.property(text, given => {
      try {
        parseNetworkConfig(given);
      } catch (error) {
        assert.ok(
          error instanceof WeftError && error.code === 'config-invalid' && error.remedy !== undefined,
        );
      }
    }),
    { numRuns: 2000 },
  );
});

test('a derived range is inside its network, aligned, and leaves out exactly the first subnet', () => {
  const network4 = anyPrefix(4, { min: 1, max: 28 });
  const network6 = anyPrefix(6, { min: 1, max: 124 });
  fc.assert(
    fc.property(network4, network6, (Network, IPv6Network) => {
      fc.pre(Network !== '0.0.0.0/1' && prefixLength(IPv6Network) > 0);
      const config = parse({ Network, EnableIPv6: true, IPv6Network });
      for (const [family, network, length, min, max] of [
        [4, config.network, config.subnetLength, config.subnetMin, config.subnetMax],
        [6, config.ipv6Network, config.ipv6SubnetLength, config.ipv6SubnetMin, config.ipv6SubnetMax],
      ] as const) {
        assert.ok(network !== undefined && length !== undefined && min !== undefined && max !== undefined);
        const size = 2n ** BigInt(addressBits[family] - length);
        assert.equal(ipToBigInt(min), ipToBigInt(prefixBase(network)) + size);
        assert.equal(ipToBigInt(max), ipToBigInt(prefixLast(network)) + 1n - size);
        assert.ok(length >= prefixLength(network) + 2 && length < addressBits[family] - 1);
      }
    }),
  );
});

test('the effective config, written out, is read back as the same network without a warning', () => {
  const cases = [
    { Network: '10.5.0.0/16' },
    { Network: '10.5.0.0/16', SubnetLen: 28, SubnetMin: '10.5.3.0', EnableNFTables: true },
    { ...v6, Backend: { Type: 'VXLAN', VNI: 3, DirectRouting: true } },
    {
      EnableIPv6: true,
      Network: '10.5.0.0/16',
      IPv6Network: 'fd00::/48',
      Backend: { Type: 'wireguard', psk: 'x' },
    },
  ];
  for (const given of cases) {
    const config = parse(given);
    assert.deepEqual(parseNetworkConfig(formatNetworkConfig(config)), { config, warnings: [] });
  }
});

test("the effective config is told in flannel's keys", () => {
  const { config } = parseNetworkConfig('{"network": "10.5.7.7/16"}');
  assert.equal(
    formatNetworkConfig(config),
    [
      '{',
      '  "EnableIPv4": true,',
      '  "EnableIPv6": false,',
      '  "EnableNFTables": false,',
      '  "Network": "10.5.0.0/16",',
      '  "SubnetLen": 24,',
      '  "SubnetMin": "10.5.1.0",',
      '  "SubnetMax": "10.5.255.0",',
      '  "Backend": {',
      '    "Type": "udp"',
      '  }',
      '}',
    ].join('\n'),
  );
});
