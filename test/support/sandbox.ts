/**
 * The sandbox of a test run: private network, mounts, processes, /run, /var/tmp (the TMPDIR of the tests) and a
 * /sys that shows its own devices. Nothing made inside can reach the machine, and nothing survives the end of the
 * run, not even when the runner is killed: all processes are below one pid 1, which dies with the runner.
 */
import path from 'node:path';
import process from 'node:process';

/**
 * Shell text that puts a /sys of the present network namespace in place of the inherited one, the cgroup mounts
 * carried over (dockerd needs them).
 */
export const privateSys = `
mkdir -p /run/cgroup
mount --rbind /sys/fs/cgroup /run/cgroup
mount -t sysfs sysfs /sys
mount --rbind /run/cgroup /sys/fs/cgroup
umount -l /run/cgroup
rmdir /run/cgroup
`;

/**
 * The program and arguments that run the tests, `node --test ...` as `argv`, in a new sandbox. The exit status is
 * theirs; or that of leftovers.ts, which looks round when they are done, if they passed.
 */
export function sandboxed(argv: readonly string[]): string[] {
  const asRoot = process.getuid?.() === 0 ? [] : ['--user', '--map-root-user'];
  return [
    ...['setpriv', '--pdeathsig', 'KILL'],
    ...['unshare', ...asRoot, '--net', '--mount', '--pid', '--uts', '--fork', '--kill-child', '--mount-proc'],
    ...['--propagation', 'private', 'sh', '-euc', script, 'sandbox', leftovers, ...argv],
  ];
}

const leftovers = path.join(import.meta.dirname, 'leftovers.ts');

/**
 * Becomes pid 1. It stays a shell (no exec), because a shell buries orphans and Node does not. /run/netns is made
 * the shared mount that `ip netns add` wants beforehand, because two first calls at once get in each other's way.
 * /var/tmp is left alone when the working directory is in it.
 */
const script = `
leftovers="$1"
shift
case "$PWD/" in /run/*) echo 'the tests hide /run, so they cannot run from a folder in it' >&2; exit 1 ;; esac
mount -t tmpfs -o mode=755 tmpfs /run
${privateSys}
mkdir -p /run/netns /run/flannel /run/lock
mount --bind /run/netns /run/netns
mount --make-shared /run/netns
case "$PWD/" in
  /var/tmp/*) unset TMPDIR ;;
  *) mount -t tmpfs -o mode=1777 tmpfs /var/tmp; export TMPDIR=/var/tmp ;;
esac
ip link set lo up
status=0
"$@" || status=$?
"$1" "$leftovers" || [ $status -ne 0 ] || status=1
exit $status
`;
