/**
 * Addresses: add, list and delete, as `ip address` does. In a network of its own:
 *
 *     unshare --net node --conditions=weft-source examples/netlink/addresses.ts
 */
import { addresses, links, NetlinkSocket, parseIp } from 'weft/netlink';

const socket = NetlinkSocket.open();
try {
  await links.add(socket, { name: 'br0', up: true, kind: { kind: 'bridge' } });
  const dev = (await links.get(socket, 'br0'))?.index ?? 0;

  // ip address add 10.2.14.1/24 dev br0, ip address add fd02:14::1/64 dev br0 nodad
  await addresses.add(socket, { dev, local: parseIp('10.2.14.1'), prefixLength: 24 });
  await addresses.add(socket, { dev, local: parseIp('fd02:14::1'), prefixLength: 64 });

  // ip -4 address show dev br0
  for (const { local, prefixLength, scope } of await addresses.list(socket, { dev, family: 4 })) {
    console.log(`${local}/${prefixLength} scope ${scope}`);
  }

  // Adding it once more is refused with the kernel's reason; replacing it is not.
  await addresses
    .add(socket, { dev, local: parseIp('10.2.14.1'), prefixLength: 24 })
    .catch((error: Error) => console.log(error.message));
  await addresses.replace(socket, { dev, local: parseIp('10.2.14.1'), prefixLength: 24 });

  // ip address delete 10.2.14.1/24 dev br0, ip link delete br0
  await addresses.delete(socket, { dev, local: parseIp('10.2.14.1'), prefixLength: 24 });
  await links.delete(socket, { index: dev, name: 'br0' });
} finally {
  socket.close();
}
