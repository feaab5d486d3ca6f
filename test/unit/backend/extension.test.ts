import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createExtension, extensionDataOf } from '../../../src/backend/extension.ts';
import { hasCode } from '../../../src/base/errors.ts';
import type { LeaseAttrs } from '../../../src/lease/lease.ts';
import { configOf, external, hostOf, identity, peer, planText } from './hosts.ts';

const type = { Type: 'extension' };
const theirs = { PublicIP: '192.0.2.2', BackendType: 'extension' };

function commandsOf(options: object) {
  const { backend, warnings } = createExtension(configOf({ ...type, ...options }));
  assert.ok(backend.carrier?.type === 'commands');
  return { commands: backend.carrier.commands, warnings };
}

const splits: ReadonlyArray<readonly [string, readonly string[] | undefined]> = [
  ['', undefined],
  [' \t\n', undefined],
  ['/opt/add', ['/opt/add']],
  [`  /opt/add  -4\t$SUBNET\n via \${PUBLIC_IP} `, ['/opt/add', '-4', '$SUBNET', 'via', `\${PUBLIC_IP}`]],
  [`sh -c "ip route add"`, ['sh', '-c', '"ip', 'route', 'add"']],
  ['a;b && c | d', ['a;b', '&&', 'c', '|', 'd']],
];
test('a command is split at white space and at nothing else', () => {
  for (const [text, expected] of splits)
    assert.deepEqual(commandsOf({ subnetaddcommand: text }).commands.subnetAdd, expected, text);
});

test('what only a shell would understand is warned about', () => {
  for (const text of ['sh -c "x"', "a 'b'", 'a; b', 'a && b', 'a | b', 'a > b', 'a $(b)', 'a `b`']) {
    const { warnings } = commandsOf({ PreStartupCommand: text });
    assert.match(warnings.join('\n'), /PreStartupCommand .*no shell/, text);
  }
  const { warnings } = commandsOf({
    PostStartupCommand: `/opt/up --net=$NETWORK \${SUBNET}`,
    ShutdownCommand: 'x',
  });
  assert.equal(warnings.length, 1);
  assert.match(warnings[0] ?? '', /ShutdownCommand is ignored/);
});

test('a command that cannot be one, and a time limit that is none, are refused by name', () => {
  for (const [options, name] of [
    [{ SubnetAddCommand: 'a\0b' }, /SubnetAddCommand/],
    [{ SubnetRemoveCommand: 7 }, /SubnetRemoveCommand/],
    [{ CommandTimeout: 0 }, /CommandTimeout/],
  ] as const) {
    assert.throws(
      () => commandsOf(options),
      error => hasCode(error, 'config-invalid') && name.test(error.message),
    );
  }
  assert.equal(commandsOf({}).commands.timeoutSeconds, 60);
});

test('what the first command prints is published as text, and stays published', () => {
  const { backend } = createExtension(configOf({ ...type, PreStartupCommand: '/opt/key' }));
  const attrs = backend.attrs(identity({ startupOutput: 'a key' }));
  assert.deepEqual(
    [attrs.backendType, attrs.backendData, attrs.publicIp],
    ['extension', 'a key', '192.0.2.1'],
  );
  const again = backend.attrs(identity({ existing: { ...peer(1, {}), attrs } }));
  assert.equal(again.backendData, 'a key');
});

test('without that command there is no data, whatever an earlier lease had', () => {
  const { backend } = createExtension(configOf(type));
  const existing = peer(1, { BackendType: 'extension', BackendData: 'old' });
  assert.equal(backend.attrs(identity({ existing })).backendData, undefined);
});

test('a peer is what its subnets lead to; the external interface is left as it is', () => {
  const host = hostOf(type, '46');
  const { backend } = createExtension(host.config);
  assert.deepEqual(backend.planPeer(host, peer(14, theirs, '46')), [
    { type: 'reached', routed: '10.2.14.0/24', objects: [] },
    { type: 'reached', routed: 'fd00:2:0:14::/64', objects: [] },
  ]);
  assert.deepEqual([backend.devices, backend.planHost(host)], [[], []]);
  assert.equal(backend.containerMtuBytes(external), 1500);
});

test('another backend, and data that is no text, are refused with the reason', () => {
  const host = hostOf(type);
  const { backend } = createExtension(host.config);
  const plan = (attrs: object) => planText(backend.planPeer(host, peer(14, attrs)));
  assert.match(plan({ ...theirs, BackendType: 'vxlan' })[0] ?? '', /^no: .*vxlan, ours is extension/);
  for (const BackendData of [{ a: 1 }, 7, ['x']])
    assert.match(plan({ ...theirs, BackendData })[0] ?? '', /^no: .*no text/, String(BackendData));
});

test('no data and null are the empty text', () => {
  const dataOf = (backendData: LeaseAttrs['backendData']) =>
    extensionDataOf({ ...peer(14, theirs).attrs, backendData });
  assert.deepEqual([dataOf(undefined), dataOf(null), dataOf('x'), dataOf(7)], ['', '', 'x', undefined]);
});
