/** What must be right before anything is changed, and what is put right at the start. */
import { WeftError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { links } from '../kernel/links.ts';
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

/** Without forwarding the host drops what its containers send; flannel leaves it to Docker to notice. */
export function enableForwarding(log: Log): void {
  const key = 'net/ipv4/ip_forward';
  if (sysctl.read(key) === '1') return;
  if (setSysctl(log, key, '1')) {
    log.info({ key }, 'IP forwarding was off, switched it on: containers need it to reach other hosts');
  }
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
