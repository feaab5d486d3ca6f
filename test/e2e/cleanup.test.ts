/** Taking a host out of the network: everything of ours goes, nothing else does, and what is printed is what is done. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import process from 'node:process';
import { after, test } from 'node:test';
import { parseIp } from '../../src/base/ip.ts';
import type { Scope } from '../../src/base/scope.ts';
import { CommandError } from '../support/command.ts';
import { createHost, type Host } from '../support/host.ts';
import { testScope } from '../support/leaks.ts';
import { createCluster, joinAll, leaseOf } from '../support/weft-cluster.ts';
import { createUnderlay } from '../support/weft-underlay.ts';

const underlay = await createUnderlay(testScope({ after }));
const subnetFile = '/run/flannel/subnet.env';

interface Said {
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

async function cleanup(host: Host, ...flags: string[]): Promise<Said> {
  try {
    return { code: 0, stdout: await host.run(['bin/weft', 'cleanup', ...flags]), stderr: '' };
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    return { code: error.exitCode, stdout: error.stdout, stderr: error.stderr.replace(/\s+/g, ' ') };
  }
}

/** What somebody else has on the host, some of it with names like ours. */
const foreign = [
  'link add flannel.7 type bridge',
  'link add flannel.8 type vxlan id 5 dstport 8473',
  'link add overlay.9 type vxlan id 9 dstport 8474',
  'link add flannel.10x type vxlan id 10 dstport 8475',
  'link set flannel.7 up',
  'address add 10.99.0.1/24 dev flannel.7',
  'route add 10.3.4.0/24 via 10.99.0.9 dev flannel.7',
];

/** A network's device as a daemon, ours or flannel's, leaves it. */
function network(vni: number, net: string, device = `flannel.${vni}`): string[] {
  return [
    `link add ${device} type vxlan id ${vni} dev eth0 local 192.0.2.1 dstport ${9000 + vni} nolearning`,
    `link set ${device} up`,
    `address add ${net}.1.0/32 dev ${device}`,
    `neigh add ${net}.2.0 lladdr 0a:00:00:00:00:02 dev ${device} nud permanent`,
    `route add ${net}.2.0/24 via ${net}.2.0 dev ${device} onlink`,
  ];
}

async function hostWith(scope: Scope, ...lines: string[]): Promise<Host> {
  const host = await createHost(scope, 'h');
  await host.netns.ipBatch([
    'link add eth0 type veth peer name far',
    'address add 192.0.2.1/24 dev eth0',
    'link set eth0 up',
    ...lines,
  ]);
  return host;
}

const rules = `
nft add table ip flannel-ipv4
nft add table ip other
iptables -t nat -N FLANNEL-POSTRTG
iptables -t nat -A POSTROUTING -j FLANNEL-POSTRTG
iptables -A FORWARD -p tcp -j ACCEPT
`;

async function everything(host: Host): Promise<string> {
  const shell = (commands: string) => host.run(['sh', '-euc', commands]);
  return await shell(
    `ip -d -br link; ip -br -4 addr; ip route; ip -6 route show proto 87; ip neigh show nud permanent; nft list ruleset; ls -A /run/flannel`,
  );
}

const env =
  'FLANNEL_NETWORK=10.2.0.0/16\nFLANNEL_SUBNET=10.2.1.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=false\n';

async function writeEnv(host: Host, file = subnetFile): Promise<void> {
  await host.run(['sh', '-c', `cat > ${file} <<'END'\n${env}END`]);
}

test('all that is ours goes and nothing else; the dry run says the same and changes nothing; a second run does nothing', async t => {
  const host = await hostWith(testScope(t), ...foreign);
  const empty = await everything(host);
  await host.run(['sh', '-euc', rules.replace(/.*FLANNEL.*|.*flannel.*/g, '')]);
  const clean = await everything(host);
  assert.notEqual(clean, empty);
  await host.netns.ipBatch([...network(1, '10.2'), ...network(3, '10.9', 'flannel-v6.3')]);
  await host.netns.run('bridge fdb add 0a:00:00:00:00:02 dev flannel.1 dst 192.0.2.2 self permanent');
  await host.run(['sh', '-euc', rules.replace(/.*other\n|.*tcp.*/g, '')]);
  await writeEnv(host);
  await writeEnv(host, '/run/flannel/.subnet.env.4711');
  const before = await everything(host);

  const dry = await cleanup(host, '-dry-run');
  assert.equal(dry.code, 0, dry.stderr);
  assert.equal(await everything(host), before);
  const device = (name: string, net: string) => [
    `ip route delete ${net}.2.0/24 via ${net}.2.0 dev ${name} onlink scope global`,
    `ip neigh delete ${net}.2.0 dev ${name}`,
    ...(name === 'flannel.1' ? ['bridge fdb delete 0a:00:00:00:00:02 dev flannel.1 dst 192.0.2.2 self'] : []),
    `ip address delete ${net}.1.0/32 dev ${name}`,
    `ip link delete ${name}`,
  ];
  const lines = dry.stdout.trimEnd().split('\n');
  assert.deepEqual(lines.slice(0, 9), [...device('flannel.1', '10.2'), ...device('flannel-v6.3', '10.9')]);
  assert.match(dry.stdout, /^nft -f - <<'END'\n[\s\S]*delete table ip flannel-ipv4\nEND$/m);
  assert.match(dry.stdout, /^iptables-nft-restore .*<<'END'\n[\s\S]*FLANNEL-POSTRTG\n[\s\S]*\nEND$/m);
  assert.deepEqual(lines.slice(-2), ['rm /run/flannel/.subnet.env.4711', `rm ${subnetFile}`]);

  const wet = await cleanup(host);
  assert.deepEqual([wet.code, wet.stderr], [0, '']);
  assert.deepEqual(wet.stdout.split('\n').sort(), dry.stdout.split('\n').sort());
  assert.equal(withoutEmpty(await everything(host)), withoutEmpty(clean));
  const again = await cleanup(host);
  assert.deepEqual(again, { code: 0, stdout: '# nothing of ours is here\n', stderr: '' });
});

/** iptables-nft leaves tables and base chains that hold nothing, as `iptables -F` does. */
function withoutEmpty(listing: string): string {
  return listing.replace(/^table ip nat \{[\s\S]*?^\}\n/m, '').replace(/^# Warning.*\n/gm, '');
}

test('the lines of the dry run, given to a shell, do what cleanup does', async t => {
  const host = await hostWith(testScope(t), ...foreign);
  const clean = await everything(host);
  await host.netns.ipBatch(network(1, '10.2'));
  await host.netns.run('bridge fdb add 0a:00:00:00:00:02 dev flannel.1 dst 192.0.2.2 self permanent');
  await host.run('nft add table ip flannel-ipv4');
  const odd = "/run/flannel/it's odd.env";
  await host.run(['sh', '-c', `cat > "${odd}" <<'END'\n${env}END`]);
  const dry = await cleanup(host, '-dry-run', '-subnet-file', odd);
  await host.run(['sh', '-euc', dry.stdout]);
  assert.equal(await everything(host), clean);
});

test('-vni takes one network out and leaves the other with its subnet file and the firewall rules', async t => {
  const host = await hostWith(testScope(t), ...network(1, '10.2'), ...network(2, '10.4'));
  await host.run('nft add table ip flannel-ipv4');
  await writeEnv(host);
  const { code, stdout } = await cleanup(host, '-vni', '2');
  assert.equal(code, 0);
  assert.match(stdout, /^ip link delete flannel\.2$/m);
  assert.match(stdout, /^# firewall rules stay: flannel\.1 may need them$/m);
  assert.match(stdout, /^# \/run\/flannel\/subnet\.env stays: it is of flannel\.1$/m);
  assert.match(
    await everything(host),
    /flannel\.1 [\s\S]*10\.2\.2\.0\/24 via[\s\S]*flannel-ipv4[\s\S]*subnet\.env/,
  );
  assert.doesNotMatch(await everything(host), /flannel\.2\b/);
});

/** The TUN of udp, and routes to peers on the link, of a DirectRouting or host-gw network. */
const tun = [
  'tuntap add flannel0 mode tun',
  'link set flannel0 up mtu 1472',
  'address add 10.2.1.0/32 dev flannel0',
  'route add 10.2.0.0/16 dev flannel0 scope global',
];
const direct = [
  'address add 2001:db8::1/64 dev eth0 nodad',
  'route add 10.2.5.0/24 via 192.0.2.9 dev eth0 proto 87',
  'route add 10.4.6.0/24 via 192.0.2.9 dev eth0 proto 87',
  'route add fd02:0:0:7::/64 via 2001:db8::9 dev eth0 proto 87',
];
const foreignDirect = [
  'tuntap add flannel1 mode tun',
  'route add 10.2.7.0/24 via 192.0.2.9 dev eth0',
  'route add default via 192.0.2.9 dev eth0 proto 87',
  'route add 10.2.8.0/24 via 192.0.2.9 dev eth0 proto 87 table 100',
];

test('a TUN that outlived its daemon and routes without a tunnel go; what looks like them stays', async t => {
  const host = await hostWith(testScope(t), ...foreign, ...foreignDirect);
  await host.netns.run('mkdir -p /run/flannel');
  const clean = await everything(host);
  await host.netns.ipBatch([...tun, ...direct]);
  await writeEnv(host);
  const dry = await cleanup(host, '-dry-run');
  assert.deepEqual(dry.stdout.trimEnd().split('\n').sort(), [
    'ip -6 route delete fd02:0:0:7::/64 via 2001:db8::9 dev eth0 proto 87 metric 1024 scope global',
    'ip address delete 10.2.1.0/32 dev flannel0',
    'ip link delete flannel0',
    'ip route delete 10.2.0.0/16 dev flannel0 scope global',
    'ip route delete 10.2.5.0/24 via 192.0.2.9 dev eth0 proto 87 scope global',
    'ip route delete 10.4.6.0/24 via 192.0.2.9 dev eth0 proto 87 scope global',
    `rm ${subnetFile}`,
  ]);
  const wet = await cleanup(host);
  assert.deepEqual([wet.code, wet.stdout, wet.stderr], [0, dry.stdout, '']);
  await host.netns.run('ip address delete 2001:db8::1/64 dev eth0');
  assert.equal(await everything(host), clean);
});

test('a TAP named flannel0 is somebody else’s, and so are the files of networks that are not named', async t => {
  const host = await hostWith(testScope(t), 'tuntap add flannel0 mode tap');
  const file = '/run/flannel/networks/red.env';
  await host.run('mkdir -p /run/flannel/networks');
  await writeEnv(host, file);
  const { stdout } = await cleanup(host);
  assert.equal(stdout, `# ${file} stays: -subnet-file ${file} removes it\n`);
  assert.match(await host.run('ip -br link'), /flannel0/);
  assert.equal((await cleanup(host, '-subnet-file', file)).stdout, `rm ${file}\n`);
  assert.ok(!existsSync(host.file(file)));
});

test('-vni takes those routes without a tunnel that are in the network of its subnet file, and no TUN', async t => {
  const host = await hostWith(testScope(t), ...network(1, '10.2'), ...direct, 'tuntap add flannel0 mode tun');
  await host.run('nft add table ip flannel-ipv4');
  await writeEnv(host);
  const { stdout } = await cleanup(host, '-vni', '1');
  const lines = stdout.split('\n');
  for (const line of [
    'ip route delete 10.2.5.0/24 via 192.0.2.9 dev eth0 proto 87 scope global',
    'ip link delete flannel.1',
    '# routes without a tunnel stay, to 10.4.6.0/24, fd02:0:0:7::/64: they may be of another network',
    '# firewall rules stay: flannel0, 10.4.6.0/24, fd02:0:0:7::/64 may need them',
    `rm ${subnetFile}`,
  ])
    assert.ok(lines.includes(line), `${line}\nin\n${stdout}`);
  assert.match(
    await everything(host),
    /flannel0[\s\S]*10\.4\.6\.0\/24 via 192\.0\.2\.9 dev eth0 proto 87[\s\S]*fd02/,
  );
});

test('a file that is no subnet.env stays, and without root nothing is tried', async t => {
  const host = await hostWith(testScope(t), ...network(1, '10.2'));
  await host.run(['sh', '-c', `echo root:x:0:0 > ${subnetFile}`]);
  const nobody = ['setpriv', '--reuid=65534', '--clear-groups', '--bounding-set=-all', 'bin/weft', 'cleanup'];
  await assert.rejects(host.run(nobody), /CAP_NET_ADMIN/);
  assert.match(await host.run('ip -br link'), /flannel\.1/);
  assert.match((await cleanup(host)).stdout, /^# \/run\/flannel\/subnet\.env stays: it names no subnet$/m);
  assert.ok(existsSync(host.file(subnetFile)));
});

test('what cannot be asked for ends with 2 and removes nothing', async t => {
  const host = await hostWith(testScope(t), ...network(1, '10.2'));
  const cases: ReadonlyArray<readonly [readonly string[], RegExp]> = [
    [['-vni', 'x'], /-vni: expected 0 to 16777215, got "x"/],
    [['-vni', '16777216'], /-vni: expected 0 to 16777215/],
    [['-reservation', '10.2.1.0/24'], /-reservation: has a meaning only with -lease/],
    [['-lease', '-reservation', '10.2.1'], /-reservation: expected a subnet/],
    [['-dry-rum'], /did you mean -dry-run\?/],
    [['all'], /unexpected argument all/],
  ];
  for (const [flags, expected] of cases) {
    const { code, stderr } = await cleanup(host, ...flags);
    assert.equal(code, 2, flags.join(' '));
    assert.match(stderr, expected);
  }
  assert.match(await host.run('ip -br link'), /flannel\.1/);
});

test('-lease removes the lease that is ours, which peers see at once; not that of another who copied our MAC', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const [a, b] = await cluster.addHosts('a', 'b');
  const [weft] = await joinAll(cluster, [a, b]);
  const ours = await leaseOf(cluster, a);
  const theirs = await leaseOf(cluster, b);
  const copied = { subnet: '10.2.77.0/24', publicIp: '192.0.2.77', mac: ours.mac };
  await cluster.putLease(copied);
  await weft?.kill();
  const dry = await cleanup(a, ...a.flags.slice(0, 4), '-lease', '-dry-run');
  const line = `etcdctl --endpoints=${underlay.etcd.url} del ${cluster.prefix}/${ours.key}`;
  assert.ok(dry.stdout.split('\n').includes(line), dry.stdout + dry.stderr);
  assert.notEqual(await cluster.get(ours.key), undefined);
  const wet = await cleanup(a, ...a.flags.slice(0, 4), '-lease');
  assert.deepEqual([wet.code, wet.stdout], [0, dry.stdout]);
  assert.deepEqual([...(await cluster.leases()).keys()].sort(), [theirs.subnet, copied.subnet].sort());
  assert.deepEqual(await a.overlay(), { routes: [], neighbours: [], fdb: [] });
  const again = await cleanup(a, ...a.flags.slice(0, 4), '-lease');
  assert.deepEqual([again.code, again.stdout], [0, '# nothing of ours is here\n'], again.stderr);
});

test('a reservation of ours stays unless it is named, and the lease is found without the device too', async t => {
  const cluster = await createCluster(testScope(t), underlay);
  const [a] = await cluster.addHosts('a');
  await cluster.putLease({ subnet: '10.2.9.0/24', publicIp: a.address, mac: '0a:00:00:00:00:09' });
  await (await a.join()).kill();
  await a.netns.run('ip link delete flannel.1');
  const env = await a.readFile(subnetFile);
  const { code, stdout } = await cleanup(a, ...a.flags.slice(0, 4), '-lease');
  assert.equal(code, 0);
  assert.match(
    stdout,
    /^# subnets\/10\.2\.9\.0-24 in .* stays: it is a reservation; -reservation 10\.2\.9\.0\/24 removes it$/m,
  );
  assert.notEqual(await cluster.get('subnets/10.2.9.0-24'), undefined);
  await a.run(['sh', '-c', `cat > ${subnetFile} <<'END'\n${env}END`]);
  await cleanup(a, ...a.flags.slice(0, 4), '-lease', '-reservation', '10.2.9.0/24');
  assert.equal(await cluster.get('subnets/10.2.9.0-24'), undefined);
});

test('with -lease and a registry out of reach nothing is removed; without -lease no registry is asked', async t => {
  const host = await hostWith(testScope(t), ...network(1, '10.2'));
  await writeEnv(host);
  const before = await everything(host);
  const refused = await cleanup(host, '-lease', '-etcd-endpoints', `http://${parseIp('127.0.0.1')}:1`);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /nothing was removed: .*leave out -lease/);
  assert.equal(await everything(host), before);
  assert.equal((await cleanup(host)).code, 0);
  assert.doesNotMatch(await everything(host), /flannel|subnet/);
});

test('in a directory registry the lease goes with its file', async t => {
  const scope = testScope(t);
  const host = await hostWith(scope, ...network(1, '10.2'));
  await writeEnv(host);
  const value = { PublicIP: '192.0.2.1', BackendType: 'vxlan', BackendData: { VNI: 1 } };
  const file = '/run/weft/subnets/10.2.1.0-24';
  const text = JSON.stringify({ revision: 1, expires: '2999-01-01T00:00:00.000Z', value });
  await host.run(['sh', '-euc', `mkdir -p /run/weft/subnets; echo '${text}' > ${file}`]);
  const { code, stdout, stderr } = await cleanup(host, '-lease', '-registry', 'dir:/run/weft/');
  assert.equal(code, 0, stderr);
  assert.ok(stdout.split('\n').includes(`rm ${file}`), stdout);
  assert.ok(!existsSync(host.file(file)));
});

test('while a daemon has the device in hand nothing is removed, unless forced; a killed one is no obstacle', async t => {
  const host = await hostWith(testScope(t), ...network(1, '10.2'));
  const script = `
    import { acquireInstanceLock } from './src/daemon/instance-lock.ts';
    acquireInstanceLock('flannel.1');
    console.log('locked');
    setInterval(() => {}, 1000);`;
  const daemon = await host.start([process.execPath, '--input-type=module-typescript', '-e', script]);
  await daemon.waitForOutput(/locked/);
  const refused = await cleanup(host);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /nothing was removed: another daemon has flannel\.1 .*: pid \d+, .*node/);
  assert.match(refused.stderr, /what to do: stop it first: kill \d+; -force cleans all the same/);
  assert.equal((await cleanup(host, '-vni', '2')).code, 0);
  assert.equal((await cleanup(host, '-dry-run')).code, 0);
  assert.match(await host.run('ip -br link'), /flannel\.1/);
  assert.equal((await cleanup(host, '-force')).code, 0);
  assert.doesNotMatch(await host.run('ip -br link'), /flannel\.1/);
  assert.equal((await cleanup(host)).code, 1, 'a daemon whose device is gone is about to make it anew');
  await daemon.kill();
  assert.equal((await cleanup(host)).code, 0);
});
