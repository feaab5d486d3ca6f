import { hasCode, WeftError } from '../base/errors.ts';
import { familyOf, type IpAddress } from '../base/ip.ts';
import type { Prefix } from '../base/prefix.ts';
import { addresses } from '../kernel/addresses.ts';
import type { SubnetEnv } from '../lease/subnet-env.ts';
import { type ContainerPlan, type HostPlan, type LabPlan, type LabShape, planLab } from './lab-plan.ts';
import { daemonRole } from './lab-programs.ts';
import { type ProcessRecord, readRecord, readSubnetFile, runningProcesses } from './lab-state.ts';
import { withNetlink } from './namespaces.ts';

/** What there is of a lab at this moment. */
export interface LabStatus {
  readonly shape: LabShape;
  readonly hosts: readonly HostStatus[];
}

export interface HostStatus {
  readonly name: string;
  /** One of each family of the lab, IPv4 first; so are the others. */
  readonly underlay: readonly IpAddress[];
  /** Empty as long as the daemon has none. */
  readonly subnets: readonly Prefix[];
  /** Undefined when it has ended. */
  readonly daemonPid: number | undefined;
  readonly containers: readonly ContainerStatus[];
}

export interface ContainerStatus {
  readonly name: string;
  /** As the kernel has them in the container's namespace. */
  readonly addresses: readonly IpAddress[];
}

/**
 * The plan of a lab that stands.
 * @throws WeftError `lab-missing`; `lab-busy` while another process makes it; `lab-half-made` when that was cut
 * short; `lab-state`
 */
export function openLab(lab: string): LabPlan {
  const record = readRecord(lab);
  const name = lab === 'lab' ? '' : ` --name ${lab}`;
  if (record === undefined) {
    throw new WeftError('lab-missing', `there is no lab named ${lab}`, { remedy: `weft lab up${name}` });
  }
  if (record !== 'half-made' && record.complete) return planLab(record.shape);
  const maker = runningProcesses(lab).find(({ role }) => role === 'maker');
  if (maker !== undefined) {
    throw new WeftError('lab-busy', `process ${maker.pid} is making lab ${lab}`, {
      remedy: `wait for it, or stop it and take the lab away: weft lab down${name}`,
    });
  }
  throw new WeftError('lab-half-made', `the making of lab ${lab} was cut short`, {
    remedy: `weft lab down${name}`,
  });
}

/** @throws NetlinkError */
export async function readStatus(plan: LabPlan): Promise<LabStatus> {
  const processes = runningProcesses(plan.shape.name);
  const hosts = await Promise.all(plan.hosts.map(host => readHost(plan.shape.name, host, processes)));
  return { shape: plan.shape, hosts };
}

async function readHost(
  lab: string,
  host: HostPlan,
  processes: readonly ProcessRecord[],
): Promise<HostStatus> {
  return {
    name: host.name,
    underlay: host.underlay,
    subnets: subnetsOf(readSubnetFile(lab, host.name)),
    daemonPid: processes.find(({ role }) => role === daemonRole(host))?.pid,
    containers: await Promise.all(host.containers.map(readContainer)),
  };
}

async function readContainer({ name, netns }: ContainerPlan): Promise<ContainerStatus> {
  try {
    const all = await withNetlink(netns, socket => addresses.list(socket));
    const own = all.filter(({ scope }) => scope === 'global').map(({ local }) => local);
    return { name, addresses: own.sort((one, other) => familyOf(one) - familyOf(other)) };
  } catch (error) {
    if (hasCode(error, 'netns-missing')) return { name, addresses: [] };
    throw error;
  }
}

function subnetsOf(env: SubnetEnv | undefined): Prefix[] {
  return [env?.subnet?.ipv4, env?.subnet?.ipv6].filter(subnet => subnet !== undefined);
}
