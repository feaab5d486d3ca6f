/**
 * Forwarding database: behind which host of the underlay a MAC of the overlay lives, as `bridge fdb` has it. In a
 * network of its own:
 *
 *     unshare --net node --conditions=weft-source examples/netlink/fdb.ts
 */
import { fdb, links, NetlinkSocket, parseIp, parseMac } from 'weft/netlink';

const socket = NetlinkSocket.open();
try {
  await links.add(socket, {
    name: 'vx1',
    up: true,
    kind: { kind: 'vxlan', vni: 1, port: 8472, learning: false },
  });
  const dev = (await links.get(socket, 'vx1'))?.index ?? 0;
  const lladdr = parseMac('0a:00:00:00:00:0e');

  // bridge fdb replace 0a:00:00:00:00:0e dev vx1 dst 192.0.2.14 self permanent
  await fdb.replace(socket, { dev, lladdr, dst: parseIp('192.0.2.14') });
  await fdb.replace(socket, { dev, lladdr, dst: parseIp('192.0.2.15') });

  // bridge fdb show dev vx1
  for (const entry of await fdb.list(socket, { dev })) {
    console.log(`${entry.lladdr} dst ${entry.dst} ${entry.table} ${entry.state}`);
  }

  // bridge fdb delete 0a:00:00:00:00:0e dev vx1 dst 192.0.2.15 self
  await fdb.delete(socket, { dev, lladdr, dst: parseIp('192.0.2.15') });
  await links.delete(socket, { index: dev, name: 'vx1' });
} finally {
  socket.close();
}
