import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIp } from '../../../src/base/ip.ts';
import { parsePrefix } from '../../../src/base/prefix.ts';
import { addressCommand, linkCommand, neighbourCommand, routeCommand } from '../../../src/wire/iproute2.ts';

test('a shell takes a name of a device for nothing else', () => {
  const dev = 'a;$(reboot)';
  const dst = parsePrefix('10.2.14.0/24');
  const local = parseIp('10.2.1.1');
  assert.equal(routeCommand('add', { dst, dev }), "ip route add 10.2.14.0/24 dev 'a;$(reboot)'");
  assert.equal(
    addressCommand('delete', { dev, local, prefixLength: 24 }),
    "ip address delete 10.2.1.1/24 dev 'a;$(reboot)'",
  );
  assert.equal(neighbourCommand('delete', { dev, dst: local }), "ip neigh delete 10.2.1.1 dev 'a;$(reboot)'");
  assert.equal(linkCommand('change', { name: dev, up: true }), "ip link set 'a;$(reboot)' up");
  assert.equal(linkCommand('delete', { name: dev }), "ip link delete 'a;$(reboot)'");
});
