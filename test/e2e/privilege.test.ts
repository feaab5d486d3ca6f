/**
 * As deploy/weft.service runs it: an ordinary user whose only capability is CAP_NET_ADMIN, on a file system of which
 * nothing can be written but the folder of subnet.env.
 */
import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { after, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { testScope } from '../support/leaks.ts';
import { createCluster, eventuallyMeshed } from '../support/weft-cluster.ts';
import { vtep, type WeftHost, waitUntilReady } from '../support/weft-host.ts';
import { createUnderlay } from '../support/weft-underlay.ts';

const underlay = await createUnderlay(testScope({ after }));
/** Nobody's, on any Linux. */
const user = 65_534;
const subnetFile = '/run/flannel/subnet.env';

/** What systemd does for the unit, by hand. */
const unprivileged = (capabilities: string): readonly string[] => [
  ...['setpriv', `--reuid=${user}`, `--regid=${user}`, '--clear-groups', '--no-new-privs'],
  ...['inh-caps', 'ambient-caps', 'bounding-set'].map(set => `--${set}=-all${capabilities}`),
];
const asUnit = unprivileged(',+net_admin');
/** Where the kernel has the old iptables in use, only root may see whether rules are left in it. */
const legacyIsRootsAlone =
  /legacy-save ended with status 1: .*\/proc\/net\/ip6?_tables_names: Permission denied/s;
/** The package where the user can reach it: it may lie in somebody's home. */
const weft = '/run/weft-package/bin/weft';

async function confine(host: WeftHost): Promise<void> {
  const folder = path.join(import.meta.dirname, '../..');
  await host.run(['sh', '-euc', confinement, 'confine', folder, `${user}`]);
}

const confinement = `
mkdir /run/weft-package
mount --bind "$1" /run/weft-package
chown "$2" /run/flannel
mount --bind /run/flannel /run/flannel
for place in / /run /tmp /run/weft-package; do mount -o remount,bind,ro "$place" || mount --bind -o ro "$place" "$place"; done
`;

test('an ordinary user with CAP_NET_ADMIN alone joins, repairs, restarts and cleans up', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const [a, b] = await cluster.addHosts('a', 'b');
  await confine(a);
  await b.join();
  const start = async () => {
    const daemon = await a.start([...asUnit, weft, 'run', ...a.flags]);
    await waitUntilReady(daemon);
    return daemon;
  };
  const first = await start();
  assert.deepEqual(identityOf(first.pid), { uid: user, effective: 1n << 12n, bounding: 1n << 12n });
  await eventuallyMeshed(cluster, [a, b]);
  assert.equal(statSync(a.file(subnetFile)).uid, user);
  assert.equal(statSync(a.file(subnetFile)).mode & 0o777, 0o644);
  // The kernel lets the network's administrator set its sysctls (net/sysctl_net.c net_ctl_permissions).
  assert.equal(await a.netns.run('sysctl -n net.ipv4.ip_forward'), '1\n');
  assert.equal(await a.netns.run(`sysctl -n net/ipv6/conf/${vtep}/accept_ra`), '0\n');
  const complaints = first.output.split('\n').filter(line => / (warn|error) /.test(line));
  assert.deepEqual(
    complaints.filter(line => !legacyIsRootsAlone.test(line)),
    [],
  );

  await a.netns.run(`ip link delete ${vtep}`);
  await eventuallyMeshed(cluster, [a, b]);
  assert.deepEqual(await first.stop(), { code: 0, signal: null });
  const second = await start();
  await second.kill();

  await a.run([...asUnit, weft, 'cleanup', '-lease', ...a.flags.slice(0, 4)]).catch((error: Error) => {
    assert.match(error.message, /not everything could be removed: the firewall: /);
    assert.match(error.message, legacyIsRootsAlone);
  });
  await eventually('b without peers', async () => (await b.overlay()).routes.length === 0);
  assert.doesNotMatch(await a.netns.run('ip -br link'), /flannel/);
});

test('without CAP_NET_ADMIN it says what is missing and touches nothing', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const [a] = await cluster.addHosts('a');
  await confine(a);
  for (const command of [['run', ...a.flags], ['cleanup']]) {
    await assert.rejects(a.run([...unprivileged(''), weft, ...command]), (error: Error) => {
      assert.match(error.message, /needs CAP_NET_ADMIN, which this process lacks/);
      assert.match(error.message.replace(/\s+/g, ' '), /AmbientCapabilities=CAP_NET_ADMIN/);
      return true;
    });
  }
  assert.equal((await cluster.leases()).size, 0);
});

test('a folder that the user may not write is said, and joined all the same when it may', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const [a] = await cluster.addHosts('a');
  await confine(a);
  await a.run('chown 0 /run/flannel');
  const daemon = await a.start([...asUnit, weft, 'run', ...a.flags]);
  await daemon.waitForOutput(
    /not ready: trying again until it works .*writing \/run\/flannel\/subnet\.env failed/,
  );
  await a.run(['chown', `${user}`, '/run/flannel']);
  await waitUntilReady(daemon);
});

/** From /proc/PID/status: the effective user, and the capability sets as bits. */
function identityOf(pid: number): { uid: number; effective: bigint; bounding: bigint } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const field = (name: string) => new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status)?.[1] ?? '';
  return {
    uid: Number(field('Uid').split(/\s+/)[1]),
    effective: BigInt(`0x${field('CapEff')}`),
    bounding: BigInt(`0x${field('CapBnd')}`),
  };
}
