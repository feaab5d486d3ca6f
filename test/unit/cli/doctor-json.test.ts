import assert from 'node:assert/strict';
import { test } from 'node:test';
import { doctorJson } from '../../../src/cli/doctor-json.ts';
import { fail, ok, skip } from '../../../src/doctor/finding.ts';

test('the JSON is what docs/doctor.md describes, and what is not known is null', () => {
  const missing = fail('no route leads to 10.2.3.0/24', {
    evidence: ['ip route: nothing'],
    remedy: { commands: ['ip route add 10.2.3.0/24 via 10.2.3.0'], text: '' },
    peer: '10.2.3.0/24',
  });
  const examined = [
    { check: { name: 'kernel', title: 'kernel' }, findings: [ok('has VXLAN')], milliseconds: 0.123 },
    { check: { name: 'routes', title: 'routes' }, findings: [missing, ok('2 lead')], milliseconds: 2 },
    { check: { name: 'nat', title: 'NAT' }, findings: [skip('none')], milliseconds: 2 },
  ];
  const text = doctorJson([
    { network: undefined, examined, milliseconds: 12.345 },
    { network: 'red', examined: examined.slice(0, 1), milliseconds: 1 },
  ]);
  const kernel = {
    ...{ name: 'kernel', title: 'kernel', verdict: 'ok', milliseconds: 0.1 },
    findings: [{ verdict: 'ok', text: 'has VXLAN', evidence: [], remedy: null, peer: null }],
  };
  assert.deepEqual(JSON.parse(text), {
    version: 1,
    verdict: 'fail',
    networks: [
      {
        ...{ network: null, verdict: 'fail', milliseconds: 12.3 },
        checks: [
          kernel,
          {
            ...{ name: 'routes', title: 'routes', verdict: 'fail', milliseconds: 2 },
            findings: [
              {
                verdict: 'fail',
                text: 'no route leads to 10.2.3.0/24',
                evidence: ['ip route: nothing'],
                remedy: { commands: ['ip route add 10.2.3.0/24 via 10.2.3.0'], text: '', on: null },
                peer: '10.2.3.0/24',
              },
              { verdict: 'ok', text: '2 lead', evidence: [], remedy: null, peer: null },
            ],
          },
          {
            ...{ name: 'nat', title: 'NAT', verdict: 'skip', milliseconds: 2 },
            findings: [{ verdict: 'skip', text: 'none', evidence: [], remedy: null, peer: null }],
          },
        ],
      },
      { network: 'red', verdict: 'ok', milliseconds: 1, checks: [kernel] },
    ],
  });
});
