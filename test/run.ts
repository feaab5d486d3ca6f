/**
 * `npm test [-- FILE...]`: installs what is missing, then runs the tests inside private network, mount and pid
 * namespaces, so that nothing a test makes (namespaces, devices, mounts, processes, /run/flannel) can reach the
 * machine or outlive the run.
 */
import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import process from 'node:process';
import { ensurePackages } from './support/packages.ts';

const files = process.argv.length > 2 ? process.argv.slice(2) : globSync('test/**/*.test.ts').sort();
ensurePackages();

const result = spawnSync(
  'unshare',
  [
    ...(process.getuid?.() === 0 ? [] : ['--user', '--map-root-user']),
    '--net',
    '--mount',
    '--pid',
    '--fork',
    '--kill-child',
    '--mount-proc',
    '--propagation',
    'private',
    'sh',
    '-c',
    'mount -t tmpfs -o mode=755 tmpfs /run && mkdir -p /run/netns /run/flannel && ip link set lo up && exec "$@"',
    'sandbox',
    process.execPath,
    '--test',
    '--test-concurrency=2',
    '--test-timeout=300000',
    ...files,
  ],
  { stdio: 'inherit', env: { ...process.env, WEFT_TEST_SANDBOX: '1' } },
);
if (result.error !== undefined) throw result.error;
process.exitCode = result.status ?? 1;
