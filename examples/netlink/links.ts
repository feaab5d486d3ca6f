/**
 * Links: create, read, change and delete, as `ip link` does. In a network of its own:
 *
 *     unshare --net node --conditions=weft-source examples/netlink/links.ts
 */
import { links, NetlinkSocket, parseIp } from 'weft/netlink';

const socket = NetlinkSocket.open();
try {
  // ip link add v0 type veth peer name v1
  await links.add(socket, {
    name: 'v0',
    up: true,
    kind: { kind: 'veth', peer: { name: 'v1', mtuBytes: 1400 } },
  });
  const below = await links.get(socket, 'v0');

  // ip link add vx1 mtu 1350 up type vxlan id 1 dev v0 local 192.0.2.1 dstport 8472 nolearning
  await links.add(socket, {
    name: 'vx1',
    mtuBytes: 1350,
    up: true,
    kind: {
      kind: 'vxlan',
      vni: 1,
      dev: below?.index,
      local: parseIp('192.0.2.1'),
      port: 8472,
      learning: false,
    },
  });

  // ip link show type vxlan
  for (const { name, mtuBytes, up, kind } of await links.list(socket, { kind: 'vxlan' })) {
    if (kind.kind === 'vxlan')
      console.log(`${name}: vni ${kind.vni} port ${kind.port} mtu ${mtuBytes} up ${up}`);
  }

  // ip link set vx1 name vx9 mtu 1300, then ip link delete vx9
  const vx1 = await links.get(socket, 'vx1');
  if (vx1 !== undefined) {
    await links.set(socket, vx1, { name: 'vx9', mtuBytes: 1300 });
    await links.delete(socket, { index: vx1.index, name: 'vx9' });
  }
  if (below !== undefined) await links.delete(socket, below);
  console.log((await links.list(socket)).map(({ name }) => name).join(' '));
} finally {
  socket.close();
}
