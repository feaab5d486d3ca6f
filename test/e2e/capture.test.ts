import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import type { Scope } from '../../src/base/scope.ts';
import { type LabPlan, ofFamily } from '../../src/lab/lab-plan.ts';
import { openLab, readStatus } from '../../src/lab/lab-status.ts';
import { netnsPath } from '../../src/lab/namespaces.ts';
import { encodeInterface, encodePacket, encodeSection } from '../../src/wire/pcapng-write.ts';
import { ownedEnv, run } from '../support/command.ts';
import { eventually } from '../support/eventually.ts';
import { testScope } from '../support/leaks.ts';
import { createNetns, joinByCable } from '../support/netns.ts';
import { ethernet, ipv4, vxlanDatagram } from '../support/overlay-frames.ts';
import { readBlocks, readOptions, readPackets } from '../support/pcapng-plain.ts';
import { launcher, temporaryFolder, weft } from './cli-weft.ts';

interface LabHosts {
  readonly plan: LabPlan;
  /** What to put before a program, to run it in a place. */
  enter(host: number, container?: number): readonly string[];
  /** Of the first container of a host. */
  readonly containers: readonly string[];
  readonly subnets: readonly string[];
  readonly underlay: readonly string[];
}

async function openLabHosts(scope: Scope, ...options: readonly string[]): Promise<LabHosts> {
  const name = `capture${process.pid}`;
  scope.defer(`lab ${name}`, async () => void (await run([launcher, 'lab', 'down', '--name', name])));
  await run([launcher, 'lab', 'up', '--no-probing', '--name', name, ...options]);
  const plan = openLab(name);
  const { hosts } = await readStatus(plan);
  const placeOf = (host: number, container?: number) => {
    const place = plan.hosts[host - 1];
    return netnsPath(
      (container === undefined ? place?.netns : place?.containers[container - 1]?.netns) ?? '',
    );
  };
  return {
    plan,
    enter: (host, container) => ['nsenter', `--net=${placeOf(host, container)}`, '--'],
    containers: hosts.map(({ containers }) => String(containers[0]?.addresses)),
    subnets: hosts.map(({ subnets }) => String(subnets)),
    underlay: plan.hosts.map(({ underlay }) => String(ofFamily(underlay, 4))),
  };
}

/** A capture that goes on until it is stopped. */
async function startCapture(scope: Scope, enter: readonly string[], ...args: readonly string[]) {
  const [program = '', ...rest] = [...enter, launcher, 'capture', ...args];
  const child = spawn(program, rest, { env: ownedEnv({ TZ: 'UTC' }) });
  scope.defer('capture', async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    child.kill('SIGKILL');
    await exit;
  });
  const said = { stdout: '', stderr: '' };
  const ended = once(child, 'close');
  for (const stream of ['stdout', 'stderr'] as const)
    child[stream].setEncoding('utf8').on('data', (text: string) => {
      said[stream] += text;
    });
  await eventually('the capture', () => {
    assert.equal(child.exitCode, null, said.stderr);
    return said.stderr.includes('Ctrl-C ends');
  });
  return {
    said,
    kill: (signal: NodeJS.Signals) => child.kill(signal),
    lines: () => linesOf(said.stdout),
    /** Ctrl-C, and what it says then. */
    stop: async () => {
      child.kill('SIGINT');
      const [code] = await ended;
      return { code: code as number | null, ...said };
    },
    ended,
  };
}

function linesOf(text: string): string[] {
  return text.split('\n').filter(line => line !== '');
}

const ping = (lab: LabHosts, from: number, address: string | undefined, ...options: readonly string[]) =>
  run([...lab.enter(from, 1), 'ping', '-q', '-i', '0.02', '-W', '10', ...options, String(address)]);

const literal = (text: string) => text.replaceAll('.', '\\.');

test('capture shows what a VXLAN lab sends, each packet once, and its file gives the same lines', async t => {
  const scope = testScope(t);
  const folder = await temporaryFolder(scope);
  const lab = await openLabHosts(scope, '--hosts', '3');
  const [one = '', two = '', three = ''] = lab.containers;
  const [, underlay2 = '', underlay3 = ''] = lab.underlay;
  const file = path.join(folder, 'overlay.pcapng');
  const told = async (...args: readonly string[]) => {
    const { code, stdout, stderr } = await weft(['capture', ...args], { env: { TZ: 'UTC' } });
    assert.equal(code, 0, stderr);
    return { lines: linesOf(stdout), stderr };
  };

  await t.test('ten lines for five pings and their answers, no matter what else there is', async () => {
    const capture = await startCapture(scope, lab.enter(1), '-w', file);
    await run([...lab.enter(1), 'ping', '-c', '1', underlay2]);
    await ping(lab, 1, two, '-c', '5');
    const { code, stdout, stderr } = await capture.stop();
    assert.equal(code, 0);
    const time = '\\d\\d:\\d\\d:\\d\\d\\.\\d{6}';
    const expected = [1, 2, 3, 4, 5].flatMap(seq => [
      `^${time} -> ${literal(underlay2)} vni 1 ${literal(one)} > ${literal(two)} echo request seq ${seq} \\(id \\d+, 56 bytes\\)$`,
      `^${time} <- ${literal(underlay2)} vni 1 ${literal(two)} > ${literal(one)} echo reply seq ${seq} \\(id \\d+, 56 bytes\\)$`,
    ]);
    const lines = linesOf(stdout);
    assert.equal(lines.length, expected.length, stdout);
    for (const [index, line] of lines.entries()) assert.match(line, new RegExp(expected[index] ?? ''));
    assert.match(stderr, /capturing VNI 1 \(UDP 8472\) on eth0; Ctrl-C ends\n/);
    assert.match(stderr, /weft: 10 packets, none lost\n$/);
    assert.deepEqual((await told('-r', file)).lines, lines);
  });

  await t.test('the file is what another reader expects, and nobody else may read it', () => {
    assert.equal(statSync(file).mode & 0o777, 0o600);
    const bytes = readFileSync(file);
    const packets = readPackets(bytes);
    assert.equal(packets.length, 10);
    for (const [index, packet] of packets.entries()) {
      assert.equal(packet.bytes.length, 148);
      assert.equal(packet.lengthBytes, 148);
      // UDP 8472 behind 34 bytes, the VNI 12 behind that; by turns out and in.
      assert.equal(packet.bytes.readUInt16BE(36), 8472);
      assert.equal(packet.bytes.readUIntBE(46, 3), 1);
      assert.equal(packet.flags, index % 2 === 0 ? 2 : 1);
    }
    const counts = readBlocks(bytes).find(({ type }) => type === 5);
    const options = new Map(counts && readOptions(counts, 12));
    assert.deepEqual(
      [4, 7].map(code => options.get(code)?.readUInt32LE(0)),
      [10, 0],
    );
  });

  await t.test('a peer is found by its address, by its container and by its subnet', async () => {
    for (const peer of [underlay3, three, String(lab.subnets[2])]) {
      const capture = await startCapture(scope, lab.enter(1), '-peer', peer, '-c', '2');
      assert.match(capture.said.stderr, new RegExp(`packets of ${literal(underlay3)};`));
      await ping(lab, 1, two, '-c', '2');
      await ping(lab, 1, three, '-c', '2');
      assert.deepEqual(await capture.ended, [0, null], '-c ends it');
      assert.deepEqual(
        capture.lines().map(line => line.split(' ').slice(1, 8).join(' ')),
        [`-> ${underlay3} vni 1 ${one} > ${three}`, `<- ${underlay3} vni 1 ${three} > ${one}`],
        peer,
      );
    }
  });

  await t.test('on the switch both ends are shown', async () => {
    const netns = netnsPath(lab.plan.switch.netns);
    const capture = await startCapture(
      scope,
      ['nsenter', `--net=${netns}`, '--'],
      '-i',
      'host1',
      '-port',
      '8472',
      '-c',
      '1',
    );
    await ping(lab, 1, two, '-c', '1');
    await capture.ended;
    assert.match(
      capture.said.stdout,
      new RegExp(` ${literal(lab.underlay[0] ?? '')} > ${literal(underlay2)} vni 1 `),
    );
  });

  await t.test('with -v every header is told, and nothing is longer than 100 columns', async () => {
    const { lines } = await told('-v', '-r', file, '-c', '1');
    assert.match(
      lines.join('\n'),
      /^\d{4}-\d\d-\d\d \S+ out by eth0, 148 bytes\n {2}outer {2}eth .*\n {9}ip .*\n {9}udp \d+ > 8472.*\n {2}vxlan {2}vni 1\n {2}inner {2}eth .*\n {9}ip .*\n {9}icmp echo request id \d+ seq 1\n {9}56 bytes$/,
    );
    assert.ok(lines.every(line => line.length <= 100));
  });

  await t.test('a file can be read for one VNI, peer or port, and be written again', async () => {
    assert.equal((await told('-r', file, '-vni', '1')).lines.length, 10);
    assert.equal((await told('-r', file, '-vni', '2')).lines.length, 0);
    assert.equal((await told('-r', file, '-peer', two)).lines.length, 10);
    assert.equal((await told('-r', file, '-peer', three)).lines.length, 0);
    const other = await told('-r', file, '-port', '4789');
    assert.equal(other.lines.length, 0);
    assert.match(other.stderr, /0 of 10 packets .*\n.*none has the UDP port 4789/);
    const again = path.join(folder, 'again.pcapng');
    await told('-q', '-r', file, '-w', again, '-c', '3');
    assert.deepEqual((await told('-r', again)).lines, (await told('-r', file)).lines.slice(0, 3));
    const refused = await weft(['capture', '-r', file, '-w', file]);
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, /would be emptied/);
  });

  await t.test('the file goes to a pipe as well, and comes from one', async () => {
    const copied = await run([
      ...['sh', '-c', `'${launcher}' capture -r '${file}' -w - | TZ=UTC '${launcher}' capture -r -`],
    ]);
    assert.deepEqual(linesOf(copied), (await told('-r', file)).lines);
  });

  await t.test('a reader who has seen enough ends it, and the file is whole', async () => {
    const cut = path.join(folder, 'cut.pcapng');
    const command = `'${launcher}' capture -w '${cut}' | head -1`;
    const [program = '', ...rest] = [...lab.enter(1), 'sh', '-c', command];
    const piped = spawn(program, rest, { env: ownedEnv() });
    let stderr = '';
    piped.stderr.setEncoding('utf8').on('data', text => {
      stderr += text;
    });
    const ended = once(piped, 'close');
    await eventually('the capture', () => stderr.includes('Ctrl-C ends'));
    await eventually('its end', async () => {
      await ping(lab, 1, two, '-c', '1');
      return piped.exitCode !== null;
    });
    assert.deepEqual(await ended, [0, null]);
    assert.doesNotMatch(stderr, /EPIPE/);
    const packets = readPackets(readFileSync(cut));
    assert.ok(packets.length >= 1);
    assert.equal((await told('-r', cut)).lines.length, packets.length);
  });

  await t.test(
    'what the kernel had no room for is counted while it runs, at the end and in the file',
    async () => {
      const lossy = path.join(folder, 'lossy.pcapng');
      const capture = await startCapture(scope, lab.enter(1), '-q', '-w', lossy);
      capture.kill('SIGSTOP');
      await run([...lab.enter(1, 1), 'ping', '-q', '-f', '-c', '30000', '-s', '1300', '-W', '10', two], {
        timeoutMs: 120_000,
      });
      capture.kill('SIGCONT');
      await eventually('a warning', () => /warning: \d+ packets lost/.test(capture.said.stderr));
      const { stderr, stdout } = await capture.stop();
      const [, shown, lost] =
        /weft: (\d+) packets, (\d+) packets? lost/.exec(stderr.replace(/\n +/g, ' ')) ?? [];
      assert.ok(Number(lost) > 0, stderr);
      assert.equal(Number(shown) + Number(lost), 60_000);
      assert.equal(stdout, '');
      const back = await told('-q', '-r', lossy);
      assert.match(
        back.stderr,
        new RegExp(`${shown} of ${shown} packets .*\\n.*no room for ${lost} packets`),
      );
    },
  );
});

test('the udp backend is shown as the packets that its datagrams hold', async t => {
  const scope = testScope(t);
  const lab = await openLabHosts(scope, '--backend', 'udp');
  const [one = '', two = ''] = lab.containers;
  const capture = await startCapture(scope, lab.enter(1));
  assert.match(capture.said.stderr, /capturing UDP 8285 on eth0;/);
  await ping(lab, 1, two, '-c', '3');
  const { stdout } = await capture.stop();
  const ends = linesOf(stdout).map(line => line.split(' ').slice(1, 8).join(' '));
  const expected = [
    `-> ${lab.underlay[1]} udp 8285 ${one} > ${two}`,
    `<- ${lab.underlay[1]} udp 8285 ${two} > ${one}`,
  ];
  // In which order they come is the machine's business.
  assert.deepEqual(ends.sort(), [...expected, ...expected, ...expected].sort());
  const refused = await weft(['capture', '-peer', two], { enter: lab.enter(1) });
  assert.equal(refused.code, 1);
  assert.match(
    refused.stderr,
    /behind flannel0, only the daemon knows\n +what to do: name the underlay address/,
  );
});

test('of a burst through the udp backend each packet is shown, though the kernel holds many in one datagram', async t => {
  const scope = testScope(t);
  const folder = await temporaryFolder(scope);
  const file = path.join(folder, 'burst.pcapng');
  const lab = await openLabHosts(scope, '--backend', 'udp');
  const [one = '', two = ''] = lab.containers;
  const captures = [
    await startCapture(scope, lab.enter(1), '-w', file),
    await startCapture(scope, lab.enter(2)),
  ] as const;
  const pings = 2000;
  await ping(lab, 1, two, '-f', '-l', '200', '-c', String(pings), '-s', '400', '-i', '0');
  const seen = [];
  for (const capture of captures) {
    const { code, stdout, stderr } = await capture.stop();
    assert.equal(code, 0);
    const lines = linesOf(stdout);
    assert.ok(stderr.endsWith(`weft: ${lines.length} packets, none lost\n`), stderr);
    seen.push(lines);
  }
  const sequences = (lines: readonly string[], pattern: RegExp) =>
    lines.flatMap(line => pattern.exec(line)?.[1] ?? []).sort((x, y) => Number(x) - Number(y));
  const all = Array.from({ length: pings }, (_, index) => String(index + 1));
  for (const lines of seen) {
    assert.deepEqual(sequences(lines, new RegExp(`${one} > ${two} echo request seq (\\d+)(?: |$)`)), all);
    assert.deepEqual(sequences(lines, new RegExp(`${two} > ${one} echo reply seq (\\d+)(?: |$)`)), all);
  }
  const records = readPackets(readFileSync(file)).length;
  assert.ok(records < 2 * pings, `no two of ${records} packets were captured in one`);
  const back = await weft(['capture', '-r', file], { env: { TZ: 'UTC' } });
  assert.deepEqual(linesOf(back.stdout), seen[0]);
  const told = back.stderr.replace(/\n +/g, ' ');
  assert.match(told, new RegExp(`${records} of ${records} packets in .*, which hold ${seen[0]?.length} `));
});

test('where nothing is wrapped it is said what to capture instead', async t => {
  const scope = testScope(t);
  const lab = await openLabHosts(scope, '--backend', 'host-gw');
  const route = literal(String(lab.subnets[1]));
  const unknown = await weft(['capture'], { enter: lab.enter(1) });
  assert.equal(unknown.code, 1);
  assert.match(
    unknown.stderr.replace(/\n +/g, ' '),
    new RegExp(`no overlay device .*lab up.*host-gw .*tcpdump -ni eth0 net ${route}`),
  );
  const folder = await temporaryFolder(scope);
  const env = { FLANNELD_SUBNET_FILE: path.join(folder, 'subnet.env') };
  await run(['sh', '-c', `echo FLANNEL_NETWORK=10.2.0.0/16 > '${env.FLANNELD_SUBNET_FILE}'`]);
  const known = await weft(['capture'], { enter: lab.enter(1), env });
  assert.match(
    known.stderr.replace(/\n +/g, ' '),
    new RegExp(
      `as they are \\(host-gw: ${route} via ${literal(lab.underlay[1] ?? '')} dev eth0\\).*tcpdump -ni eth0 net 10\\.2\\.0\\.0/16`,
    ),
  );
});

test('capture says what is missing: a device, a privilege, a right flag', async t => {
  const scope = testScope(t);
  const { enter } = await createNetns(scope, 'bare');
  const cases: ReadonlyArray<readonly [args: readonly string[], code: number, message: RegExp]> = [
    [
      [],
      1,
      /has no overlay device \(flannel\.N, flannel-v6\.N, flannel0\) what to do: run `weft lab up`.*-i DEV -port N/,
    ],
    [['-i', 'eht0', '-port', '1'], 1, /there is no network device eht0 what to do: see the devices/],
    [['-i', 'l0', '-port', '1'], 1, /no network device l0 what to do: did you mean lo\?/],
    [['-i', 'lo'], 1, /has no overlay device/],
    [['-port', '0'], 2, /-port: expected 1 to 65535, got "0" what to do: `weft capture -h`/],
    [['-vni', '16777216'], 2, /-vni: expected 0 to 16777215/],
    [['-peer', 'host2'], 2, /-peer: expected an address or a subnet, got "host2"/],
    [['-c', '-1'], 2, /-c: expected 0 or more, got "-1"/],
    [['-s', '10'], 2, /-s: expected 64 to 65536/],
    [['-r', 'x', '-i', 'lo'], 2, /-i: has no meaning with -r/],
    [['eth0'], 2, /unexpected argument eth0/],
    [['-r', '/nosuch.pcapng'], 1, /reading \/nosuch\.pcapng failed: ENOENT/],
    [['-r', 'package.json'], 1, /reading package\.json failed: malformed capture file, at byte 0/],
    [
      ['-i', 'lo', '-port', '8472', '-w', '/nosuch/x'],
      1,
      /writing \/nosuch\/x failed: ENOENT.*what to do: name a file/,
    ],
  ];
  for (const [args, code, message] of cases) {
    const said = await weft(['capture', ...args], { enter });
    assert.equal(said.code, code, said.stderr);
    assert.match(said.stderr.replace(/\n +/g, ' '), message);
    assert.equal(said.stdout, '');
  }
  const powerless = await weft(['capture', '-i', 'lo', '-port', '8472'], {
    enter: [...enter, 'setpriv', '--bounding-set=-net_raw', '--inh-caps=-net_raw', '--'],
  });
  assert.equal(powerless.code, 1);
  assert.match(
    powerless.stderr,
    /needs the capability CAP_NET_RAW: .*EPERM[\s\S]*what to do: run it as root/,
  );
});

/** A program for Node: a datagram to port 8472, where nobody listens. */
const sendTo = (address: string) => `
  const socket = require('node:dgram').createSocket('udp4');
  socket.send(Buffer.from(process.argv[1], 'hex'), 8472, '${address}', () => socket.close());
`;

test('on the loopback each packet is shown once, and colours only where they are wanted', async t => {
  const scope = testScope(t);
  const netns = await createNetns(scope, 'loop');
  const folder = await temporaryFolder(scope);
  const file = path.join(folder, 'loop.pcapng');
  const capture = await startCapture(scope, netns.enter, '-i', 'lo', '-port', '8472', '-w', file);
  const datagram = Buffer.from(vxlanDatagram(7).subarray(8)).toString('hex');
  await netns.run([process.execPath, '-e', sendTo('127.0.0.1'), datagram]);
  const { stdout } = await capture.stop();
  assert.deepEqual(
    linesOf(stdout).map(line => line.replace(/^\S+ /, '')),
    [
      '127.0.0.1 > 127.0.0.1 vni 7 10.2.1.2 > 10.2.2.2 echo request seq 1 (id 7, 32 bytes)',
      '127.0.0.1 > 127.0.0.1 icmp port unreachable for udp 8472, 127.0.0.1 > 127.0.0.1',
    ],
  );
  const coloured = await weft(['capture', '-r', file], { env: { FORCE_COLOR: '1' } });
  assert.ok(coloured.stdout.includes('\x1b[1m10.2.1.2 > 10.2.2.2\x1b'));
  const plain = await weft(['capture', '-r', file], { env: { FORCE_COLOR: '1', NO_COLOR: '1' } });
  assert.ok(!plain.stdout.includes('\x1b'));
});

test('a peer that the kernel has no whole way to is refused with what is missing', async t => {
  const scope = testScope(t);
  const netns = await createNetns(scope, 'ways');
  await netns.ipBatch([
    'link add br0 type bridge',
    'link set br0 up',
    'address add 192.0.2.1/24 dev br0',
    'link add flannel.7 type vxlan id 7 dev br0 local 192.0.2.1 dstport 8472 nolearning',
    'link set flannel.7 addrgenmode none up',
    'route add 10.7.2.0/24 via 10.7.2.0 dev flannel.7 onlink',
    'route add 10.7.3.0/24 via 10.7.3.0 dev flannel.7 onlink',
    'neigh add 10.7.3.0 lladdr 0a:00:00:00:00:03 dev flannel.7 nud permanent',
    'route add 10.7.4.0/24 via 192.0.2.4 dev br0',
  ]);
  const folder = await temporaryFolder(scope);
  const env = { FLANNELD_SUBNET_FILE: path.join(folder, 'subnet.env') };
  await run(['sh', '-c', `echo FLANNEL_NETWORK=10.7.0.0/16 > '${env.FLANNELD_SUBNET_FILE}'`]);
  const cases: ReadonlyArray<readonly [peer: string, message: RegExp]> = [
    [
      '10.7.2.9',
      /the route to 10\.7\.2\.0\/24 leads to 10\.7\.2\.0 on flannel\.7, which has no neighbour entry/,
    ],
    [
      '10.7.3.0/24',
      /10\.7\.3\.0 on flannel\.7 with the MAC 0a:00:00:00:00:03, which has no FDB entry.*underlay address/,
    ],
    [
      '10.7.4.9',
      /packets to 10\.7\.4\.9\/32 go by 192\.0\.2\.4 on br0 as they are.*tcpdump -ni br0 net 10\.7\.4\.0\/24/,
    ],
    ['10.7.5.9', /no route of this host leads to 10\.7\.5\.9\/32/],
    ['203.0.113.0/24', /no route of this host leads to 203\.0\.113\.0\/24/],
  ];
  for (const [peer, message] of cases) {
    const { code, stderr } = await weft(['capture', '-peer', peer], { enter: netns.enter, env });
    assert.equal(code, 1);
    assert.match(stderr.replace(/\n +/g, ' '), message);
  }
});

for (const family of [4, 6] as const) {
  test(`over IPv${family}${family === 4 ? ', in pieces because the underlay carries less than before,' : ''} all is shown`, async t => {
    const scope = testScope(t);
    const hosts = [await createNetns(scope, 'one'), await createNetns(scope, 'other')] as const;
    const [one, other] = family === 4 ? ['192.0.2.1', '192.0.2.2'] : ['2001:db8::1', '2001:db8::2'];
    const length = family === 4 ? 24 : 64;
    await joinByCable(
      { netns: hosts[0], address: `${one}/${length}` },
      { netns: hosts[1], address: `${other}/${length}` },
    );
    for (const [index, netns] of hosts.entries()) {
      const [own, peer] = [index + 1, 2 - index];
      await netns.ipBatch([
        `link add flannel.9 address 0a:00:00:00:00:0${own} type vxlan id 9 dev eth0 local ${[one, other][index]} dstport 8472 nolearning`,
        'link set flannel.9 addrgenmode none up',
        `address add 10.9.0.${own}/24 dev flannel.9`,
        `neigh add 10.9.0.${peer} lladdr 0a:00:00:00:00:0${peer} dev flannel.9 nud permanent`,
      ]);
      const to = `dst ${[other, one][index]} self permanent`;
      await netns.run(`bridge fdb add 0a:00:00:00:00:0${peer} dev flannel.9 ${to}`);
      // Over IPv6 Linux drops what does not fit, and sends no fragments.
      if (family === 4) await netns.run('ip link set eth0 mtu 1300');
    }
    const capture = await startCapture(scope, hosts[0].enter);
    await hosts[0].run('ping -q -c 1 -W 10 -s 1400 10.9.0.2');
    const { stdout } = await capture.stop();
    const rest = 8 + 8 + 14 + 1428 - 1280;
    const piece = (arrow: string) =>
      family === 4 ? [`${arrow} ${other} fragment at 1280 of such a datagram, ${rest} bytes`] : [];
    const first = family === 4 ? ' (first fragment)' : '';
    assert.deepEqual(
      linesOf(stdout).map(line => line.replace(/^\S+ /, '').replace(/ \(id [^)]*\)/, '')),
      [
        `-> ${other} vni 9 10.9.0.1 > 10.9.0.2 echo request seq 1${first}`,
        ...piece('->'),
        `<- ${other} vni 9 10.9.0.2 > 10.9.0.1 echo reply seq 1${first}`,
        ...piece('<-'),
      ],
    );
  });
}

test('a link that goes down ends the capture with an error, and what came before is kept', async t => {
  const scope = testScope(t);
  const [one, other] = [await createNetns(scope, 'one'), await createNetns(scope, 'other')];
  await joinByCable({ netns: one, address: '192.0.2.1/24' }, { netns: other, address: '192.0.2.2/24' });
  const file = path.join(await temporaryFolder(scope), 'down.pcapng');
  const capture = await startCapture(scope, one.enter, '-i', 'eth0', '-port', '8472', '-w', file);
  const datagram = Buffer.from(vxlanDatagram(7).subarray(8)).toString('hex');
  await one.run([process.execPath, '-e', sendTo('192.0.2.2'), datagram]);
  await eventually('the refusal', () => capture.lines().length === 2);
  assert.match(
    capture.said.stdout,
    / -> 192\.0\.2\.2 vni 7 .*\n\S+ <- 192\.0\.2\.2 icmp port unreachable for udp 8472/,
  );
  await one.run('ip link set eth0 down');
  assert.deepEqual(await capture.ended, [1, null]);
  assert.match(
    capture.said.stderr,
    /capturing on eth0 ended: ENETDOWN \(Network is down\)\n +what to do: .*ip link show/,
  );
  assert.equal(readPackets(readFileSync(file)).length, 2);
});

test('Ctrl-C ends the reading of a pipe that nobody ends', async t => {
  const scope = testScope(t);
  const folder = await temporaryFolder(scope);
  const child = spawn(launcher, ['capture', '-r', '-'], { env: ownedEnv(), cwd: folder });
  const ended = once(child, 'close');
  scope.defer('reader', () => void child.kill('SIGKILL'));
  const head = encodeSection({ system: 'Linux', program: 'test' });
  const via = encodeInterface({ linkType: 1, snapBytes: 0, addresses: [] });
  const bytes = ethernet(0x0800, ipv4(vxlanDatagram(7)));
  child.stdin.write(
    Buffer.concat([head, via, encodePacket({ timeNs: 0n, bytes, lengthBytes: bytes.length }, 0)]),
  );
  const [line] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string];
  assert.match(line, /vni 7 10\.2\.1\.2 > 10\.2\.2\.2 echo request seq 1/);
  child.kill('SIGINT');
  assert.deepEqual(await ended, [0, null]);
});
