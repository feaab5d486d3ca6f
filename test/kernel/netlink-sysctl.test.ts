import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inNetns } from '../../src/sys/netns.ts';
import { sysctl } from '../../src/sys/sysctl.ts';
import { testScope } from '../support/leaks.ts';
import { createNetns } from '../support/netns.ts';

test('a sysctl is read and written in the namespace it is asked in, and in no other', async t => {
  const scope = testScope(t);
  const [a, b] = [await createNetns(scope, 'a'), await createNetns(scope, 'b')];
  await a.ipBatch(['link add vx.1 type vxlan id 5 dstport 8472']);
  const keys = ['net/ipv4/ip_forward', 'net/ipv6/conf/vx.1/accept_ra'];
  for (const key of keys) {
    for (const value of ['1', '0', '1']) {
      inNetns(a.path, () => sysctl.write(key, value));
      assert.equal(
        inNetns(a.path, () => sysctl.read(key)),
        value,
      );
      assert.equal(await a.run(['sysctl', '-n', key]), `${value}\n`);
    }
  }
  assert.equal(
    inNetns(b.path, () => sysctl.read('net/ipv4/ip_forward')),
    '0',
  );
  assert.equal(
    inNetns(b.path, () => sysctl.read('net/ipv6/conf/vx.1/accept_ra')),
    undefined,
  );
  await a.run('sysctl -q -w net.ipv4.ip_local_port_range=2000\t3000'.split(' '));
  assert.equal(
    inNetns(a.path, () => sysctl.read('net/ipv4/ip_local_port_range')),
    '2000\t3000',
  );
});

test('what is no key, no value, or not there is refused, and nothing outside /proc/sys is touched', () => {
  for (const key of [
    '',
    '/',
    '../../etc/passwd',
    'net/../../x',
    'net//ipv4',
    './x',
    'net/ipv4/ip forward',
    'a\0b',
  ]) {
    assert.throws(() => sysctl.read(key), { code: 'sysctl-key' }, key);
    assert.throws(() => sysctl.write(key, '1'), { code: 'sysctl-key' }, key);
  }
  assert.equal(sysctl.read('net/ipv4/no_such_key'), undefined);
  assert.throws(() => sysctl.write('net/ipv4/no_such_key', '1'), {
    code: 'sysctl-write',
    remedy: 'as root: sysctl -w net/ipv4/no_such_key=1',
  });
  assert.throws(() => sysctl.write('net/ipv4/ip_forward', 'perhaps'), { code: 'sysctl-write' });
  assert.throws(() => sysctl.read('net/ipv4'), { code: 'sysctl-read' });
});
