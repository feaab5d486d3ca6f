import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { WeftError } from '../../../src/base/errors.ts';
import { isUnspecified, parseIp } from '../../../src/base/ip.ts';
import { parsePrefix } from '../../../src/base/prefix.ts';
import type { Json, LeaseAttrs } from '../../../src/lease/lease.ts';
import { formatLeaseAttrs, keepAddresses, parseLeaseAttrs } from '../../../src/lease/lease-attrs.ts';
import { formatSubnetKey, parseSubnetKey } from '../../../src/lease/subnet-key.ts';
import { anyIp } from '../base/arbitraries.ts';

const fixture = new URL('../../fixtures/lease/flannel-leases.txt', import.meta.url);
const leases = readFileSync(fixture, 'utf8')
  .split('\n')
  .filter(line => line !== '' && !line.startsWith('#'))
  .map(line => [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)] as const);

const none: LeaseAttrs = {
  publicIp: undefined,
  publicIpv6: undefined,
  backendType: '',
  backendData: undefined,
  backendV6Data: undefined,
};

test('leases written by flanneld are read, and written again byte for byte', () => {
  assert.ok(leases.length >= 10);
  for (const [key, value] of leases) {
    // What it writes for IPv6 alone is no name of ours: see subnet-entries.test.ts.
    const name = key.replace(/^0\.0\.0\.0-0&/, '');
    const subnet = parseSubnetKey(name);
    assert.ok(subnet !== undefined, key);
    assert.equal(formatSubnetKey(subnet), name);
    assert.equal(formatLeaseAttrs(parseLeaseAttrs(value)), value);
  }
});

test('a vxlan lease says what it means', () => {
  const text = leases.find(([key]) => key.startsWith('10.12.13.0-24'))?.[1] ?? '';
  assert.deepEqual(parseLeaseAttrs(text), {
    publicIp: '192.168.50.3',
    publicIpv6: 'fd00:50::3',
    backendType: 'vxlan',
    backendData: { VNI: 1, VtepMAC: 'fa:d2:3b:1e:80:01' },
    backendV6Data: { VNI: 1, VtepMAC: '7e:04:aa:90:3d:5b' },
  });
});

test("the text has Go's field order, its presence rules and its escapes", () => {
  const cases: ReadonlyArray<readonly [Partial<LeaseAttrs>, string]> = [
    [{}, '{"PublicIP":"0.0.0.0","PublicIPv6":null}'],
    [{ publicIp: parseIp('10.0.0.1') }, '{"PublicIP":"10.0.0.1","PublicIPv6":null}'],
    [{ publicIpv6: parseIp('fd00::1') }, '{"PublicIP":"0.0.0.0","PublicIPv6":"fd00::1"}'],
    [{ backendType: 'ipip' }, '{"PublicIP":"0.0.0.0","PublicIPv6":null,"BackendType":"ipip"}'],
    [
      { backendV6Data: { b: 1, a: 2 }, backendData: { Z: 1, A: [] }, backendType: 'x' },
      '{"PublicIP":"0.0.0.0","PublicIPv6":null,"BackendType":"x","BackendData":{"Z":1,"A":[]},"BackendV6Data":{"b":1,"a":2}}',
    ],
    [{ backendData: null }, '{"PublicIP":"0.0.0.0","PublicIPv6":null,"BackendData":null}'],
    [{ backendData: '' }, '{"PublicIP":"0.0.0.0","PublicIPv6":null,"BackendData":""}'],
    [
      { backendData: { '<k>': '&\u2028\u2029/\u00e9\n\t"\\' } },
      '{"PublicIP":"0.0.0.0","PublicIPv6":null,"BackendData":{"\\u003ck\\u003e":"\\u0026\\u2028\\u2029/\u00e9\\n\\t\\"\\\\"}}',
    ],
  ];
  for (const [attrs, text] of cases) {
    assert.equal(formatLeaseAttrs({ ...none, ...attrs }), text);
    assert.deepEqual(parseLeaseAttrs(text), { ...none, ...attrs });
  }
});

test("reading is as tolerant as Go's: any case, any order, unknown keys, null for absent", () => {
  const cases: ReadonlyArray<readonly [string, Partial<LeaseAttrs>]> = [
    ['{}', {}],
    [' {"publicip":"10.0.0.1"}\n', { publicIp: parseIp('10.0.0.1') }],
    [
      '{"BACKENDTYPE":"VXLAN","PUBLICIPV6":"FD00:0::1"}',
      { backendType: 'vxlan', publicIpv6: parseIp('fd00::1') },
    ],
    ['{"PublicIP":"10.0.0.1","publicIP":"10.0.0.2"}', { publicIp: parseIp('10.0.0.2') }],
    ['{"Surprise":{"deep":[1]},"BackendType":null,"PublicIP":null}', {}],
    ['{"PublicIP":"0.0.0.0","PublicIPv6":"::"}', {}],
    ['{"BackendData":"text","BackendV6Data":[1,2]}', { backendData: 'text', backendV6Data: [1, 2] }],
    ['{"BackendData":false}', { backendData: false }],
    ['{"__proto__":{"PublicIP":"10.0.0.1"}}', {}],
  ];
  for (const [text, attrs] of cases) assert.deepEqual(parseLeaseAttrs(text), { ...none, ...attrs }, text);
});

test('what cannot be a lease is a lease-invalid error that says what was found', () => {
  const cases: ReadonlyArray<readonly [string, string]> = [
    ['', 'the lease "" is not JSON'],
    ['x', 'the lease "x" is not JSON'],
    ['{"PublicIP":"10.0.0.1"} x', 'the lease "{\\"PublicIP\\":\\"10.0.0.1\\"} x" is not JSON'],
    ['null', 'the lease is null, expected a JSON object'],
    ['[]', 'the lease is [], expected a JSON object'],
    ['"10.0.0.1"', 'the lease is "10.0.0.1", expected a JSON object'],
    ['{"PublicIP":"10.0.0"}', 'PublicIP: expected an IPv4 address, found "10.0.0"'],
    ['{"PublicIP":""}', 'PublicIP: expected an IPv4 address, found ""'],
    ['{"publicip":167772161}', 'PublicIP: expected an IPv4 address, found 167772161'],
    ['{"PublicIP":"fd00::1"}', 'PublicIP: expected an IPv4 address, found "fd00::1"'],
    ['{"PublicIPv6":"10.0.0.1"}', 'PublicIPv6: expected an IPv6 address, found "10.0.0.1"'],
    ['{"PublicIPv6":"fe80::1%eth0"}', 'PublicIPv6: expected an IPv6 address, found "fe80::1%eth0"'],
    ['{"BackendType":1}', 'BackendType: expected a string, found 1'],
    [`{"BackendData":"${'x'.repeat(65536)}"}`, 'the lease has 65554 characters, expected at most 65536'],
    [
      `{"BackendData":${'['.repeat(30000)}${']'.repeat(30000)}}`,
      'the lease is nested more than 64 levels deep',
    ],
  ];
  for (const [text, message] of cases) {
    assert.throws(
      () => parseLeaseAttrs(text),
      (error: unknown) => {
        assert.ok(error instanceof WeftError);
        assert.deepEqual([error.code, error.message], ['lease-invalid', message]);
        return true;
      },
    );
  }
});

const json = fc.json({ maxDepth: 3 }).map(text => JSON.parse(text) as Json);
const data = fc.option(json, { nil: undefined });

test('a lease may be nested as deep as the limit, and no deeper', () => {
  const nested = (levels: number) => `{"BackendData":${'['.repeat(levels - 1)}${']'.repeat(levels - 1)}}`;
  assert.doesNotThrow(() => parseLeaseAttrs(nested(64)));
  assert.throws(() => parseLeaseAttrs(nested(65)), { code: 'lease-invalid' });
});

test('every lease survives its text', () => {
  const fields = {
    publicIp: fc.option(anyIp(4), { nil: undefined }),
    publicIpv6: fc.option(anyIp(6), { nil: undefined }),
    backendType: fc.stringMatching(/^[a-z-]{0,10}$/),
    backendData: data,
    backendV6Data: data,
  };
  const attrs = fc.record(fields, { noNullPrototype: true });
  fc.assert(
    fc.property(attrs, given => {
      fc.pre(
        [given.publicIp, given.publicIpv6].every(address => address === undefined || !isUnspecified(address)),
      );
      const text = formatLeaseAttrs(given);
      assert.deepEqual(parseLeaseAttrs(text), given);
      assert.ok(!/[<>&\u2028\u2029]/.test(text));
      assert.deepEqual(Object.keys(JSON.parse(text) as object).slice(0, 2), ['PublicIP', 'PublicIPv6']);
    }),
  );
});

test('any text is a lease or a lease-invalid error, and nothing else happens', () => {
  const text = fc.oneof(
    fc.string(),
    fc.json(),
    fc
      .dictionary(fc.constantFrom('PublicIP', 'PublicIPv6', 'BackendType', 'BackendData'), json)
      .map(value => JSON.stringify(value)),
  );
  fc.assert(
    fc.property(text, given => {
      try {
        parseLeaseAttrs(given);
      } catch (error) {
        assert.ok(error instanceof WeftError && error.code === 'lease-invalid');
      }
    }),
    { numRuns: 2000 },
  );
});

test('the address of a family that is missing now stays, where the lease has a subnet of it', () => {
  const [ipv4, ipv6] = [parsePrefix('10.2.14.0/24'), parsePrefix('fd00:2:14::/64')];
  const published = { ...none, publicIp: parseIp('192.0.2.1'), publicIpv6: parseIp('2001:db8::1') };
  const cases = [
    [{ ipv4, ipv6 }, { publicIp: parseIp('192.0.2.2') }, ['192.0.2.2', '2001:db8::1']],
    [{ ipv4, ipv6 }, { publicIpv6: parseIp('2001:db8::2') }, ['192.0.2.1', '2001:db8::2']],
    [{ ipv4, ipv6: undefined }, { publicIp: parseIp('192.0.2.2') }, ['192.0.2.2', undefined]],
    [{ ipv4: undefined, ipv6 }, { publicIpv6: parseIp('2001:db8::2') }, [undefined, '2001:db8::2']],
  ] as const;
  for (const [subnet, now, [publicIp, publicIpv6]] of cases) {
    const existing = { subnet, attrs: published, permanent: false };
    assert.deepEqual(keepAddresses({ ...none, ...now }, existing), { ...none, publicIp, publicIpv6 });
  }
});
