import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import process from 'node:process';

/** Debian package -> a program it brings, which tells whether it is there. */
const needed: Readonly<Record<string, string>> = {
  'busybox-static': '/bin/busybox',
  'docker.io': '/usr/sbin/dockerd',
  'etcd-client': '/usr/bin/etcdctl',
  'etcd-server': '/usr/bin/etcd',
  ethtool: '/sbin/ethtool',
  iproute2: '/sbin/bridge',
  iptables: '/usr/sbin/iptables',
  'iputils-ping': '/bin/ping',
  nftables: '/usr/sbin/nft',
  openssl: '/usr/bin/openssl',
  tini: '/usr/bin/tini',
  'util-linux': '/usr/bin/unshare',
};

/** Installs the Debian packages that the tests need and that are missing; says which. Only as root. */
export function ensurePackages(): void {
  const missing = Object.keys(needed).filter(name => !existsSync(needed[name] ?? ''));
  if (missing.length === 0) return;
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) {
    process.stderr.write(`missing: ${missing.join(' ')}; tests that need them will say so\n`);
    return;
  }
  process.stderr.write(`installing from Debian: ${missing.join(' ')}\n`);
  apt(['update', '-qq']);
  apt(['install', '-y', '-qq', '--no-install-recommends', ...missing]);
}

function apt(args: readonly string[]): void {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const result = spawnSync('apt-get', args, { env, encoding: 'utf8' });
  if (result.status !== 0)
    throw new Error(`apt-get ${args.join(' ')} failed:\n${result.stdout}${result.stderr}`);
}
