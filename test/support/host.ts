/**
 * A test host: what a machine is to a daemon, made of namespaces. Its own network, mounts, processes and host name;
 * a private, empty /run; a /sys that shows its own devices. The rest of the file system is the machine's.
 *
 *     const a = await createHost(scope, 'a');
 *     const weft = await a.start(['bin/weft', 'run', '-iface', 'eth0']);
 *     await weft.waitFor('subnet.env', () => existsSync(a.file('/run/flannel/subnet.env')));
 *     await weft.kill();
 *
 * All that runs on a host is below its pid 1 and ends with it, however deep it has daemonised; pid 1 ends with the
 * test process.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import process from 'node:process';
import type { Scope } from '../../src/base/scope.ts';
import { argvOf, type Command, ownedEnv, type RunOptions, run } from './command.ts';
import { childrenOf, type Daemon, type DaemonOptions, startDaemon } from './daemon.ts';
import { createNetns, type Netns } from './netns.ts';
import { privateSys } from './sandbox.ts';

export interface Host {
  /** Its host name. */
  readonly name: string;
  readonly netns: Netns;
  /** The pid of its pid 1, as this test process sees it. */
  readonly initPid: number;
  /** Runs a program on the host, in the test's working directory, and gives its output. @throws CommandError */
  run(command: Command, options?: RunOptions): Promise<string>;
  /** Starts a program that stays. It ends with the host at the latest. */
  start(command: Command, options?: DaemonOptions): Promise<Daemon>;
  /** Where this test process finds a file of the host: `file('/run/flannel/subnet.env')`. */
  file(path: string): string;
  /** The text of a file of the host. */
  readFile(path: string): Promise<string>;
}

export interface HostOptions {
  /** Which of the two programs `iptables` is on this host; `nft`, as in Debian, unless given. */
  readonly iptables?: 'legacy' | 'nft';
}

/** Makes a host without any device but `lo`; the scope takes it down again. */
export async function createHost(scope: Scope, name: string, options: HostOptions = {}): Promise<Host> {
  const netns = await createNetns(scope, name);
  const initPid = await startInit(scope, netns, name, options.iptables ?? 'nft');
  const enter = [
    ...['nsenter', '--target', `${initPid}`, '--net', '--mount', '--pid', '--uts', '--'],
    ...['env', '--chdir', process.cwd(), `PATH=${searchPath}`],
  ];
  const file = (path: string) => `/proc/${initPid}/root${path}`;
  return {
    name,
    netns,
    initPid,
    // Dies with nsenter: a program that takes too long is not left behind in the pid namespace.
    run: (command, runOptions) =>
      run([...enter, 'setpriv', '--pdeathsig', 'KILL', ...argvOf(command)], runOptions),
    start: (command, daemonOptions) => startDaemon({ enter, forks: true }, command, daemonOptions),
    file,
    readFile: path => readFile(file(path), 'utf8'),
  };
}

/** The distribution's programs before anything installed by hand; /run/bin decides which iptables. */
const searchPath = '/run/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin';

async function startInit(scope: Scope, netns: Netns, name: string, iptables: string): Promise<number> {
  const init = spawn(
    'setpriv',
    [
      ...['--pdeathsig', 'KILL', ...netns.enter],
      ...['unshare', '--mount', '--pid', '--uts', '--fork', '--kill-child', '--mount-proc'],
      ...['--propagation', 'private', 'sh', '-euc', initScript, 'init', name, iptables],
    ],
    { stdio: ['ignore', 'pipe', 'pipe'], env: ownedEnv() },
  );
  const exited = once(init, 'exit');
  scope.defer(`host ${name}`, async () => {
    init.kill('SIGKILL');
    await exited;
  });
  let complaint = '';
  init.stderr.setEncoding('utf8').on('data', text => {
    complaint += text;
  });
  const ready = await Promise.race([once(init.stdout, 'data'), exited.then(() => undefined)]);
  const pid = ready === undefined ? undefined : childrenOf(init.pid ?? 0)[0];
  if (pid === undefined) throw new Error(`host ${name} did not come up: ${complaint}`);
  return pid;
}

/**
 * What becomes pid 1, already inside the namespaces: a shell, because it buries what is orphaned. No
 * /run/containerd in the private /run, so that dockerd starts a containerd of its own.
 */
const initScript = `
hostname "$1"
mount -t tmpfs -o mode=755 tmpfs /run
${privateSys}
mkdir -p /run/flannel /run/bin
for tool in iptables ip6tables; do
  for verb in '' -save -restore; do ln -s "/usr/sbin/$tool-$2$verb" "/run/bin/$tool$verb"; done
done
echo ready
while :; do sleep 86400; done
`;
