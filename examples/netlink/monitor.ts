/**
 * Monitor: every change as it happens, as `ip monitor` shows it. In a network of its own:
 *
 *     unshare --net node --conditions=weft-source examples/netlink/monitor.ts
 */
import { type KernelEvent, links, monitor, NetlinkSocket } from 'weft/netlink';

const { promise: deleted, resolve } = Promise.withResolvers<void>();

function onEvent(event: KernelEvent): void {
  // Events were lost: what is known of the kernel is stale, so read it anew with list().
  if (event.type === 'overrun') console.log('overrun');
  else if (event.object.type === 'link') console.log(`${event.object.value.name} is ${event.type}`);
  if (event.type === 'gone') resolve();
}

const watching = monitor({ objects: ['link'], onEvent });
const socket = NetlinkSocket.open();
try {
  await links.add(socket, { name: 'br0', kind: { kind: 'bridge' } });
  const br0 = await links.get(socket, 'br0');
  if (br0 !== undefined) await links.delete(socket, br0);
  await deleted;
} finally {
  socket.close();
  watching.close();
}
