import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIp } from '../../../src/base/ip.ts';
import { parsePrefix } from '../../../src/base/prefix.ts';
import { noPaint, pingText } from '../../../src/lab/demo-text.ts';
import { defaultShape } from '../../../src/lab/lab-plan.ts';
import type { LabStatus } from '../../../src/lab/lab-status.ts';
import { listedText, madeText } from '../../../src/lab/lab-text.ts';
import { installCommand } from '../../../src/lab/requirements.ts';

const status: LabStatus = {
  shape: { ...defaultShape, containersPerHost: 2 },
  hosts: [
    {
      name: 'host1',
      underlay: [parseIp('192.0.2.11')],
      subnets: [parsePrefix('10.2.57.0/24')],
      daemonPid: 4711,
      containers: [
        { name: 'host1/c1', addresses: [parseIp('10.2.57.2')] },
        { name: 'host1/c2', addresses: [parseIp('10.2.57.3')] },
      ],
    },
    {
      name: 'host2',
      underlay: [parseIp('192.0.2.12')],
      subnets: [],
      daemonPid: undefined,
      containers: [{ name: 'host2/c1', addresses: [] }],
    },
  ],
};

test('a new lab is a table with what to try next', () => {
  assert.equal(
    `\n${madeText(status, true)}\n`,
    `
The lab is up: 2 hosts at a switch, 2 containers on each
Backend vxlan, IPv4; registry dir

HOST   UNDERLAY    SUBNET        DAEMON       CONTAINERS
host1  192.0.2.11  10.2.57.0/24  pid 4711     host1/c1  10.2.57.2
                                              host1/c2  10.2.57.3
host2  192.0.2.12  -             not running  host2/c1  no address

Next:
  weft lab exec host1/c1 -- ping -c3 10.2.57.3  container to container
  weft lab exec host1 -- ip route               what host1's kernel knows of the others
  weft lab exec host1 -- weft doctor            is anything wrong there?
  tail -f /run/weft/lab/lab/host1/weft.log      what its daemon says
  weft lab down                                 take it all away
`,
  );
});

test('a lab of both families shows an address of each below the other, and what to look at', () => {
  const [first] = status.hosts;
  const dual: LabStatus = {
    shape: { ...defaultShape, hosts: 1, backend: 'udp', family: '46' },
    hosts: [
      {
        ...first,
        name: 'host1',
        underlay: [parseIp('192.0.2.11'), parseIp('2001:db8::11')],
        subnets: [parsePrefix('10.2.57.0/24'), parsePrefix('fd02:0:0:ab::/64')],
        daemonPid: 4711,
        containers: [{ name: 'host1/c1', addresses: [parseIp('10.2.57.2'), parseIp('fd02:0:0:ab::2')] }],
      },
    ],
  };
  assert.equal(
    `\n${madeText(dual, true)}\n`,
    `
The lab is up: 1 host at a switch, 1 container on each
Backend udp, IPv4 and IPv6; registry dir

HOST   UNDERLAY      SUBNET            DAEMON    CONTAINERS
host1  192.0.2.11    10.2.57.0/24      pid 4711  host1/c1  10.2.57.2
       2001:db8::11  fd02:0:0:ab::/64                      fd02:0:0:ab::2

Next:
  weft lab exec host1 -- ip route           flannel0 leads to all others, through the daemon
  weft lab exec host1 -- weft doctor        is anything wrong there?
  tail -f /run/weft/lab/lab/host1/weft.log  what its daemon says
  weft lab down                             take it all away
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
    { sent: 1, roundTripsMs: [0.1], ttl: undefined, failure: undefined },
    '1 sent, 1 received, 0 % lost, 0.100/0.100/0.100 ms',
  ],
  [
    { sent: 3, roundTripsMs: [], ttl: undefined, failure: 'no route' },
    '3 sent, 0 received, 100 % lost, no route',
  ],
] as const) {
  test(`a ping is told as ${text}`, () => assert.equal(pingText(noPaint, report), text));
}

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
