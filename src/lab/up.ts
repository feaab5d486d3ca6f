import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { WeftError } from '../base/errors.ts';
import { type Prefix, prefixBase } from '../base/prefix.ts';
import { makeContainers } from './containers.ts';
import { takeDown } from './down.ts';
import { prepareIpv6 } from './ipv6.ts';
import { networkText } from './lab-network.ts';
import { defaultShape, type HostPlan, type LabPlan, type LabShape, placesOf, planLab } from './lab-plan.ts';
import { lastLines, putNetworkConfig, startDaemon, startEtcd } from './lab-programs.ts';
import { claimLab, daemonLog, forgetProcess, labNames, writeRecord } from './lab-state.ts';
import { openLab } from './lab-status.ts';
import { addNamespaces, namespacesOf, netnsPath, withNetlink } from './namespaces.ts';
import { readPeerWays } from './peer-ways.ts';
import { ping } from './ping.ts';
import { requireKernel, requirePrivileges, requirePrograms } from './requirements.ts';
import { makeUnderlay } from './underlay.ts';

/** What is asked of a lab; the rest is as by default, or as it is in a lab that stands. */
export type LabRequest = Pick<LabShape, 'name'> & Partial<LabShape>;

export interface MadeLab {
  readonly plan: LabPlan;
  /** False when it stood already. */
  readonly made: boolean;
}

/**
 * Makes a lab in which every container reaches every other, or finds that it stands already. What was made is
 * taken away again when anything fails or the signal aborts.
 * @throws WeftError `lab-name`, `lab-shape`, `lab-privileges`, `program-missing`, `vxlan-missing`, `tun-missing`,
 * `ipv6-missing`; `lab-differs`,
 * `lab-busy`, `lab-half-made`, `lab-namespaces` for what is in the way; `lab-daemon`, `lab-etcd`, `lab-unconnected`;
 * NetlinkError; the signal's reason
 */
export async function makeLab(asked: LabRequest, { signal }: { signal: AbortSignal }): Promise<MadeLab> {
  const shape = { ...defaultShape, ...asked };
  const plan = planLab(shape);
  requirePrivileges('weft lab up');
  requirePrograms(shape);
  refuseForeignNamespaces(plan);
  if (!claimLab(shape)) return { plan: sameLab(asked), made: false };
  try {
    await build(plan, signal);
    return { plan, made: true };
  } catch (error) {
    await takeDown(shape.name).catch(failure => {
      throw new AggregateError(
        [error, failure],
        `making lab ${shape.name} failed, and so did taking it away`,
      );
    });
    // Ctrl-C also reaches the programs that are running, so that their failure may be what was seen first.
    signal.throwIfAborted();
    throw error;
  }
}

async function build(plan: LabPlan, signal: AbortSignal): Promise<void> {
  const { name, registry } = plan.shape;
  await addNamespaces(placesOf(plan).map(place => place.netns));
  await requireKernel(plan);
  prepareIpv6(plan);
  await makeUnderlay(plan);
  if (registry === 'etcd') await startEtcd(plan, { signal });
  await putNetworkConfig(plan, { signal });
  const subnets = await joinNetwork(plan, signal);
  await everyoneKnowsEveryone(plan, subnets, signal);
  writeRecord({ shape: plan.shape, complete: true });
  forgetProcess(name, process.pid);
}

/** All daemons at once, as after a power cut: they must agree on who gets which subnet. */
async function joinNetwork(
  plan: LabPlan,
  signal: AbortSignal,
): Promise<ReadonlyMap<HostPlan, readonly Prefix[]>> {
  const failed = new AbortController();
  const either = AbortSignal.any([signal, failed.signal]);
  const joined = await Promise.allSettled(
    plan.hosts.map(async host => {
      try {
        const network = await startDaemon(plan, host, { signal: either });
        await makeContainers(host, network);
        return [host, network.subnets.map(({ subnet }) => subnet)] as const;
      } catch (error) {
        failed.abort(error);
        throw error;
      }
    }),
  );
  either.throwIfAborted();
  return new Map(joined.flatMap(result => (result.status === 'fulfilled' ? [result.value] : [])));
}

const convergenceMs = 30_000;

/** A daemon is ready when it has applied the leases that there were; those of its juniors follow within milliseconds. */
async function everyoneKnowsEveryone(
  plan: LabPlan,
  subnets: ReadonlyMap<HostPlan, readonly Prefix[]>,
  signal: AbortSignal,
): Promise<void> {
  const deadline = performance.now() + convergenceMs;
  for (const host of plan.hosts) {
    const peers = [...subnets].flatMap(([other, theirs]) => (other === host ? [] : theirs));
    for (;;) {
      signal.throwIfAborted();
      const known = await leadsTo(plan, host, peers, signal);
      if (known === peers.length) break;
      if (performance.now() >= deadline) throw unconnected(plan, host, known, peers.length);
      await sleep(5);
    }
  }
}

/** To how many of the subnets: by the host's kernel, or, where that sees only a TUN, by an answer from there. */
async function leadsTo(
  { shape }: LabPlan,
  { netns }: HostPlan,
  subnets: readonly Prefix[],
  signal: AbortSignal,
): Promise<number> {
  if (shape.backend !== 'udp')
    return (await withNetlink(netns, socket => readPeerWays(socket, subnets))).size;
  const reports = await Promise.all(
    subnets.map(subnet =>
      ping({
        netns: netnsPath(netns),
        destination: prefixBase(subnet),
        count: 1,
        intervalMs: 0,
        timeoutMs: 250,
        signal,
      }),
    ),
  );
  return reports.filter(({ roundTripsMs }) => roundTripsMs.length > 0).length;
}

function unconnected(plan: LabPlan, host: HostPlan, known: number, peers: number): WeftError {
  const found = `${known} after ${convergenceMs / 1000} s`;
  const log = lastLines(daemonLog(plan.shape.name, host.name));
  return new WeftError(
    'lab-unconnected',
    `expected ${host.name} to reach ${peers} subnets of other hosts, found ${found}; the end of its daemon's log:\n${log}`,
  );
}

/** Such as those of a lab whose files somebody removed. */
function refuseForeignNamespaces({ shape }: LabPlan): void {
  const [found] = namespacesOf(shape.name);
  if (found === undefined || labNames().includes(shape.name)) return;
  throw new WeftError('lab-namespaces', `there is a namespace ${found}, but no lab that it belongs to`, {
    remedy: `weft lab down --name ${shape.name}, which deletes such namespaces`,
  });
}

/** @throws WeftError `lab-differs`, and whatever keeps a lab from being used */
function sameLab(asked: LabRequest): LabPlan {
  const plan = openLab(asked.name);
  const keys = ['hosts', 'containersPerHost', 'registry', 'backend', 'family', 'probing'] as const;
  if (keys.every(key => asked[key] === undefined || asked[key] === plan.shape[key])) return plan;
  const { hosts, containersPerHost, registry } = plan.shape;
  const network = networkText(plan.shape);
  const found = `${hosts} hosts, ${containersPerHost} containers on each, ${network}, registry ${registry}`;
  throw new WeftError('lab-differs', `lab ${asked.name} is there already, with ${found}`, {
    remedy: `take it away first (weft lab down --name ${asked.name}), or choose another --name`,
  });
}
