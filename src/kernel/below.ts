import type { NetlinkSocket } from '../sys/netlink-socket.ts';

/**
 * The network namespace of the devices that ours are made on, when it is another than ours: a VXLAN device keeps its UDP
 * socket in the namespace in which it was made, wherever it lives itself.
 *
 *     below (the underlay)          ours
 *     eth0, UDP 8472  ─────────────  flannel.7 ── containers
 *
 * Devices are made from below, straight into ours (`ip link add NAME netns OURS type vxlan ... dev eth0`), so that there
 * is no moment at which they are below. Whatever else is done to them is done in ours, where the kernel takes and tells
 * the number of the device below as it is below (drivers/net/vxlan/vxlan_core.c vxlan_config_validate; seen on Linux
 * 6.18).
 */
export interface Below {
  /** In that namespace. */
  readonly socket: NetlinkSocket;
  /** Open descriptor of our namespace. */
  readonly netnsFd: number;
}
