import type { IpAddress } from '../base/ip.ts';
import { addresses } from '../kernel/addresses.ts';
import { links } from '../kernel/links.ts';
import { routes } from '../kernel/routes.ts';
import { NetlinkError } from '../sys/netlink-error.ts';
import type { NetlinkSocket } from '../sys/netlink-socket.ts';
import { mainTable } from '../wire/route.ts';
import type { UnderlayView } from './external-interface.ts';

/** What the interface to the underlay is chosen from, in the socket's namespace. @throws NetlinkError */
export async function readUnderlay(socket: NetlinkSocket): Promise<UnderlayView> {
  return {
    links: await links.list(socket),
    addresses: await addresses.list(socket),
    routes: await routes.list(socket, { table: mainTable }),
    routeTo: (target: IpAddress) => routes.get(socket, target).catch(absentIfUnreachable),
  };
}

function absentIfUnreachable(error: unknown): undefined {
  if (error instanceof NetlinkError && unreachable.includes(error.errnoName)) return undefined;
  throw error;
}

const unreachable = ['ENETUNREACH', 'EHOSTUNREACH', 'EACCES', 'EINVAL'];
