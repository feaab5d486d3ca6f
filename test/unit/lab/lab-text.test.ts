import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIp } from '../../../src/base/ip.ts';
import { parseMac } from '../../../src/base/mac.ts';
import { parsePrefix } from '../../../src/base/prefix.ts';
import { entriesLines, noPaint, pingText } from '../../../src/lab/demo-text.ts';
import type { LabStatus } from '../../../src/lab/lab-status.ts';
import { listedText, madeText } from '../../../src/lab/lab-text.ts';
import { installCommand } from '../../../src/lab/requirements.ts';

const status: LabStatus = {
  shape: { name: 'lab', hosts: 2, containersPerHost: 2, registry: 'dir' },
  hosts: [
    {
      name: 'host1',
      underlay: parseIp('192.0.2.11'),
      subnet: parsePrefix('10.2.57.0/24'),
      daemonPid: 4711,
      containers: [
        { name: 'host1/c1', address: parseIp('10.2.57.2') },
        { name: 'host1/c2', address: parseIp('10.2.57.3') },
      ],
    },
    {
      name: 'host2',
      underlay: parseIp('192.0.2.12'),
      subnet: undefined,
      daemonPid: undefined,
      containers: [{ name: 'host2/c1', address: undefined }],
    },
  ],
};

test('a new lab is a table with what to try next', () => {
  assert.equal(
    `\n${madeText(status, true)}\n`,
    `
The lab is up: 2 hosts at a switch, 2 containers on each, registry dir

HOST   UNDERLAY    SUBNET        DAEMON       CONTAINERS
host1  192.0.2.11  10.2.57.0/24  pid 4711     host1/c1  10.2.57.2
                                              host1/c2  10.2.57.3
host2  192.0.2.12  -             not running  host2/c1  no address

Next:
  weft lab exec host1/c1 -- ping -c3 10.2.57.3  container to container
  weft lab exec host1 -- ip route               what host1's kernel knows of the others
  tail -f /run/weft/lab/lab/host1/weft.log      what its daemon says
  weft lab down                                 take it all away
`,
  );
});

test('a lab of another name is named in every command', () => {
  const blue = { ...status, shape: { ...status.shape, name: 'blue' } };
  assert.match(
    madeText(blue, false),
    /^Lab blue is there already: .*weft lab exec --name blue host1 .*weft lab down --name blue/s,
  );
  assert.match(listedText(blue), /^Lab blue is up: /);
});

for (const [report, text] of [
  [
    { sent: 5, roundTripsMs: [0.1, 0.2, 0.3, 0.2, 0.2], ttl: 62, failure: undefined },
    '5 sent, 5 received, 0 % lost, 0.100/0.200/0.300 ms, ttl 62',
  ],
  [
    { sent: 5, roundTripsMs: [0.1], ttl: 62, failure: undefined },
    '5 sent, 1 received, 80 % lost, 0.100/0.100/0.100 ms, ttl 62',
  ],
  [{ sent: 3, roundTripsMs: [], ttl: undefined, failure: undefined }, '3 sent, 0 received, 100 % lost'],
  [
    { sent: 3, roundTripsMs: [], ttl: undefined, failure: 'no route' },
    '3 sent, 0 received, 100 % lost, no route',
  ],
] as const) {
  test(`a ping is told as ${text}`, () => assert.equal(pingText(noPaint, report), text));
}

test('the entries are printed as iproute2 prints them', () => {
  const dev = 'flannel.1';
  const lladdr = parseMac('02:b4:6c:11:90:ee');
  const gateway = parseIp('10.2.101.0');
  assert.deepEqual(
    entriesLines({
      route: { dst: parsePrefix('10.2.101.0/24'), gateway, dev, onlink: true },
      neighbour: { dst: gateway, lladdr, dev, state: 'permanent' },
      fdb: { lladdr, dst: parseIp('192.0.2.12'), dev, state: 'permanent', table: 'self' },
    }),
    [
      '10.2.101.0/24 via 10.2.101.0 dev flannel.1 onlink',
      '10.2.101.0 lladdr 02:b4:6c:11:90:ee PERMANENT',
      '02:b4:6c:11:90:ee dst 192.0.2.12 self permanent',
    ],
  );
});

for (const [manager, program, command] of [
  ['apt-get', 'ip', 'apt-get install iproute2'],
  ['dnf', 'ip', 'dnf install iproute'],
  ['apk', 'etcd', 'apk add etcd'],
  ['none', 'etcd', 'apt-get install etcd-server'],
] as const) {
  test(`where there is ${manager}, a missing ${program} is installed with: ${command}`, () => {
    assert.equal(
      installCommand(program, name => name === manager),
      command,
    );
  });
}
