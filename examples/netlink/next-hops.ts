/**
 * Next hops: one object that many routes lead to, as `ip nexthop` has them (Linux 5.3 and newer). In a network of its
 * own:
 *
 *     unshare --net node --conditions=weft-source examples/netlink/next-hops.ts
 */
import { addresses, links, NetlinkSocket, nextHops, parseIp, parsePrefix, routes } from 'weft/netlink';

const socket = NetlinkSocket.open();
try {
  await links.add(socket, { name: 'br0', up: true, kind: { kind: 'bridge' } });
  const dev = (await links.get(socket, 'br0'))?.index ?? 0;

  await addresses.add(socket, { dev, local: parseIp('10.2.1.0'), prefixLength: 32 });

  // ip nexthop replace id 77 via 10.2.14.0 dev br0 proto boot onlink
  await nextHops.replace(socket, { id: 77, gateway: parseIp('10.2.14.0'), dev, onlink: true });

  // ip route add 10.2.14.0/24 nhid 77
  for (const dst of ['10.2.14.0/24', '10.2.15.0/24']) {
    await routes.add(socket, { dst: parsePrefix(dst), nextHopId: 77 });
  }

  // Replacing it once moves every route, without a gap.
  await nextHops.replace(socket, { id: 77, gateway: parseIp('10.2.99.0'), dev, onlink: true });
  for (const { dst, nextHopId, gateway } of await routes.list(socket, { family: 4, dev, table: 254 })) {
    console.log(`${dst} nhid ${nextHopId} via ${gateway}`);
  }

  // ip nexthop delete id 77: its routes go with it.
  await nextHops.delete(socket, { id: 77 });
  console.log((await routes.list(socket, { family: 4, dev, table: 254 })).length);
  await links.delete(socket, { index: dev, name: 'br0' });
} finally {
  socket.close();
}
