import { accessSync, constants } from 'node:fs';
import { links } from '../../kernel/links.ts';
import { NetlinkError } from '../../sys/netlink-error.ts';
import type { Check } from '../check.ts';
import { type Finding, fail, ok, skip } from '../finding.ts';
import type { Scene } from '../scene.ts';

/** Whether this kernel has the devices that the network's backend is made of. */
export const vxlanSupport: Check = {
  name: 'vxlan-support',
  title: 'kernel support',
  look: async scene => {
    const { config } = await scene.view();
    const { type } = config.backend;
    if (type === 'vxlan') return await lookForVxlan(scene);
    return type === 'udp' ? lookForTun() : skip(`${type} needs no device of its own`);
  },
};

async function lookForVxlan(scene: Scene): Promise<Finding> {
  const kernel = await scene.kernel();
  const device = kernel.links.find(({ kind }) => kind.kind === 'vxlan');
  if (device !== undefined) return ok(`this kernel has VXLAN devices, such as ${device.name}`);
  const answer = await askForVxlan(scene);
  if (answer === 'EPERM') return skip('whether this kernel has VXLAN devices is told to root alone');
  if (answer !== 'EOPNOTSUPP') return ok('this kernel has VXLAN devices');
  return fail('this kernel has no VXLAN devices', {
    evidence: ['ip link add type vxlan: Error: Unknown device type.'],
    remedy: {
      commands: ['modprobe vxlan'],
      text: "the package with the kernel's extra modules may be missing (Ubuntu: linux-modules-extra-$(uname -r)); without it use another backend: host-gw, or udp",
    },
  });
}

/**
 * Nothing is made: an impossible VNI is refused with ERANGE by a kernel that knows VXLAN (or loads its module now), with
 * EOPNOTSUPP by one that does not (net/core/rtnetlink.c rtnl_newlink).
 */
async function askForVxlan({ tools }: Scene): Promise<string> {
  try {
    const impossible = { kind: 'vxlan', vni: 0x1000000 } as const;
    await links.add(tools.below?.socket ?? tools.socket, { name: 'weft-probe', kind: impossible });
    return 'made';
  } catch (error) {
    if (error instanceof NetlinkError) return error.errnoName;
    throw error;
  }
}

function lookForTun(): Finding {
  const errno = tryToOpen('/dev/net/tun');
  if (errno === undefined) return ok('/dev/net/tun is there');
  if (errno === 'EACCES') return skip('/dev/net/tun may be opened by root alone');
  return fail(`there is no /dev/net/tun, of which the udp backend makes its device: ${errno}`, {
    evidence: ["ls: cannot access '/dev/net/tun': No such file or directory"],
    remedy: {
      commands: ['mkdir -p /dev/net', 'mknod /dev/net/tun c 10 200'],
      text: 'in a container: docker run --device /dev/net/tun; a kernel without the driver needs `modprobe tun`',
    },
  });
}

/** The errno's name; undefined when it could be opened. */
function tryToOpen(path: string): string | undefined {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}
