/**
 * A real etcd on loopback addresses of its own, so that no two can get in each other's way:
 *
 *     const etcd = await startEtcd(scope);
 *     await etcd.etcdctl('put /coreos.com/network/config {}');
 *     openEtcdRegistry({ endpoints: etcd.endpoints, ... });
 *
 * With TLS it has certificates made for it, with a user authentication is on; `members: 3` makes a cluster.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import type { Scope } from '../../src/base/scope.ts';
import { argvOf, type Command, run } from './command.ts';
import { type Daemon, startDaemon } from './daemon.ts';
import { eventually } from './eventually.ts';

export interface EtcdServerOptions {
  /** Serve TLS; with `mutual` only to clients that have a certificate of the same CA. */
  readonly tls?: 'server' | 'mutual';
  /** What the server's certificate is for instead of its own addresses. */
  readonly certifiedFor?: readonly string[];
  /** Switch authentication on; besides `root` there is this user, who may read and write below the prefix. */
  readonly user?: { readonly name: string; readonly password: string; readonly prefix: string };
  /** How many servers make the cluster; one unless given. */
  readonly members?: number;
  /** More flags for each. */
  readonly flags?: readonly string[];
}

export interface EtcdServer {
  /** One URL for each member. */
  readonly endpoints: readonly string[];
  /** Only with TLS. */
  readonly certificates: TestCertificates | undefined;
  /** Runs etcdctl (as `root` where there is authentication) and gives its output. @throws CommandError */
  etcdctl(command: Command, input?: string): Promise<string>;
  /** Sends a signal to one member, or to all. */
  kill(signal: NodeJS.Signals, member?: number): void;
  /** SIGTERM to one member, or to all; waits for the end. */
  stop(member?: number): Promise<void>;
  /** Starts what was stopped or killed, on the same data, and waits until it serves. */
  start(): Promise<void>;
  /** Stops all, throws their data away and starts anew. */
  startEmpty(): Promise<void>;
}

/** Paths of PEM files. */
export interface TestCertificates {
  readonly caFile: string;
  /** An authority that signed nothing but itself, and its key. */
  readonly otherCaFile: string;
  readonly otherKeyFile: string;
  readonly serverCertFile: string;
  readonly serverKeyFile: string;
  readonly certFile: string;
  readonly keyFile: string;
}

const rootPassword = 'root-secret';
let addresses = 0;

/** Starts it and waits until it serves; the scope takes it down and removes its files. */
export async function startEtcd(scope: Scope, options: EtcdServerOptions = {}): Promise<EtcdServer> {
  const directory = await mkdtemp(path.join(tmpdir(), 'weft-etcd-'));
  scope.defer('files of etcd', () => rm(directory, { recursive: true, force: true }));
  const hosts = Array.from({ length: options.members ?? 1 }, freshAddress);
  const certificates =
    options.tls === undefined
      ? undefined
      : await makeCertificates(path.join(directory, 'tls'), options.certifiedFor ?? hosts);
  const server = new Server(directory, hosts, certificates, options);
  scope.defer('etcd', () => server.end());
  await server.start();
  if (options.user !== undefined) await server.enableAuth(options.user);
  return server;
}

/** An address of 127.0.0.0/8 that no other test process uses. */
export function freshAddress(): string {
  return `127.${1 + ((process.pid >> 8) % 254)}.${process.pid & 0xff}.${++addresses}`;
}

class Server implements EtcdServer {
  readonly endpoints: readonly string[];
  readonly certificates: TestCertificates | undefined;
  readonly #directory: string;
  readonly #hosts: readonly string[];
  readonly #options: EtcdServerOptions;
  readonly #members: Array<Daemon | undefined>;
  #credentials: readonly string[] = [];

  constructor(
    directory: string,
    hosts: readonly string[],
    certificates: TestCertificates | undefined,
    options: EtcdServerOptions,
  ) {
    const scheme = certificates === undefined ? 'http' : 'https';
    this.endpoints = hosts.map(host => `${scheme}://${host}:2379`);
    this.certificates = certificates;
    this.#directory = directory;
    this.#hosts = hosts;
    this.#options = options;
    this.#members = hosts.map(() => undefined);
  }

  etcdctl(command: Command, input?: string): Promise<string> {
    return this.#etcdctl(this.endpoints, command, input);
  }

  kill(signal: NodeJS.Signals, member?: number): void {
    for (const [index, daemon] of this.#members.entries()) {
      if (member === undefined || member === index) daemon?.signal(signal);
    }
  }

  async stop(member?: number): Promise<void> {
    await Promise.all(
      this.#members.map(async (daemon, index) => {
        if (member === undefined || member === index) await daemon?.stop();
      }),
    );
  }

  async start(): Promise<void> {
    for (const [index, daemon] of this.#members.entries()) {
      if (daemon?.exit === undefined && daemon !== undefined) continue;
      this.#members[index] = await startDaemon({ enter: [], forks: false }, this.#commandOf(index));
    }
    await Promise.all(this.endpoints.map((_, index) => this.#serving(index)));
  }

  async startEmpty(): Promise<void> {
    await this.end();
    for (const index of this.#hosts.keys()) await rm(this.#dataOf(index), { recursive: true, force: true });
    await this.start();
  }

  async enableAuth(user: NonNullable<EtcdServerOptions['user']>): Promise<void> {
    await this.etcdctl(['user', 'add', `root:${rootPassword}`]);
    await this.etcdctl('user grant-role root root');
    await this.etcdctl(['role', 'add', user.name]);
    await this.etcdctl(['role', 'grant-permission', user.name, 'readwrite', '--prefix', user.prefix]);
    await this.etcdctl(['user', 'add', `${user.name}:${user.password}`]);
    await this.etcdctl(['user', 'grant-role', user.name, user.name]);
    await this.etcdctl('auth enable');
    this.#credentials = ['--user', `root:${rootPassword}`];
  }

  /** Kills all, a stopped one too. */
  async end(): Promise<void> {
    await Promise.all(this.#members.map(daemon => daemon?.kill()));
  }

  async #serving(index: number): Promise<void> {
    const endpoint = this.endpoints[index] ?? '';
    await this.#members[index]?.waitFor('service', () =>
      this.#etcdctl([endpoint], 'get --limit 1 --prefix health --dial-timeout 1s').then(() => true),
    );
  }

  #etcdctl(endpoints: readonly string[], command: Command, input?: string): Promise<string> {
    const files = this.certificates;
    const tls =
      files === undefined
        ? []
        : [`--cacert=${files.caFile}`, `--cert=${files.certFile}`, `--key=${files.keyFile}`];
    if (this.#options.certifiedFor !== undefined) tls.push('--insecure-skip-tls-verify');
    const argv = [
      'etcdctl',
      `--endpoints=${endpoints.join(',')}`,
      ...tls,
      ...this.#credentials,
      ...argvOf(command),
    ];
    return run(argv, { env: { ETCDCTL_API: '3' }, ...(input === undefined ? {} : { input }) });
  }

  #dataOf(index: number): string {
    return path.join(this.#directory, `data-${index}`);
  }

  #commandOf(index: number): string[] {
    const client = this.endpoints[index];
    const peer = (host: string | undefined) => `http://${host}:2380`;
    const cluster = this.#hosts.map((host, member) => `member-${member}=${peer(host)}`).join(',');
    const tls = this.certificates;
    return [
      ...['etcd', '--name', `member-${index}`, '--data-dir', this.#dataOf(index)],
      ...[`--listen-client-urls=${client}`, `--advertise-client-urls=${client}`],
      ...[`--listen-peer-urls=${peer(this.#hosts[index])}`],
      ...[`--initial-advertise-peer-urls=${peer(this.#hosts[index])}`, `--initial-cluster=${cluster}`],
      ...(tls === undefined ? [] : [`--cert-file=${tls.serverCertFile}`, `--key-file=${tls.serverKeyFile}`]),
      ...(this.#options.tls === 'mutual' ? ['--client-cert-auth', `--trusted-ca-file=${tls?.caFile}`] : []),
      ...(this.#options.flags ?? []),
    ];
  }
}

/** Waits until etcd gives a compaction through to readers, which it does in the background. */
export async function compact(etcd: EtcdServer, revision: bigint): Promise<void> {
  await etcd.etcdctl(['compact', `${revision}`, '--physical']);
  await eventually('compaction', () =>
    etcd.etcdctl(['get', 'x', `--rev=${revision - 1n}`]).then(
      () => false,
      () => true,
    ),
  );
}

/**
 * Two authorities, and a server and a client that the first signed.
 * @param hosts the addresses that the server's certificate is for, besides the name `localhost`
 */
async function makeCertificates(directory: string, hosts: readonly string[]): Promise<TestCertificates> {
  await mkdir(directory, { recursive: true });
  const file = (name: string) => path.join(directory, name);
  const names = ['DNS:localhost', ...hosts.map(host => `IP:${host}`)].join(',');
  await writeFile(file('extensions'), `subjectAltName=${names}\nextendedKeyUsage=serverAuth,clientAuth\n`);
  for (const name of ['ca', 'other-ca']) {
    await openssl(
      ['req', '-x509', ...newKey(file(`${name}.key`)), '-out', file(`${name}.pem`), '-days', '2'],
      name,
    );
  }
  for (const name of ['server', 'client']) {
    await openssl(['req', ...newKey(file(`${name}.key`)), '-out', file(`${name}.csr`)], name);
    await run([
      ...['openssl', 'x509', '-req', '-in', file(`${name}.csr`), '-out', file(`${name}.pem`), '-days', '2'],
      ...['-CA', file('ca.pem'), '-CAkey', file('ca.key'), '-CAcreateserial', '-extfile', file('extensions')],
    ]);
  }
  return {
    caFile: file('ca.pem'),
    otherCaFile: file('other-ca.pem'),
    otherKeyFile: file('other-ca.key'),
    serverCertFile: file('server.pem'),
    serverKeyFile: file('server.key'),
    certFile: file('client.pem'),
    keyFile: file('client.key'),
  };
}

function newKey(keyFile: string): string[] {
  return ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', keyFile];
}

async function openssl(args: readonly string[], commonName: string): Promise<void> {
  await run(['openssl', ...args, '-subj', `/CN=${commonName}`]);
}
