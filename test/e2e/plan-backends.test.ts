/** `weft plan` with every backend and family: empty after a join, and the way back from every damage. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { testScope } from '../support/leaks.ts';
import type { WeftHost } from '../support/weft-host.ts';
import { createUnderlay } from '../support/weft-underlay.ts';
import { createNetwork, type Family, kernelOf, makeRouter, type NetworkKind } from './backends-house.ts';
import { assertEmpty, commandsOf, eventuallyEmpty, execute, planOn } from './plan-house.ts';

const underlay = await createUnderlay(testScope({ after }));
before(() => makeRouter(underlay));

interface Backend extends Pick<NetworkKind, 'backend' | 'routed'> {
  readonly name: string;
  /** Of both families. */
  readonly devices: readonly string[];
}

const backends: readonly Backend[] = [
  { name: 'vxlan', backend: { Type: 'vxlan' }, devices: ['flannel.1', 'flannel-v6.1'] },
  {
    name: 'vxlan with DirectRouting',
    backend: { Type: 'vxlan', DirectRouting: true },
    routed: true,
    devices: ['flannel.1', 'flannel-v6.1'],
  },
  { name: 'host-gw', backend: { Type: 'host-gw' }, devices: [] },
  { name: 'udp', backend: { Type: 'udp' }, devices: ['flannel0'] },
  { name: 'alloc', backend: { Type: 'alloc' }, devices: [] },
];

for (const backend of backends) {
  for (const families of [[4], [6]] as const) {
    test(`${backend.name}, IPv${families[0]}: after a join the plan is empty on every host`, async t => {
      const { hosts } = await createNetwork(testScope(t), underlay, { ...backend, families });
      await Promise.all(hosts.map(host => host.join()));
      for (const host of hosts) await eventuallyEmpty(host);
    });
  }

  test(`${backend.name}, both families: the plan is empty, and after each single damage it closes the gap`, async t => {
    const { hosts } = await createNetwork(testScope(t), underlay, { ...backend, families: [4, 6] });
    const daemons = await Promise.all(hosts.map(host => host.join()));
    for (const host of hosts) await eventuallyEmpty(host);
    const [a] = hosts;
    await daemons[0]?.stop();
    await eventually("a's daemon to be gone", () => daemons[0]?.exit);
    await addForeign(a, backend.devices);
    await assertEmpty(a, 'what others have put there is not looked at');
    const whole = await factsOf(a);
    for (const [what, script] of [...damagesTo(backend), ...rulesDamages]) {
      await t.test(what, async () => {
        await a.run(['sh', '-ec', script]);
        const plan = await planOn(a);
        assert.equal(plan.code, 1, `${plan.text}${plan.stderr}`);
        assert.notDeepEqual(commandsOf(plan), [], plan.text);
        await execute(a, plan);
        await assertEmpty(a, plan.text);
      });
    }
    assert.deepEqual(await factsOf(a), whole, 'all is as the daemon had made it');
  });
}

/** In the middle of ours, but not ours. */
async function addForeign({ netns }: WeftHost, devices: readonly string[]): Promise<void> {
  await netns.ipBatch([
    'route add 10.2.200.0/24 via 192.0.2.10',
    'route add fd02:0:0:fff0::/64 via 2001:db8::a',
    ...devices.map((device, index) => `route add 10.77.${index}.0/24 dev ${device} proto static`),
  ]);
}

type Damage = readonly [what: string, script: string];

function damagesTo({ name, devices }: Backend): Damage[] {
  if (name === 'alloc') return [];
  if (name.includes('Direct'))
    return [...([4, 6] as const).flatMap(directDamages), ...deviceDamages('flannel.1')];
  const overDevices = devices.flatMap(deviceDamages);
  const direct = name === 'host-gw' ? ([4, 6] as const).flatMap(directDamages) : [];
  const onDevices = devices.flatMap(device =>
    familiesOf(device).flatMap(family =>
      device === 'flannel0' ? tunDamages : tunnelDamages(device, family),
    ),
  );
  return [...direct, ...onDevices, ...overDevices];
}

function familiesOf(device: string): readonly Family[] {
  if (device === 'flannel0') return [4];
  return device.includes('v6') ? [6] : [4];
}

function directDamages(family: Family): Damage[] {
  const first = `$(ip -${family} route show proto 87 | head -1 | cut -d' ' -f1)`;
  const gateway = family === 4 ? '192.0.2.10' : '2001:db8::a';
  return [
    [`a route of IPv${family} removed`, `ip -${family} route delete ${first}`],
    [
      `a route of IPv${family} to the wrong host`,
      `ip -${family} route replace ${first} via ${gateway} dev eth0`,
    ],
  ];
}

function tunnelDamages(device: string, family: Family): Damage[] {
  const route = `$(ip -${family} route show dev ${device} | grep onlink | head -1 | cut -d' ' -f1)`;
  const neighbour = `$(ip -${family} neigh show dev ${device} nud permanent | head -1 | cut -d' ' -f1)`;
  const mac = `$(bridge fdb show dev ${device} | grep dst | head -1 | cut -d' ' -f1)`;
  const gateway = family === 4 ? '192.0.2.10' : '2001:db8::a';
  return [
    [`${device}: a route removed`, `ip -${family} route delete ${route} dev ${device}`],
    [
      `${device}: a route that leads elsewhere`,
      `route=${route}; ip -${family} route delete $route; ip -${family} route add $route via ${gateway} dev eth0`,
    ],
    [`${device}: a neighbour removed`, `ip neigh delete ${neighbour} dev ${device}`],
    [
      `${device}: a neighbour with another MAC`,
      `ip neigh replace ${neighbour} lladdr 02:00:00:00:00:99 dev ${device} nud permanent`,
    ],
    [`${device}: an FDB entry removed`, `bridge fdb delete ${mac} dev ${device}`],
    [
      `${device}: an FDB entry that leads elsewhere`,
      `bridge fdb replace ${mac} dev ${device} dst ${gateway} self permanent`,
    ],
    [
      `${device}: an entry of a peer that has gone`,
      `bridge fdb append 02:00:00:00:00:77 dev ${device} dst ${gateway} self permanent`,
    ],
    [`${device}: another MAC`, `ip link set ${device} address 02:00:00:00:00:55`],
    [`${device}: made by somebody with another port`, remade(device)],
  ];
}

function remade(device: string): string {
  const vni = 1;
  return `ip link delete ${device}; ip link add ${device} type vxlan id ${vni} dev eth0 dstport 4789`;
}

const tunDamages: readonly Damage[] = [
  ['flannel0: the route removed', 'ip route delete 10.2.0.0/16 dev flannel0'],
  ['flannel0: the IPv6 route removed', 'ip -6 route delete fd02::/48 dev flannel0'],
];

function deviceDamages(device: string): Damage[] {
  return [
    [`${device}: another MTU`, `ip link set ${device} mtu 1300`],
    [`${device}: set down`, `ip link set ${device} down`],
    [`${device}: its addresses removed`, `ip address flush dev ${device} scope global`],
    [`${device} removed`, `ip link delete ${device}`],
  ];
}

const rulesDamages: readonly Damage[] = [
  ['the forward rules flushed', 'iptables -F FLANNEL-FWD'],
  ['the IPv6 forward rules flushed', 'ip6tables -F FLANNEL-FWD'],
];

/** All that stays the same however it was made. */
async function factsOf(host: WeftHost): Promise<readonly string[]> {
  const lines = await kernelOf(host);
  return lines
    .map(line =>
      line.replace(/^\d+: |ifindex \d+ |addrgenmode \S+ |vnet_hdr \S+ |numtxqueues .*/g, '').trim(),
    )
    .filter(line => !line.startsWith('10.77.'))
    .sort();
}
