/** What must be right before anything is changed, and what is put right at the start. */
import { WeftError } from '../base/errors.ts';
import type { Family } from '../base/ip.ts';
import type { Log } from '../base/log.ts';
import { links } from '../kernel/links.ts';
import type { LinkName } from '../state/kernel-object.ts';
import { hasCapability } from '../sys/capabilities.ts';
import { NetlinkError } from '../sys/netlink-error.ts';
import type { NetlinkSocket } from '../sys/netlink-socket.ts';
import { sysctl } from '../sys/sysctl.ts';

/** @throws WeftError `capability-missing` */
export function requireCapabilities(): void {
  if (hasCapability('CAP_NET_ADMIN')) return;
  throw new WeftError(
    'capability-missing',
    'changing devices and routes needs CAP_NET_ADMIN, which this process lacks',
    {
      remedy:
        'run as root, or give it: setcap, AmbientCapabilities=CAP_NET_ADMIN, or docker run --cap-add NET_ADMIN',
    },
  );
}

/**
 * Asks the kernel for VXLAN without making anything: an impossible VNI is refused with ERANGE by a kernel that
 * knows VXLAN, and with EOPNOTSUPP by one that does not.
 * @throws WeftError `vxlan-missing`
 */
export async function requireVxlan(socket: NetlinkSocket): Promise<void> {
  try {
    await links.add(socket, { name: 'weft-probe', kind: { kind: 'vxlan', vni: 0x1000000 } });
  } catch (cause) {
    if (!(cause instanceof NetlinkError)) throw cause;
    if (cause.errnoName !== 'EOPNOTSUPP') return;
    throw new WeftError('vxlan-missing', 'this kernel has no VXLAN devices', {
      cause,
      remedy: "load it with: modprobe vxlan (the package with the kernel's extra modules may be missing)",
    });
  }
}

/**
 * Without forwarding the host drops what its containers send; flannel leaves it to Docker to notice. A host that forwards
 * IPv6 takes itself for a router: it drops the default routes it has learnt and hears no further router advertisement,
 * unless an interface is told to accept them all the same (kernel Documentation/networking/ip-sysctl.rst, accept_ra).
 * @param advertised interfaces that router advertisements configure
 */
export function enableForwarding(
  log: Log,
  families: readonly Family[] = [4],
  advertised: readonly LinkName[] = [],
): void {
  for (const family of families) {
    const key = family === 4 ? 'net/ipv4/ip_forward' : 'net/ipv6/conf/all/forwarding';
    if (sysctl.read(key) === '1') continue;
    if (family === 6) for (const link of advertised) keepRouterAdvertisements(log, link);
    if (setSysctl(log, key, '1')) {
      log.info({ key }, 'IP forwarding was off, switched it on: containers need it to reach other hosts');
    }
  }
}

/** Before forwarding: the kernel drops the default routes in the moment in which it is switched on. */
function keepRouterAdvertisements(log: Log, link: LinkName): void {
  const key = `net/ipv6/conf/${link}/accept_ra`;
  if (sysctl.read(key) !== '1' || !setSysctl(log, key, '2')) return;
  log.info(
    { key },
    `set accept_ra of ${link} from 1 to 2, so that it keeps what routers advertise while this host forwards`,
  );
}

/** A router advertisement from the overlay must not configure the VTEP (flannel does the same). */
export function refuseRouterAdvertisements(log: Log, device: string): void {
  const key = `net/ipv6/conf/${device}/accept_ra`;
  if (sysctl.read(key) !== undefined) setSysctl(log, key, '0');
}

/** In a container /proc/sys is read-only as a rule, and its host may have seen to all of it: no reason to stop. */
function setSysctl(log: Log, key: string, value: string): boolean {
  try {
    sysctl.write(key, value);
    return true;
  } catch (error) {
    const remedy = error instanceof WeftError ? error.remedy : undefined;
    log.warn({ error, remedy }, `${key} could not be set to ${value}`);
    return false;
  }
}
