/** What a lab needs of the machine. Each thing that is missing is named together with what gets it. */
import { existsSync } from 'node:fs';
import { hasCode, WeftError } from '../base/errors.ts';
import { links } from '../kernel/links.ts';
import { type capabilities, hasCapability } from '../sys/capabilities.ts';
import { findProgram } from '../sys/exec.ts';
import { familiesOf, type LabPlan, type LabShape } from './lab-plan.ts';
import { withNetlink } from './namespaces.ts';

const needed: ReadonlyArray<keyof typeof capabilities> = ['CAP_NET_ADMIN', 'CAP_NET_RAW', 'CAP_SYS_ADMIN'];

/** @throws WeftError `lab-privileges` */
export function requirePrivileges(what: string): void {
  const missing = needed.filter(name => !hasCapability(name));
  if (missing.length === 0) return;
  throw new WeftError(
    'lab-privileges',
    `${what} works on network namespaces, and lacks ${missing.join(', ')}`,
    {
      remedy: `run it as root: sudo ${what}`,
    },
  );
}

/** @throws WeftError `program-missing` */
export function requirePrograms({ registry }: Pick<LabShape, 'registry'>): void {
  requireProgram('ip', 'makes the network namespaces');
  if (registry === 'etcd') requireProgram('etcd', 'is the registry that --registry etcd asks for');
}

/** @throws WeftError `vxlan-missing`, `tun-missing`, `ipv6-missing` for what the lab's backend or family needs */
export async function requireKernel({ shape, switch: { netns } }: LabPlan): Promise<void> {
  if (familiesOf(shape).includes(6)) requireIpv6();
  if (shape.backend.startsWith('vxlan')) await requireVxlan(netns);
  if (shape.backend === 'udp') requireTun();
}

function requireIpv6(): void {
  if (existsSync('/proc/sys/net/ipv6')) return;
  throw new WeftError('ipv6-missing', 'this kernel has no IPv6', {
    remedy: 'start it without ipv6.disable=1, or make a lab with --family 4',
  });
}

function requireTun(): void {
  if (existsSync('/dev/net/tun')) return;
  throw new WeftError(
    'tun-missing',
    'there is no /dev/net/tun, through which the udp backend carries packets',
    {
      remedy: 'modprobe tun; in a container also: mkdir -p /dev/net && mknod /dev/net/tun c 10 200',
    },
  );
}

/**
 * Asks the kernel for VXLAN in a namespace of the lab, without making anything: an impossible VNI is refused with
 * ERANGE by a kernel that knows VXLAN, with EOPNOTSUPP by one that does not.
 * @throws WeftError `vxlan-missing`
 */
async function requireVxlan(netns: string): Promise<void> {
  await withNetlink(netns, async socket => {
    try {
      await links.add(socket, { name: 'vxlan-probe', kind: { kind: 'vxlan', vni: 2 ** 24 } });
    } catch (cause) {
      if (!hasCode(cause, 'netlink-eopnotsupp')) return;
      throw new WeftError('vxlan-missing', 'this kernel has no VXLAN devices', {
        cause,
        remedy: vxlanRemedy,
      });
    }
  });
}

const vxlanRemedy =
  'modprobe vxlan; if there is no such module, install the package that holds it (Ubuntu: linux-modules-extra-$(uname -r), Fedora: kernel-modules-extra) or use a kernel with CONFIG_VXLAN';

/** Package that brings a program, by the program that installs packages. */
const packages: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  ip: {
    'apt-get': 'apt-get install iproute2',
    dnf: 'dnf install iproute',
    zypper: 'zypper install iproute2',
    apk: 'apk add iproute2',
    pacman: 'pacman -S iproute2',
  },
  etcd: {
    'apt-get': 'apt-get install etcd-server',
    dnf: 'dnf install etcd',
    zypper: 'zypper install etcd',
    apk: 'apk add etcd',
  },
};

function requireProgram(program: string, purpose: string): void {
  if (findProgram(program) !== undefined) return;
  throw new WeftError('program-missing', `the program ${program} is missing: it ${purpose}`, {
    remedy: installCommand(program, name => findProgram(name) !== undefined),
  });
}

/** The command that installs `program` with the package manager that is there; Debian's when none is known. */
export function installCommand(program: string, exists: (name: string) => boolean): string {
  const commands = Object.entries(packages[program] ?? {});
  const [, command] = commands.find(([manager]) => exists(manager)) ??
    commands[0] ?? ['', `install ${program}`];
  return command;
}
