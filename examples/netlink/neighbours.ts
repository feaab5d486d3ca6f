/**
 * Neighbours: which MAC an address has, told instead of asked for, as `ip neigh` does. In a network of its own:
 *
 *     unshare --net node --conditions=weft-source examples/netlink/neighbours.ts
 */
import { links, NetlinkSocket, neighbours, parseIp, parseMac } from 'weft/netlink';

const socket = NetlinkSocket.open();
try {
  await links.add(socket, { name: 'br0', kind: { kind: 'bridge' } });
  const dev = (await links.get(socket, 'br0'))?.index ?? 0;
  const dst = parseIp('10.2.14.0');

  // ip neigh replace 10.2.14.0 lladdr 0a:00:00:00:00:0e dev br0 nud permanent
  await neighbours.replace(socket, { dev, dst, lladdr: parseMac('0a:00:00:00:00:0e') });
  await neighbours.replace(socket, { dev, dst, lladdr: parseMac('0a:00:00:00:00:0f') });

  // ip -4 neigh show dev br0
  for (const { dst, lladdr, state } of await neighbours.list(socket, { dev, family: 4 })) {
    console.log(`${dst} is at ${lladdr}, ${state}`);
  }

  // ip neigh delete 10.2.14.0 dev br0
  await neighbours.delete(socket, { dev, dst });
  await links.delete(socket, { index: dev, name: 'br0' });
} finally {
  socket.close();
}
