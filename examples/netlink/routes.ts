/**
 * Routes: one by one and in a batch, listed and looked up, as `ip route` does. In a network of its own:
 *
 *     unshare --net node --conditions=weft-source examples/netlink/routes.ts
 */
import { addresses, links, NetlinkSocket, parseIp, parsePrefix, routes } from 'weft/netlink';

const socket = NetlinkSocket.open();
try {
  await links.add(socket, { name: 'br0', up: true, kind: { kind: 'bridge' } });
  const dev = (await links.get(socket, 'br0'))?.index ?? 0;
  await addresses.add(socket, { dev, local: parseIp('192.0.2.1'), prefixLength: 24 });

  // ip route replace 10.2.14.0/24 via 192.0.2.14 dev br0 proto static mtu 1400
  await routes.replace(socket, {
    dst: parsePrefix('10.2.14.0/24'),
    gateway: parseIp('192.0.2.14'),
    dev,
    protocol: 'static',
    mtuBytes: 1400,
  });

  // Many at once: few system calls, and one outcome for each, in the same order.
  const outcomes = await socket.requestAll(
    ['10.2.15.0/24', '10.2.14.0/24', '10.2.16.0/24'].map(dst =>
      routes.request('add', { dst: parsePrefix(dst), gateway: parseIp('192.0.2.15'), protocol: 'static' }),
    ),
  );
  for (const outcome of outcomes) console.log(outcome.ok ? 'added' : outcome.error.message);

  // ip -4 route show proto static
  for (const { dst, gateway, mtuBytes } of await routes.list(socket, { family: 4, protocol: 'static' })) {
    console.log(`${dst} via ${gateway}${mtuBytes === undefined ? '' : ` mtu ${mtuBytes}`}`);
  }

  // ip route get 10.2.14.3
  const way = await routes.get(socket, parseIp('10.2.14.3'));
  console.log(`10.2.14.3 goes via ${way.gateway} from ${way.preferredSource}`);

  // With the device go its routes.
  await links.delete(socket, { index: dev, name: 'br0' });
  console.log((await routes.list(socket, { protocol: 'static' })).length);
} finally {
  socket.close();
}
