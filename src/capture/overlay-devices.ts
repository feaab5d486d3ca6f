/** The overlay devices of this host, and by which device their packets leave: all that the kernel knows without a daemon. */
import { type IpAddress, isUnspecified } from '../base/ip.ts';
import { everything } from '../base/prefix.ts';
import { addresses } from '../kernel/addresses.ts';
import { links } from '../kernel/links.ts';
import { routes } from '../kernel/routes.ts';
import type { NetlinkSocket } from '../sys/netlink-socket.ts';
import { udpAddresses } from '../sys/udp-ports.ts';
import type { Address } from '../wire/address.ts';
import type { Link } from '../wire/link.ts';
import { mainTable, type Route } from '../wire/route.ts';
import { linuxVxlanPort } from '../wire/vxlan.ts';

export interface OverlayDevice {
  readonly link: Link;
  /** UDP port of the tunnel. The kernel does not know that of a TUN device: flannel's. */
  readonly port: number;
  /** Undefined for the udp backend's TUN device. */
  readonly vni: number | undefined;
  /** The device that its packets leave by; undefined when that is not known. */
  readonly underlay: Link | undefined;
  /** Own address on the underlay, if told. */
  readonly local: IpAddress | undefined;
}

/** What a search looks at. */
export interface HostTables {
  readonly links: readonly Link[];
  readonly addresses: readonly Address[];
  /** Of the main table. */
  readonly routes: readonly Route[];
}

/** Specified by flannel: the port of its udp backend. */
export const udpBackendPort = 8285;

/** @throws NetlinkError */
export async function readHostTables(socket: NetlinkSocket): Promise<HostTables> {
  return {
    links: await links.list(socket),
    addresses: await addresses.list(socket),
    routes: (await routes.list(socket)).filter(({ table = mainTable }) => table === mainTable),
  };
}

/** By their names: flannel.N and flannel-v6.N with the VNI N, flannel0 and its like. */
export function overlayDevices(tables: HostTables): OverlayDevice[] {
  return tables.links.flatMap((link): OverlayDevice[] => {
    const { kind, name } = link;
    if (kind.kind === 'vxlan' && [`flannel.${kind.vni}`, `flannel-v6.${kind.vni}`].includes(name)) {
      const underlay = linkOf(tables, kind.dev) ?? linkWith(tables, kind.local);
      const { vni, local, port = linuxVxlanPort } = kind;
      return [{ link, port, vni, local, underlay }];
    }
    if (kind.kind !== 'tun' || kind.mode !== 'tun' || !/^flannel\d+$/.test(name)) return [];
    return [
      { link, port: udpBackendPort, vni: undefined, local: undefined, underlay: tunnelUnderlay(tables) },
    ];
  });
}

/** Where the daemon's socket is bound; when there is none, the device of the default route is the best guess. */
function tunnelUnderlay(tables: HostTables): Link | undefined {
  const bound = udpAddresses(udpBackendPort).filter(address => !isUnspecified(address));
  const device = bound.map(address => linkWith(tables, address)).find(link => link !== undefined);
  const defaults = [everything[4], everything[6]];
  return device ?? linkOf(tables, tables.routes.find(({ dst }) => defaults.includes(dst))?.dev);
}

function linkOf(tables: HostTables, index: number | undefined): Link | undefined {
  return index === undefined ? undefined : tables.links.find(link => link.index === index);
}

function linkWith(tables: HostTables, address: IpAddress | undefined): Link | undefined {
  return linkOf(tables, tables.addresses.find(({ local }) => local === address)?.dev);
}
