/** The Debian packages that the tests use: installs what is missing, and says so. */
import { spawnSync } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';

/**
 * Debian package -> a program it brings, which tells whether it is there (or its like from elsewhere). For busybox
 * only Debian's own list of files tells the static from the dynamic one, which would not run in a container.
 */
const needed: Readonly<Record<string, string>> = {
  'busybox-static': '/var/lib/dpkg/info/busybox-static.list',
  'docker.io': 'dockerd',
  'etcd-client': 'etcdctl',
  'etcd-server': 'etcd',
  ethtool: 'ethtool',
  fish: 'fish',
  iproute2: 'bridge',
  iptables: 'iptables-nft',
  'iputils-ping': 'ping',
  mandoc: 'mandoc',
  nftables: 'nft',
  openssl: 'openssl',
  procps: 'sysctl',
  systemd: 'systemd-analyze',
  'util-linux': 'setpriv',
  zsh: 'zsh',
};

const programFolders = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/**
 * Installs the packages that the tests need and that are missing; says which. Only as root on Debian and its kin;
 * elsewhere it names them and leaves it to the tests to fail.
 * @throws Error with all that apt-get said when it fails
 */
export function ensurePackages(): void {
  const missing = Object.keys(needed).filter(name => !isInstalled(needed[name] ?? ''));
  if (missing.length === 0) return;
  if (process.getuid?.() !== 0 || !isInstalled('apt-get')) {
    say(
      `missing, and only root on Debian installs them: ${missing.join(' ')}; tests that need them will fail`,
    );
    return;
  }
  say(`installing from Debian: ${missing.join(' ')}`);
  withoutStartingServices(() => {
    // Stale or missing lists are the rule on a fresh machine. A failed update is no obstacle by itself.
    const update = aptGet(['update']);
    const install = aptGet(['install', '--yes', '--no-install-recommends', ...missing]);
    if (install.status !== 0)
      throw new Error(`installing ${missing.join(' ')} failed\n${update.said}${install.said}`);
  });
  say('installed');
}

function isInstalled(program: string): boolean {
  return programFolders.some(folder => existsSync(path.resolve(folder, program)));
}

/**
 * dockerd and etcd must not start on the machine just because they are installed: invoke-rc.d and deb-systemd-invoke
 * ask /usr/sbin/policy-rc.d, and status 101 means "forbidden".
 */
function withoutStartingServices(act: () => void): void {
  const policy = '/usr/sbin/policy-rc.d';
  if (existsSync(policy)) {
    act();
    return;
  }
  writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    act();
  } finally {
    rmSync(policy);
  }
}

/** apt-get waits for dpkg's lock by itself, but not for those of its lists and archives: this tries again. */
function aptGet(args: readonly string[]): { status: number | null; said: string } {
  const patience = ['-qq', '-o', 'DPkg::Lock::Timeout=300', '-o', 'Acquire::Retries=3'];
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' };
  for (let tries = 0; ; tries++) {
    const result = spawnSync('apt-get', [...patience, ...args], { env, encoding: 'utf8' });
    if (result.error !== undefined) throw result.error;
    const said = `$ apt-get ${args.join(' ')}\n${result.stdout}${result.stderr}`;
    if (!/Could not get lock|Unable to lock/.test(result.stderr) || tries === 60) {
      return { status: result.status, said };
    }
    if (tries === 0) say('waiting for another apt to finish');
    spawnSync('sleep', ['5']);
  }
}

function say(text: string): void {
  process.stderr.write(`test: ${text}\n`);
}
