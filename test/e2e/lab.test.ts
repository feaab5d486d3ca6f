import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import process from 'node:process';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { familiesOf, type LabPlan } from '../../src/lab/lab-plan.ts';
import { openLab, readStatus } from '../../src/lab/lab-status.ts';
import { netnsPath } from '../../src/lab/namespaces.ts';
import { ping } from '../../src/lab/ping.ts';
import { CommandError, run } from '../support/command.ts';
import { eventually } from '../support/eventually.ts';
import { testScope } from '../support/leaks.ts';

const weft = (...args: string[]): Promise<string> => run(['bin/weft', 'lab', ...args]);

/** A lab name of this test alone; whatever happens, the lab is gone afterwards, and nothing of it is left. */
function labName(t: TestContext, name: string): string {
  takenDownAfter(t, name);
  return name;
}

function takenDownAfter(t: TestContext, ...names: readonly string[]): void {
  const scope = testScope(t);
  for (const name of names) {
    scope.defer(`lab ${name}`, async () => {
      await weft('down', '--name', name);
      assert.deepEqual(remains(name), []);
    });
  }
}

function remains(name: string): string[] {
  const namespaces = readdirSync('/run/netns').filter(netns => netns.startsWith(`weft-${name}-`));
  return [...namespaces, ...(existsSync(`/run/weft/lab/${name}`) ? [`state of ${name}`] : [])];
}

async function refused(command: Promise<string>, exitCode: number, message: RegExp): Promise<void> {
  await assert.rejects(command, error => {
    assert.ok(error instanceof CommandError, String(error));
    assert.equal(error.exitCode, exitCode);
    assert.match(error.stderr, message);
    return true;
  });
}

test('in a lab of 3 hosts with 2 containers each, every container reaches every other', async t => {
  const name = labName(t, 'triple');
  const said = await weft('up', '--name', name, '--hosts', '3', '--containers', '2');
  assert.match(
    said,
    /^Lab triple is up: 3 hosts at a switch, 2 containers on each\nBackend vxlan, IPv4; registry dir\n/,
  );
  const plan = openLab(name);
  await everyPairPings(plan);

  await t.test('ls shows hosts, daemons and the addresses that the containers have', async () => {
    const { hosts } = await readStatus(plan);
    const table = await weft('ls');
    for (const { name: host, underlay, subnets, daemonPid, containers } of hosts) {
      assert.match(
        table,
        new RegExp(
          `^${host}  ${underlay}  ${subnets} +pid ${daemonPid}  ${host}/c1  ${containers[0]?.addresses}$`,
          'm',
        ),
      );
      assert.match(table, new RegExp(`^ +${host}/c2  ${containers[1]?.addresses}$`, 'm'));
    }
  });

  await t.test(
    'exec runs a command in a host, a container and the switch, and passes its status on',
    async () => {
      const exec = (...args: string[]) => weft('exec', '--name', name, ...args);
      assert.match(await exec('host2', '--', 'ip', '-br', 'address', 'show', 'eth0'), /192\.0\.2\.12\/24/);
      assert.match(await exec('host3/c2', '--', 'ip', 'route'), /^default via 10\.2\.\d+\.1 dev eth0/);
      assert.match(
        await exec('switch', 'ip', '-br', 'link', 'show', 'master', 'br0'),
        /host1@.*host2@.*host3@/s,
      );
      const plan = await exec('host1', '--', 'sh', '-c', 'weft plan 2>&1');
      assert.match(
        plan,
        /^weft: -registry -subnet-file [^#]*\n# nothing to do: /,
        'weft, and its flags, are known',
      );
      await refused(exec('host1', '--', 'sh', '-c', 'exit 7'), 7, /^$/);
      await refused(exec('host1', '--', 'sh', '-c', 'kill -9 $$'), 137, /^$/);
      await refused(exec('host9', '--', 'true'), 1, /has no "host9"; did you mean host1\?/);
    },
  );

  await t.test('a second up finds it there, and one of another size is refused', async () => {
    assert.match(await weft('up', '--name', name), /^Lab triple is there already/);
    await refused(weft('up', '--name', name, '--hosts', '4'), 1, /there already, with 3 hosts/);
    await refused(
      weft('up', '--name', name, '--family', '46'),
      1,
      /2 containers on each, vxlan, IPv4, registry/,
    );
  });

  await t.test('down takes it away, with what runs in it, and a second one finds nothing to do', async () => {
    const sleeper = spawn('bin/weft', ['lab', 'exec', '--name', name, 'host1/c1', '--', 'sleep', '600']);
    const ended = once(sleeper, 'exit');
    await eventually('a command in host1/c1', () => /exec on host1\/c1/.test(processRecords(name)));
    assert.equal(await weft('down', '--name', name), 'Lab triple is taken away.\n');
    assert.deepEqual(await ended, [143, null]);
    assert.deepEqual(remains(name), []);
    assert.equal(await weft('down', '--name', name), 'There is no lab named triple: nothing to do.\n');
  });
});

test('ls and down work after the daemons were killed, and other processes are left alone', async t => {
  const name = labName(t, 'killed');
  await weft('up', '--name', name);
  const { hosts } = await readStatus(openLab(name));
  for (const { daemonPid } of hosts) process.kill(daemonPid ?? 0, 'SIGKILL');
  await eventually('ended daemons', async () => (await weft('ls')).match(/not running/g)?.length === 2);
  // As after much time: the daemon's pid belongs to somebody else.
  const bystander = spawn('sleep', ['600']);
  t.after(() => bystander.kill());
  const record = { pid: bystander.pid, startTicks: 1, role: 'weft run on host1' };
  writeFileSync(`/run/weft/lab/${name}/processes/${bystander.pid}.json`, JSON.stringify(record));
  await weft('down', '--name', name);
  assert.deepEqual(remains(name), []);
  assert.equal(bystander.exitCode ?? bystander.signalCode, null, 'the bystander lives');
});

test('a lab with etcd has it at the switch, and works', async t => {
  const name = labName(t, 'withetcd');
  await weft('up', '--name', name, '--registry', 'etcd');
  await everyPairPings(openLab(name));
  const leases = ['etcdctl', 'get', '--prefix', '--keys-only', '/coreos.com/network/subnets/'];
  const keys = await weft(
    'exec',
    '--name',
    name,
    'switch',
    '--',
    'env',
    'ETCDCTL_API=3',
    'ETCDCTL_ENDPOINTS=http://192.0.2.1:2379',
    ...leases,
  );
  assert.equal(keys.match(/10\.2\.\d+\.0-24/g)?.length, 2);
});

test('a lab of IPv6 alone reaches its etcd by IPv6, and works', async t => {
  const name = labName(t, 'six');
  const said = await weft('up', '--name', name, '--family', '6', '--registry', 'etcd');
  assert.match(said, /^Lab six is up: .*\nBackend vxlan, IPv6; registry etcd\n/);
  await everyPairPings(openLab(name));
});

test('a lab of three hosts with udp and both families works, and is what it says', async t => {
  const name = labName(t, 'tunnel');
  const network = ['--backend', 'udp', '--family', '46'];
  const said = await weft('up', '--name', name, '--hosts', '3', ...network);
  assert.match(said, /\nBackend udp, IPv4 and IPv6; registry dir\n/);
  await everyPairPings(openLab(name));
  assert.match(await weft('up', '--name', name, ...network), /^Lab tunnel is there already/);
});

test('an up that fails half-way takes away what it has made, and shows what the culprit said', async t => {
  const name = labName(t, 'failing');
  const folder = mkdtempSync(`${tmpdir()}/weft-`);
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(`${folder}/etcd`, '#!/bin/sh\necho no room for etcd here\nexit 3\n');
  chmodSync(`${folder}/etcd`, 0o755);
  const up = run(['bin/weft', 'lab', 'up', '--name', name, '--registry', 'etcd'], {
    env: { PATH: `${folder}:${process.env['PATH']}` },
  });
  await refused(up, 1, /etcd at the switch ended with status 3; .*no room for etcd here/s);
  assert.deepEqual(remains(name), []);
});

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  test(`an up that ${signal} stops takes away what it has made`, async t => {
    const name = labName(t, signal.toLowerCase());
    const { ended, said } = startUp(name);
    await eventually('namespaces', () => remains(name).length > 3);
    ended.kill(signal);
    assert.deepEqual(await once(ended, 'exit'), [1, null]);
    assert.equal(said(), `weft: stopped by ${signal}\n`);
    assert.deepEqual(remains(name), []);
  });
}

test('what a killed up has left is told, and taken away by down', async t => {
  const name = labName(t, 'crashed');
  const { ended } = startUp(name);
  await eventually('a daemon', () => /weft run on host1/.test(processRecords(name)));
  ended.kill('SIGKILL');
  await once(ended, 'exit');
  await refused(weft('up', '--name', name), 1, /was cut short\n {2}what to do: weft lab down --name crashed/);
  assert.match(await weft('ls'), /the making of lab crashed was cut short/);
  await weft('down', '--name', name);
  assert.deepEqual(remains(name), []);
});

test('a daemon whose record was never written, because up was killed in that moment, is ended by down too', async t => {
  const name = labName(t, 'unwritten');
  await weft('up', '--name', name, '--hosts', '1', '--containers', '0');
  const folder = `/run/weft/lab/${name}/processes`;
  const [record = ''] = readdirSync(folder).filter(file =>
    readFileSync(`${folder}/${file}`, 'utf8').includes('weft run on host1'),
  );
  const { pid } = JSON.parse(readFileSync(`${folder}/${record}`, 'utf8')) as { pid: number };
  rmSync(`${folder}/${record}`);
  assert.doesNotMatch(await weft('down', '--name', name), /still runs/);
  assert.equal(existsSync(`/proc/${pid}`), false);
  assert.deepEqual(remains(name), []);
});

test('down stops an up that is under way', async t => {
  const name = labName(t, 'underway');
  const { ended } = startUp(name, '--hosts', '20');
  const end = once(ended, 'exit');
  await eventually('namespaces', () => remains(name).length > 3);
  // Held still, so that however slow the machine is it does not get done meanwhile.
  ended.kill('SIGSTOP');
  await refused(weft('exec', '--name', name, 'host1', 'true'), 1, /process \d+ is making lab underway/);
  const down = weft('down', '--name', name);
  await sleep(1_000);
  ended.kill('SIGCONT');
  await down;
  assert.deepEqual(await end, [1, null]);
  assert.deepEqual(remains(name), []);
});

test('a lab whose record names neither backend nor family, as those of before, is one of vxlan and IPv4', async t => {
  const name = labName(t, 'older');
  await weft('up', '--name', name, '--hosts', '1');
  const file = `/run/weft/lab/${name}/lab.json`;
  const { backend: _, family: __, ...shape } = openLab(name).shape;
  writeFileSync(file, JSON.stringify({ shape, complete: true }));
  assert.match(await weft('ls'), /^Lab older is up: .*\nBackend vxlan, IPv4; registry dir$/m);
});

test('namespaces without a lab are not built upon, and taken away by down', async t => {
  const name = labName(t, 'orphaned');
  await run(`ip netns add weft-${name}-host7-c3`);
  await refused(weft('up', '--name', name), 1, /a namespace weft-orphaned-host7-c3, but no lab/);
  await weft('down', '--name', name);
});

test('what runs in a lab without having been started by it is named by down, and left alone', async t => {
  const name = labName(t, 'stranger');
  await weft('up', '--name', name, '--hosts', '1');
  const stranger = spawn('ip', ['netns', 'exec', `weft-${name}-host1`, 'sleep', '600']);
  t.after(() => stranger.kill());
  await eventually('sleep', () => readFileSync(`/proc/${stranger.pid}/cmdline`, 'utf8').startsWith('sleep'));
  const said = await run(['sh', '-c', `bin/weft lab down --name ${name} 2>&1`]);
  assert.match(said, new RegExp(`process ${stranger.pid} in\\s+weft-stranger-host1:\\s+sleep 600`));
  assert.equal(stranger.exitCode ?? stranger.signalCode, null, 'the stranger lives');
  assert.deepEqual(remains(name), []);
});

test('two labs stand side by side', async t => {
  const [one, other] = ['left', 'right'] as const;
  takenDownAfter(t, one, other);
  await Promise.all([weft('up', '--name', one), weft('up', '--name', other)]);
  await weft('down', '--name', one);
  await everyPairPings(openLab(other));
});

test('what is missing is named, with what gets it', async t => {
  const name = labName(t, 'missing');
  const without = (program: string) => [
    'unshare',
    '--mount',
    'sh',
    '-c',
    `mount --bind /dev/null $(command -v ${program}) && exec "$@"`,
    'sh',
  ];
  const up = ['bin/weft', 'lab', 'up', '--name', name];
  await refused(
    run([...without('ip'), ...up]),
    1,
    /the program ip is missing.*what to do: apt-get install iproute2/s,
  );
  await refused(
    run([...without('etcd'), ...up, '--registry', 'etcd']),
    1,
    /the program etcd is missing.*what to do: apt-get install etcd-server/s,
  );
  await refused(
    run(['setpriv', '--bounding-set=-sys_admin', ...up]),
    1,
    /lacks CAP_SYS_ADMIN.*what to do: run it as root: sudo weft lab up/s,
  );
  assert.deepEqual(remains(name), []);
});

for (const [args, exitCode, message] of [
  [['up', '--hosts', 'many'], 2, /--hosts: expected a whole number, got "many"/],
  [['up', '--hosts', '0'], 1, /a lab has 1 to 240 hosts, not 0/],
  [['up', '--registry', 'zookeeper'], 2, /zookeeper/],
  [['up', '--backend', 'alloc'], 2, /alloc leases subnets and carries no packets/],
  [['demo', '--backend', 'vxlna'], 2, /did you mean vxlan\?/],
  [['up', '--family', '5'], 2, /'5' is invalid.*4, 6, 46/s],
  [['up', '--host', '2'], 2, /unknown option '--host'.*did you mean --hosts/],
  [['up', '--name', 'a-b'], 1, /not a lab's name: "a-b"/],
  [['down', '--name', '../../etc'], 1, /not a lab's name/],
  [
    ['exec', '--name', 'nobody', 'host1', 'true'],
    1,
    /there is no lab named nobody\n {2}what to do: weft lab up --name nobody/,
  ],
] as const) {
  test(`weft lab ${args.join(' ')} is refused with ${exitCode}, and says why`, () =>
    refused(weft(...args), exitCode, message));
}

function startUp(
  name: string,
  ...more: readonly string[]
): { ended: ReturnType<typeof spawn>; said: () => string } {
  let said = '';
  const ended = spawn('bin/weft', ['lab', 'up', '--name', name, ...more]);
  ended.stderr.setEncoding('utf8').on('data', text => {
    said += text;
  });
  return { ended, said: () => said };
}

function processRecords(name: string): string {
  const folder = `/run/weft/lab/${name}/processes`;
  if (!existsSync(folder)) return '';
  return readdirSync(folder)
    .map(file => readFileSync(`${folder}/${file}`, 'utf8'))
    .join('');
}

async function everyPairPings(plan: LabPlan): Promise<void> {
  const { hosts } = await readStatus(plan);
  const addresses = hosts.flatMap(host => host.containers.flatMap(container => container.addresses));
  assert.equal(
    addresses.length,
    plan.hosts.flatMap(host => host.containers).length * familiesOf(plan.shape).length,
  );
  for (const { netns, name } of plan.hosts.flatMap(host => host.containers)) {
    for (const destination of addresses) {
      const report = await ping({
        netns: netnsPath(netns),
        destination,
        count: 2,
        intervalMs: 1,
        timeoutMs: 5_000,
      });
      assert.equal(report.roundTripsMs.length, 2, `${name} to ${destination}`);
    }
  }
}
