/** Where to capture, and what: from the kernel's devices and what was asked for. */
import { WeftError } from '../base/errors.ts';
import type { IpAddress } from '../base/ip.ts';
import { nearest } from '../base/nearest.ts';
import { type Prefix, prefixCovers, prefixLength } from '../base/prefix.ts';
import type { NetlinkSocket } from '../sys/netlink-socket.ts';
import type { Carrier } from '../wire/bpf-overlay.ts';
import type { Link } from '../wire/link.ts';
import { type HostTables, type OverlayDevice, overlayDevices, readHostTables } from './overlay-devices.ts';
import { peerHost } from './peer-hosts.ts';

export interface CaptureRequest {
  /** Devices of the underlay, or of the overlay for those that carry it; none: those of all overlays here. */
  readonly devices: readonly string[];
  /** UDP ports; none: those of the overlays here. */
  readonly ports: readonly number[];
  /** VXLAN network identifiers; none: those of the overlays here, or all with a port of one's own. */
  readonly vnis: readonly number[];
  readonly peer: Prefix | undefined;
  /** The overlay's address ranges, as far as they are known. */
  readonly networks: readonly Prefix[];
}

export interface CapturePlan {
  readonly points: readonly CapturePoint[];
  /** Underlay addresses, of which one must be an end; none: whoever it is. */
  readonly hosts: readonly IpAddress[];
}

/** One link to capture on. */
export interface CapturePoint {
  readonly link: Link;
  /** This host's on that link. */
  readonly addresses: readonly IpAddress[];
  readonly carriers: readonly Carrier[];
}

/**
 * @throws WeftError `capture-no-overlay`, `capture-host-gw`, `capture-underlay`, `device-missing`, `peer-unresolved`,
 * `peer-direct`; NetlinkError
 */
export async function planCapture(socket: NetlinkSocket, request: CaptureRequest): Promise<CapturePlan> {
  const tables = await readHostTables(socket);
  const devices = overlayDevices(tables);
  const named = request.devices.map(name => linkNamed(tables, name));
  const places =
    named.length === 0 ? devices : named.map(link => devices.find(one => one.link === link) ?? link);
  const wished = devices.filter(device => isWished(device, request));
  const points = mergePoints(places.flatMap(place => pointsAt(place, wished, request, tables)));
  if (points.length === 0) throw nothingToCapture(tables, devices, request);
  const { peer, networks } = request;
  const hosts = peer === undefined ? [] : [await peerHost(socket, { peer, tables, devices, networks })];
  return { points, hosts };
}

/** A TUN device's port is not known to the kernel, so any will do; a VNI it has not. */
function isWished({ port, vni }: OverlayDevice, { ports, vnis }: CaptureRequest): boolean {
  if (vni === undefined) return vnis.length === 0;
  return (ports.length === 0 || ports.includes(port)) && (vnis.length === 0 || vnis.includes(vni));
}

function pointsAt(
  place: OverlayDevice | Link,
  wished: readonly OverlayDevice[],
  request: CaptureRequest,
  tables: HostTables,
): CapturePoint[] {
  if (!('underlay' in place)) {
    const carriers =
      request.ports.length === 0
        ? wished.map(device => carrierOf(device, request))
        : request.ports.map(port => ({ port, vnis: request.vnis }));
    return carriers.length === 0 ? [] : [{ link: place, addresses: addressesOn(tables, place), carriers }];
  }
  if (!wished.includes(place)) return [];
  const { underlay, local } = place;
  if (underlay === undefined) throw underlayUnknown(place);
  const addresses = [...addressesOn(tables, underlay), ...(local === undefined ? [] : [local])];
  return [{ link: underlay, addresses, carriers: [carrierOf(place, request)] }];
}

function carrierOf({ port, vni }: OverlayDevice, { ports }: CaptureRequest): Carrier {
  return vni === undefined ? { port: ports[0] ?? port, vnis: [] } : { port, vnis: [vni] };
}

/** One point for each link, one carrier for each port. */
function mergePoints(points: readonly CapturePoint[]): CapturePoint[] {
  return [...Map.groupBy(points, ({ link }) => link)].map(([link, same]) => ({
    link,
    addresses: [...new Set(same.flatMap(({ addresses }) => addresses))],
    carriers: [
      ...Map.groupBy(
        same.flatMap(({ carriers }) => carriers),
        ({ port }) => port,
      ),
    ].map(([port, carriers]) => ({
      port,
      vnis: carriers.some(({ vnis }) => vnis.length === 0)
        ? []
        : [...new Set(carriers.flatMap(({ vnis }) => vnis))],
    })),
  }));
}

function addressesOn({ addresses }: HostTables, { index }: Link): IpAddress[] {
  return addresses.filter(({ dev }) => dev === index).map(({ local }) => local);
}

function linkNamed({ links }: HostTables, name: string): Link {
  const link = links.find(one => one.name === name);
  if (link !== undefined) return link;
  const near = nearest(
    name,
    links.map(one => one.name),
  );
  throw new WeftError('device-missing', `there is no network device ${name}`, {
    remedy: near === undefined ? 'see the devices with `ip link`' : `did you mean ${near}?`,
  });
}

function underlayUnknown({ link }: OverlayDevice): WeftError {
  return new WeftError('capture-underlay', `by which device the packets of ${link.name} leave is not known`, {
    remedy: 'name it with -i',
  });
}

const byHand = 'name what to capture, with -i DEV -port N';

function nothingToCapture(
  tables: HostTables,
  devices: readonly OverlayDevice[],
  { ports, vnis, networks }: CaptureRequest,
): WeftError {
  if (devices.length > 0) {
    const found = devices.map(({ link, port, vni }) =>
      vni === undefined ? link.name : `${link.name} (VNI ${vni}, UDP ${port})`,
    );
    const asked = [...ports.map(port => `port ${port}`), ...vnis.map(vni => `VNI ${vni}`)].join(' and ');
    return new WeftError(
      'capture-no-overlay',
      `no overlay device here has ${asked}: there is ${found.join(', ')}`,
      {
        remedy: byHand,
      },
    );
  }
  const direct = unwrappedRoute(tables, networks);
  if (direct !== undefined && networks.length > 0) {
    const { dst, gateway, device } = direct;
    return new WeftError(
      'capture-host-gw',
      `packets go between the hosts as they are (host-gw: ${dst} via ${gateway} dev ${device}): there is no tunnel to decode`,
      { remedy: `capture the packets themselves: ${direct.command}` },
    );
  }
  const hostGw = direct === undefined ? '' : `; with host-gw there is no tunnel: ${direct.command}`;
  return new WeftError(
    'capture-no-overlay',
    'this host has no overlay device (flannel.N, flannel-v6.N, flannel0)',
    {
      remedy: `run \`weft lab up\` and capture in one of its hosts, \`weft lab exec host1 -- weft capture\`; or ${byHand}${hostGw}`,
    },
  );
}

/** A route by which a peer's packets go as they are: certain only where the network is known. */
function unwrappedRoute({ routes, links }: HostTables, networks: readonly Prefix[]) {
  const found = routes.find(
    ({ dst, gateway }) =>
      gateway !== undefined &&
      prefixLength(dst) > 0 &&
      (networks.length === 0 || networks.some(network => prefixCovers(network, dst))),
  );
  if (found === undefined) return undefined;
  const { dst, gateway } = found;
  const device = links.find(({ index }) => index === found.dev)?.name ?? 'any';
  const network = networks.find(one => prefixCovers(one, dst)) ?? dst;
  return { dst, gateway, device, command: `tcpdump -ni ${device} net ${network}` };
}
