/** Routes among an operator's, on a device that is not ours: what is made, replaced and removed there, in both families. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Host } from '../../src/backend/backend.ts';
import { createBackend } from '../../src/backend/backends.ts';
import { apply } from '../../src/kernel/apply.ts';
import { snapshot } from '../../src/kernel/snapshot.ts';
import type { Lease } from '../../src/lease/lease.ts';
import { diff } from '../../src/state/diff.ts';
import { keyOf, stateOf } from '../../src/state/kernel-object.ts';
import { testScope } from '../support/leaks.ts';
import { type Families, hostOf, peer } from '../unit/backend/hosts.ts';
import { linesOf, openSide, type Side } from './netlink-pair.ts';

const underlay = [
  'link add eth0 type veth peer name cable',
  'link set eth0 addrgenmode none',
  'link set cable addrgenmode none up',
  'link set eth0 up',
  'addr add 192.0.2.1/24 dev eth0',
  'addr add 2001:db8::1/64 dev eth0 nodad',
];

const operators = [
  'route add 10.2.77.0/24 via 192.0.2.77 dev eth0 proto static',
  'route add 10.2.78.0/24 via 192.0.2.78 dev eth0',
  'route add fd00:2:0:77::/64 via 2001:db8::77 dev eth0 proto static',
  'route add fd00:2:0:78::/64 via 2001:db8::78 dev eth0',
];

function of(type: string, number: number, host = number): Lease {
  const vtep = (family: number) => ({ VNI: 1, VtepMAC: `0a:00:00:00:0${family}:${host}` });
  const data = type === 'vxlan' ? { BackendData: vtep(4), BackendV6Data: vtep(6) } : {};
  const attrs = { BackendType: type, PublicIP: `192.0.2.${host}`, PublicIPv6: `2001:db8::${host}`, ...data };
  return peer(number, attrs, '46');
}

/** Brings the kernel to what this host and its peers need; gives the verbs of the steps that concern routes. */
async function follow({ socket }: Side, host: Host, peers: readonly Lease[]): Promise<string[]> {
  const { backend } = createBackend(host.config);
  const desired = stateOf([
    ...backend.planHost(host),
    ...peers
      .flatMap(lease => backend.planPeer(host, lease))
      .flatMap(part => (part.type === 'reached' ? part.objects : [])),
  ]);
  const devices = ['flannel.1', 'flannel-v6.1'];
  const look = async () => {
    const { state } = await snapshot(socket, devices, backend.borrows(host.external));
    // As a former backend's devices are, until they are retired.
    const isOurs = createBackend(vxlan.config).backend;
    return new Map(
      [...state].filter(
        ([key, object]) => desired.has(key) || backend.owns(host, object) || isOurs.owns(vxlan, object),
      ),
    );
  };
  const { done, failed } = await apply(socket, diff(desired, await look()));
  assert.deepEqual(
    failed.map(({ error }) => error.message),
    [],
  );
  assert.deepEqual(diff(desired, await look()), [], 'afterwards there is nothing to do');
  return done
    .filter(({ object }) => object.type === 'route')
    .map(({ verb, object }) => `${verb} ${keyOf(object)}`);
}

async function routesOf({ netns }: Side): Promise<string[]> {
  const text = (await netns.run('ip -4 route show')) + (await netns.run('ip -6 route show'));
  return linesOf(text)
    .filter(line => !line.includes('proto kernel'))
    .map(line => line.replace(/ metric 1024| pref medium| linkdown/g, '').trim())
    .sort();
}

const hostGw = hostOf({ Type: 'host-gw' }, '46');
const vxlan = hostOf({ Type: 'vxlan' }, '46');

function underlayRoutes(host: number): string[] {
  return [
    `10.2.14.0/24 via 192.0.2.${host} dev eth0 proto 87`,
    `fd00:2:0:14::/64 via 2001:db8::${host} dev eth0 proto 87`,
  ];
}

const tunnelRoutes = [
  '10.2.14.0/24 via 10.2.14.0 dev flannel.1 onlink',
  'fd00:2:0:14::/64 via fd00:2:0:14:: dev flannel-v6.1 onlink',
];

test("a gateway that changes is replaced, a vanished peer's route goes, and an operator's routes stay", async t => {
  const side = await openSide(testScope(t), 'host', [...underlay, ...operators]);
  const foreign = await routesOf(side);
  assert.equal(foreign.length, 4);
  await follow(side, hostGw, [of('host-gw', 14), of('host-gw', 15)]);
  assert.equal((await routesOf(side)).length, 8);
  const keys = ['route 254 10.2.14.0/24 0 0', 'route 254 fd00:2:0:14::/64 1024 0'];
  const others = ['route 254 10.2.15.0/24 0 0', 'route 254 fd00:2:0:15::/64 1024 0'];
  assert.deepEqual((await follow(side, hostGw, [of('host-gw', 14, 24)])).sort(), [
    ...others.map(key => `delete ${key}`),
    ...keys.map(key => `replace ${key}`),
  ]);
  assert.deepEqual(await routesOf(side), [...foreign, ...underlayRoutes(24)].sort());
  // As after the last peer has left, or a restart with another backend.
  await follow(side, hostOf({ Type: 'alloc' }, '46'), []);
  assert.deepEqual(await routesOf(side), foreign);
});

test("flanneld's routes to peers that are there are taken over", async t => {
  const flannels = [
    'route add 10.2.14.0/24 via 192.0.2.14 dev eth0',
    'route add fd00:2:0:14::/64 via 2001:db8::14 dev eth0',
  ];
  const side = await openSide(testScope(t), 'host', [...underlay, ...flannels]);
  const steps = await follow(side, hostGw, [of('host-gw', 14)]);
  assert.deepEqual(
    steps.map(step => step.split(' ')[0]),
    ['replace', 'replace'],
  );
  assert.deepEqual(await routesOf(side), underlayRoutes(14));
});

/** In order. */
const walks: ReadonlyArray<readonly [Families, readonly string[]]> = [
  ['4', ['vxlan', 'direct', 'vxlan', 'host-gw', 'vxlan', 'host-gw', 'direct', 'host-gw']],
  ['46', ['vxlan', 'direct', 'vxlan', 'host-gw', 'vxlan', 'host-gw', 'direct', 'host-gw']],
];
test('from one way to another each route is replaced where it is, and nothing of the other way stays', async t => {
  const scope = testScope(t);
  for (const [families, walk] of walks) {
    const side = await openSide(scope, families, underlay);
    const isOn = (route: string): boolean => families === '46' || !route.includes('fd00');
    for (const [index, way] of walk.entries()) {
      const type = way === 'host-gw' ? 'host-gw' : 'vxlan';
      const backend = way === 'direct' ? { Type: type, DirectRouting: true } : { Type: type };
      const steps = await follow(side, hostOf(backend, families), [of(type, 14)]);
      assert.ok(index === 0 || steps.every(step => step.startsWith('replace')), steps.join());
      const expected = way === 'vxlan' ? tunnelRoutes : underlayRoutes(14);
      assert.deepEqual(await routesOf(side), expected.filter(isOn), `${way} after ${walk[index - 1]}`);
      const entries = `${await side.netns.run('bridge fdb show')}${await side.netns.run('ip neigh show nud permanent')}`;
      assert.equal(/dst 192\.0\.2\.14|10\.2\.14\.0/.test(entries), way === 'vxlan', way);
      const entries6 = await side.netns.run('ip -6 neigh show nud permanent');
      assert.equal(entries6.includes('fd00:2:0:14::'), way === 'vxlan' && families === '46', way);
    }
  }
});
