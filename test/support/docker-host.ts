/**
 * A test host (see host.ts) with a real dockerd on it, which has a containerd of its own.
 *
 *     const host = await createDockerHost(scope, 'a');
 *     const docker = await host.startDocker(['--bip=10.2.14.1/24', '--mtu=1450', '--ip-masq=false']);
 *     const container = await docker.startContainer('web', 'httpd -f -p 80');
 *
 * dockerd's data lies in a temporary folder, its processes and mounts end with the host. Its cgroups, which no
 * namespace takes away, are removed after the host is gone or, when the test process was killed, by test/run.ts.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Scope } from '../../src/base/scope.ts';
import { removeCgroup, uniqueCgroup } from './cgroups.ts';
import { argvOf, type Command, type RunOptions } from './command.ts';
import type { Daemon } from './daemon.ts';
import { busyboxRootfs } from './docker-image.ts';
import { createHost, type Host, type HostOptions } from './host.ts';

export interface DockerHost extends Host {
  /**
   * Starts dockerd and waits until it answers and has the busybox image.
   * @param options dockerd's network options, as `weft docker-opts` prints them: --bip, --mtu, --ip-masq
   * @throws Error with the end of dockerd's log
   */
  startDocker(options: readonly string[]): Promise<Docker>;
}

export interface Docker {
  /** The dockerd itself, for its log and to kill it. */
  readonly daemon: Daemon;
  /** Runs the docker client against this dockerd. @throws CommandError */
  run(command: Command, options?: RunOptions): Promise<string>;
  /** `docker run --detach` of a busybox with this command; by default it sleeps. */
  startContainer(name: string, command?: Command): Promise<Container>;
}

export interface Container {
  readonly name: string;
  /** Its IPv4 address on docker's default bridge. */
  readonly address: string;
  /** `docker exec`. @throws CommandError */
  run(command: Command, options?: RunOptions): Promise<string>;
  /** Runs a program of the host in the container's network namespace, for what busybox cannot do. */
  runFromHost(command: Command, options?: RunOptions): Promise<string>;
  /** What its main program has written to standard output. */
  logs(): Promise<string>;
}

export interface DockerHostOptions extends HostOptions {
  /** `overlay2` unless given; `vfs` works on any file system. */
  readonly storage?: 'overlay2' | 'vfs';
}

/** Makes a host that can run dockerd; the scope takes all of it away again. */
export async function createDockerHost(
  scope: Scope,
  name: string,
  options: DockerHostOptions = {},
): Promise<DockerHost> {
  const cgroup = uniqueCgroup(name);
  const folder = await mkdtemp(path.join(tmpdir(), `docker-${name}-`));
  // Before the host, so that these close after it: then nothing is in the cgroup or the folder any more.
  scope.defer(`cgroup ${cgroup}`, () => removeCgroup(cgroup));
  scope.defer(folder, () => rm(folder, { recursive: true }));
  const host = await createHost(scope, name, options);
  const dockerd = dockerdArgv(folder, cgroup, options.storage ?? 'overlay2');
  return { ...host, startDocker: dockerOptions => startDocker(host, [...dockerd, ...dockerOptions], folder) };
}

function dockerdArgv(folder: string, cgroup: string, storage: string): string[] {
  return [
    'dockerd',
    ...[`--host=unix://${folder}/docker.sock`, `--pidfile=${folder}/docker.pid`],
    ...[`--data-root=${folder}/data`, `--exec-root=${folder}/exec`],
    ...[`--storage-driver=${storage}`, '--userland-proxy=false'],
    // A test host has no systemd, so cgroups are made in the file system; all are below one of ours.
    ...['--exec-opt=native.cgroupdriver=cgroupfs', `--cgroup-parent=/${cgroup}`],
  ];
}

const image = 'weft-test/busybox:1';

async function startDocker(host: Host, dockerd: readonly string[], folder: string): Promise<Docker> {
  const daemon = await host.start(dockerd);
  const docker: Docker['run'] = (command, options) =>
    host.run(['docker', '--host', `unix://${folder}/docker.sock`, ...argvOf(command)], options);
  await daemon.waitFor('answer from dockerd', () => docker('version'), { intervalMs: 200 });
  await docker(['import', await busyboxRootfs(folder), image]);
  return {
    daemon,
    run: docker,
    startContainer: (name, command) => startContainer(host, docker, name, command ?? 'sleep 86400'),
  };
}

async function startContainer(
  host: Host,
  docker: Docker['run'],
  name: string,
  command: Command,
): Promise<Container> {
  await docker(['run', '--detach', '--name', name, image, ...argvOf(command)]);
  const format = '{{.State.Pid}} {{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}';
  const [pid = '', address = ''] = (await docker(['inspect', '--format', format, name])).trim().split(' ');
  return {
    name,
    address,
    run: (inside, options) => docker(['exec', name, ...argvOf(inside)], options),
    runFromHost: (outside, options) =>
      host.run(['nsenter', '--target', pid, '--net', '--', ...argvOf(outside)], options),
    logs: () => docker(['logs', name]),
  };
}
