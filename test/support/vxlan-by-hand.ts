/**
 * The overlay of two hosts, made by hand with `ip` and `bridge`: what flannel's vxlan backend and `weft run` leave in
 * the kernel. A control: when a test of a daemon fails and the same over this passes, it is the daemon's fault.
 */
import type { Host } from './host.ts';

export interface OverlayHost {
  readonly host: Host;
  /** On the underlay, `192.0.2.1`; the underlay device is `eth0`. */
  readonly underlay: string;
  /** The first address of its /24, `10.2.1.0`. */
  readonly subnet: string;
}

/** Makes flannel.1 on both hosts, and the route, neighbour and FDB entry to each other; writes their subnet.env. */
export async function joinByVxlan(network: string, one: OverlayHost, other: OverlayHost): Promise<void> {
  await Promise.all([weave(network, one, other), weave(network, other, one)]);
}

async function weave(network: string, own: OverlayHost, peer: OverlayHost): Promise<void> {
  const { host, underlay, subnet } = own;
  await host.netns.ipBatch([
    `link add flannel.1 type vxlan id 1 local ${underlay} dev eth0 dstport 8472 nolearning`,
    `link set flannel.1 address ${macOf(subnet)} mtu 1450 up`,
    `address add ${subnet}/32 dev flannel.1`,
    `route add ${peer.subnet}/24 via ${peer.subnet} dev flannel.1 onlink`,
    `neigh add ${peer.subnet} lladdr ${macOf(peer.subnet)} dev flannel.1 nud permanent`,
  ]);
  await host.run(`bridge fdb add ${macOf(peer.subnet)} dev flannel.1 dst ${peer.underlay} self permanent`);
  await host.run('sysctl -q -w net.ipv4.ip_forward=1');
  await host.run('tee /run/flannel/subnet.env', { input: subnetEnv(network, subnet) });
}

/** A locally administered address that tells which host it is. */
function macOf(subnet: string): string {
  return `02:00:${subnet
    .split('.')
    .map(octet => Number(octet).toString(16).padStart(2, '0'))
    .join(':')}`;
}

function subnetEnv(network: string, subnet: string): string {
  const gateway = subnet.replace(/\.0$/, '.1');
  return [
    `FLANNEL_NETWORK=${network}`,
    `FLANNEL_SUBNET=${gateway}/24`,
    'FLANNEL_MTU=1450',
    'FLANNEL_IPMASQ=true\n',
  ].join('\n');
}
