import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '../../../src/base/errors.ts';
import {
  type PeerHello,
  parseArmedWatch,
  parseHello,
  parseSightings,
  readSeenQuestion,
  readThereQuestion,
  readWatchQuestion,
} from '../../../src/control/peer-questions.ts';

const hello = {
  version: '0.2.0',
  wallMs: 1_700_000_000_000,
  ready: false,
  reason: 'no lease yet',
  networks: ['red', 'blue'],
  member: {
    backend: 'vxlan',
    devices: [{ name: 'flannel.1', vni: 1, port: 8472 }, { name: 'flannel0' }],
    subnets: ['10.2.14.0/24', 'fd00:2:0:14::/64'],
    publicIp: '192.0.2.14',
    publicIpv6: '2001:DB8::14',
  },
};

test('a hello is read as it was written, and what a newer daemon adds does no harm', () => {
  const { member, ...rest } = parseHello({ ...hello, more: [1] });
  assert.deepEqual(rest, {
    version: hello.version,
    wallMs: hello.wallMs,
    ready: false,
    reason: hello.reason,
    networks: hello.networks,
  });
  assert.deepEqual(member, {
    ...hello.member,
    devices: [hello.member.devices[0], { name: 'flannel0', vni: undefined, port: undefined }],
    publicIpv6: '2001:db8::14',
  } as unknown as PeerHello['member']);
  assert.equal(parseHello({ ...hello, member: undefined, networks: undefined }).member, undefined);
});

const odd: ReadonlyArray<readonly [string, () => unknown]> = [
  ['no object', () => parseHello('hello')],
  ['no version', () => parseHello({ ...hello, version: 2 })],
  ['networks that are no names', () => parseHello({ ...hello, networks: [1] })],
  [
    'an address that is none',
    () => parseHello({ ...hello, member: { ...hello.member, publicIp: '192.0.2' } }),
  ],
  ['devices that are none', () => parseHello({ ...hello, member: { ...hello.member, devices: {} } })],
  ['a watch without a name', () => parseArmedWatch({})],
  ['sightings that are none', () => parseSightings({ sightings: [null] })],
  ['a time that is none', () => parseSightings({ sightings: [{ device: 'eth0', requestMs: '1' }] })],
];
test('what no daemon of ours would say is refused', () => {
  for (const [name, read] of odd) assert.throws(read, error => hasCode(error, 'door-refused'), name);
});

test('sightings keep their order, and what was not seen stays unknown', () => {
  const sightings = [
    { device: 'eth0', requestMs: 0, answerMs: 0.25 },
    { device: 'flannel.1', problem: 'no such device' },
  ];
  assert.deepEqual(parseSightings({ sightings }), [
    { device: 'eth0', requestMs: 0, answerMs: 0.25, problem: undefined },
    { device: 'flannel.1', requestMs: undefined, answerMs: undefined, problem: 'no such device' },
  ]);
});

function asked(text: string): URLSearchParams {
  return new URLSearchParams(text);
}

test('questions are read from their query', () => {
  assert.deepEqual(readThereQuestion(asked('from=10.2.1.2&to=10.2.14.3&network=red')), {
    from: '10.2.1.2',
    to: '10.2.14.3',
  });
  assert.deepEqual(readWatchQuestion(asked('to=fd00::3&mark=4294967295&milliseconds=5000')), {
    to: 'fd00::3',
    mark: 2 ** 32 - 1,
    milliseconds: 5000,
  });
  assert.deepEqual(readSeenQuestion(asked('id=x&milliseconds=0')), { id: 'x', milliseconds: 0 });
});

const wrong: ReadonlyArray<readonly [(query: URLSearchParams) => unknown, string, RegExp]> = [
  [readThereQuestion, '', /^from: expected an IPv4 or IPv6 address, got nothing$/],
  [readThereQuestion, 'from=10.2.1.2&to=10.2.14', /^to: expected .*, got "10\.2\.14"$/],
  [readThereQuestion, 'from=10.2.1.2&to=fd00::1', /^to: expected an address of the family of 10\.2\.1\.2/],
  [
    readWatchQuestion,
    'to=10.2.1.2&mark=4294967296&milliseconds=1',
    /^mark: expected a whole number up to 4294967295/,
  ],
  [readWatchQuestion, 'to=10.2.1.2&mark=1&milliseconds=5001', /^milliseconds: .* up to 5000, got "5001"$/],
  [readSeenQuestion, 'id=x&milliseconds=-1', /^milliseconds: /],
  [readSeenQuestion, 'id=x&milliseconds=1e3', /^milliseconds: /],
];
test('a question that makes no sense is told what was expected', () => {
  for (const [read, query, message] of wrong)
    assert.throws(
      () => read(asked(query)),
      error => hasCode(error, 'question-invalid') && message.test(error.message),
      query,
    );
});
