import type { HostRoute } from '../lease/network-overlap.ts';

/** The routes of this host's main tables, both families, with their devices' names: `ip route; ip -6 route`. */
export async function readHostRoutes(): Promise<HostRoute[]> {
  const [{ NetlinkSocket }, { links }, { routes }, { mainTable }] = await Promise.all([
    import('../sys/netlink-socket.ts'),
    import('../kernel/links.ts'),
    import('../kernel/routes.ts'),
    import('../wire/route.ts'),
  ]);
  const socket = NetlinkSocket.open();
  try {
    const names = new Map((await links.list(socket)).map(link => [link.index, link.name]));
    const table = await routes.list(socket, { table: mainTable });
    return table.map(({ dst, gateway, dev }) => ({
      dst,
      gateway,
      dev: dev === undefined ? undefined : names.get(dev),
    }));
  } finally {
    socket.close();
  }
}
