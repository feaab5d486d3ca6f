/** On what the figures were found: absolute times mean nothing without it. */
import { existsSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { run } from '../test/support/command.ts';

/** `2 x AMD EPYC, 16 GB, Linux 6.18.44; Node 26.10.0, etcd 3.4.23, iproute2 6.1.0`, and flanneld's version if it is given. */
export async function machineLine(flanneld: string | undefined): Promise<string> {
  const all = cpus();
  const model = all[0]?.model.trim() || 'unknown processors';
  const gigabytes = Math.round(totalmem() / 2 ** 30);
  // What follows the third number names who built the kernel.
  const kernel = /^[\d.]+/.exec(release())?.[0] ?? release();
  const programs = [
    `Node ${await versionOf([pinnedNode(), '--version'])}`,
    `etcd ${await versionOf(['etcd', '--version'])}`,
    `iproute2 ${await versionOf(['ip', '-V'])}`,
    ...(flanneld === undefined ? [] : [`flanneld ${await versionOf([flanneld, '-version'])}`]),
  ];
  return `${all.length} x ${model}, ${gigabytes} GB, Linux ${kernel}; ${programs.join(', ')}`;
}

/** The one that bin/weft takes. */
export function pinnedNode(): string {
  const root = path.join(import.meta.dirname, '..');
  const arch = process.arch === 'arm64' ? 'arm64' : 'x64';
  const pinned = path.join(root, `node_modules/node-linux-${arch}/bin/node`);
  return existsSync(pinned) ? pinned : process.execPath;
}

/** The first version number that a program prints on either of its outputs. */
async function versionOf(command: readonly string[]): Promise<string> {
  const output = await run(['sh', '-c', 'exec "$@" 2>&1', 'version', ...command]).catch(() => '');
  return /\d+\.\d+(?:\.\d+)?/.exec(output)?.[0] ?? 'of unknown version';
}
