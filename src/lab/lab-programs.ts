/** The programs that run inside a lab's namespaces: a daemon on each host, and etcd at the switch. */
import { mkdirSync, readFileSync } from 'node:fs';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describeError, WeftError } from '../base/errors.ts';
import { familyOf } from '../base/ip.ts';
import { type Argv, type Exit, run, type Started, startDetached } from '../sys/exec.ts';
import { type ContainerNetwork, containerNetwork } from './containers.ts';
import { networkConfigOf } from './lab-network.ts';
import { familiesOf, type HostPlan, type LabPlan, type LabShape, switchAddresses } from './lab-plan.ts';
import {
  daemonLog,
  hostDirectory,
  readSubnetFile,
  recordProcess,
  stateDirectory,
  subnetFile,
} from './lab-state.ts';

export interface WaitOptions {
  readonly signal: AbortSignal;
}

/** How long a daemon or etcd may take to be of use; a slow machine needs a second or two. */
const patienceMs = 30_000;
const intervalMs = 10;

/** `ip netns exec NAMESPACE ...` */
export function inside(netns: string, argv: Argv): Argv {
  return ['ip', 'netns', 'exec', netns, ...argv];
}

/**
 * Puts the lab's network config into its registry, as an operator does: with `weft config put`.
 * @throws WeftError `program-failed`; the signal's reason
 */
export async function putNetworkConfig(plan: LabPlan, { signal }: WaitOptions): Promise<void> {
  const argv = inside(plan.switch.netns, [weft, 'config', 'put', ...registryFlags(plan), '-']);
  await run(argv, { signal, input: `${JSON.stringify(networkConfigOf(plan.shape))}\n`, env: environment() });
}

/**
 * Starts etcd at the switch and waits until it serves.
 * @throws WeftError `lab-etcd` with the end of its log; the signal's reason
 */
export async function startEtcd(plan: LabPlan, { signal }: WaitOptions): Promise<void> {
  const directory = stateDirectory(plan.shape.name);
  const logFile = `${directory}/etcd.log`;
  const started = startDetached(inside(plan.switch.netns, etcdArgv(plan, directory)), {
    logFile,
    env: environment(),
  });
  recordProcess(plan.shape.name, 'etcd', started.pid);
  // Said by etcd 3.4, 3.5 and 3.6 alike, with and without "insecure" and "traffic".
  const serves = () => /ready to serve client requests/.test(readFileSync(logFile, 'utf8')) || undefined;
  await waitFor(serves, { what: 'etcd at the switch', code: 'lab-etcd', started, logFile, signal });
}

/**
 * Starts `weft run` on a host and waits for its subnet.env, which it writes when its network works.
 * @throws WeftError `lab-daemon` with the end of its log; the signal's reason
 */
export async function startDaemon(
  plan: LabPlan,
  host: HostPlan,
  { signal }: WaitOptions,
): Promise<ContainerNetwork> {
  const lab = plan.shape.name;
  const logFile = daemonLog(lab, host.name);
  mkdirSync(hostDirectory(lab, host.name));
  const started = startDetached(daemonArgv(plan, host), { logFile, env: environment() });
  recordProcess(lab, daemonRole(host), started.pid);
  const wrote = () => readSubnetFile(lab, host.name);
  const what = `the daemon of ${host.name}`;
  return containerNetwork(
    await waitFor(wrote, { what, code: 'lab-daemon', started, logFile, signal }),
    host.name,
    familiesOf(plan.shape),
  );
}

/** What `down` and `ls` know a host's daemon by. */
export function daemonRole(host: HostPlan): string {
  return `weft run on ${host.name}`;
}

/** Where the launcher of this very Weft is. */
export const launcherFolder = fileURLToPath(new URL('../../bin', import.meta.url));
const weft = `${launcherFolder}/weft`;

function daemonArgv(plan: LabPlan, host: HostPlan): Argv {
  const file = subnetFile(plan.shape.name, host.name);
  const flags = ['-iface', 'eth0', '-subnet-file', file, ...registryFlags(plan)];
  // Nothing in a lab's host is in the way of its containers, and iptables need not be there.
  flags.push('-ip-masq=false', '-iptables-forward-rules=false');
  if (!plan.shape.probing) flags.push('-peer-probing=false');
  return inside(host.netns, [weft, 'run', ...flags]);
}

function registryFlags({ shape }: LabPlan): Argv {
  return shape.registry === 'dir'
    ? ['-registry', `dir:${stateDirectory(shape.name)}/registry`]
    : ['-registry', 'etcd', '-etcd-endpoints', etcdUrl(shape)];
}

function etcdUrl(shape: LabShape): string {
  const [address] = switchAddresses(shape);
  return `http://${familyOf(address) === 6 ? `[${address}]` : address}:2379`;
}

const etcdPeerUrl = 'http://127.0.0.1:2380';

function etcdArgv({ shape }: LabPlan, directory: string): Argv {
  const url = etcdUrl(shape);
  return [
    ...['etcd', '--name', 'lab', '--data-dir', `${directory}/etcd`],
    ...['--listen-client-urls', url, '--advertise-client-urls', url],
    ...['--listen-peer-urls', etcdPeerUrl, '--initial-advertise-peer-urls', etcdPeerUrl],
    ...['--initial-cluster', `lab=${etcdPeerUrl}`],
  ];
}

/** The operator's own daemon and etcd may be configured by variables, which are none of the lab's business. */
function environment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(FLANNELD_|ETCD_|NOTIFY_)/.test(name)),
  );
}

interface Waiting extends WaitOptions {
  readonly what: string;
  readonly code: string;
  readonly started: Started;
  readonly logFile: string;
}

/** Asks `check` until it gives something, the program ends, or patience does. */
async function waitFor<T>(check: () => T | undefined, waiting: Waiting): Promise<T> {
  const { what, code, started, logFile, signal } = waiting;
  const deadline = performance.now() + patienceMs;
  let exit: Exit | undefined;
  void started.exited.then(end => {
    exit = end;
  });
  for (;;) {
    signal.throwIfAborted();
    const answer = check();
    if (answer !== undefined) return answer;
    const late = performance.now() >= deadline;
    if (exit !== undefined || late) {
      const outcome =
        exit === undefined ? `was not ready after ${patienceMs / 1000} s` : `ended ${describeExit(exit)}`;
      throw new WeftError(code, `${what} ${outcome}; the end of its log:\n${lastLines(logFile)}`);
    }
    await sleep(intervalMs);
  }
}

function describeExit({ code, signal }: Exit): string {
  return signal === null ? `with status ${code}` : `by ${signal}`;
}

const shownLines = 15;

/** The end of a log, for an error: the file goes with the lab. */
export function lastLines(logFile: string): string {
  try {
    return readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-shownLines).join('\n');
  } catch (error) {
    return describeError(error);
  }
}
