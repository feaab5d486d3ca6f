/** The command itself: what it prints, writes and ends with, and what a packet that it sends is seen to do. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import type { Family } from '../../src/base/ip.ts';
import { silentLog } from '../../src/base/log.ts';
import type { Scope } from '../../src/base/scope.ts';
import { formatLeaseAttrs } from '../../src/lease/lease-attrs.ts';
import { openDirectoryRegistry } from '../../src/registry/directory.ts';
import { keyOfSubnet } from '../../src/registry/subnet-entries.ts';
import { systemClock } from '../../src/sys/clock.ts';
import { addressesOf, drawPlain, type House, openHouse, settled, traceIn } from '../kernel/trace-house.ts';
import { testScope } from '../support/leaks.ts';
import { type Said, temporaryFolder, weft } from './cli-weft.ts';

interface Place {
  readonly house: House;
  readonly folder: string;
  trace(...args: string[]): Promise<Said>;
}

const networks = {
  4: { Network: '10.2.0.0/16' },
  6: { EnableIPv4: false, EnableIPv6: true, IPv6Network: 'fd00:2::/48' },
} as const;

async function openPlace(scope: Scope, family: Family): Promise<Place> {
  const house = await openHouse(scope, { Type: 'vxlan' }, family);
  await answerThere(house, family);
  await settled(house);
  const folder = await temporaryFolder(scope);
  const registry = path.join(folder, 'registry');
  const store = await openDirectoryRegistry({
    path: registry,
    clock: systemClock,
    random: Math.random,
    log: silentLog,
  });
  await store.put('config', JSON.stringify({ ...networks[family], Backend: { Type: 'vxlan' } }));
  for (const { subnet, attrs } of house.network.leases)
    await store.put(keyOfSubnet(subnet), formatLeaseAttrs(attrs));
  await store.close();
  const trace = (...args: string[]) =>
    weft(['trace', '-registry', `dir:${registry}`, '-subnet-file', '/none', '-peer-port', '0', ...args], {
      enter: house.netns.enter,
    });
  return { house, folder, trace };
}

/** The other host, by hand, as flannel's article does it. */
async function answerThere({ there }: House, family: Family): Promise<void> {
  const four = family === 4;
  const [device, own, vtep] = four
    ? ['flannel.1', '192.0.2.14', '10.2.14.0']
    : ['flannel-v6.1', '2001:db8::14', 'fd00:2:0:14::'];
  const [peer, peerVtep, peerSubnet] = four
    ? ['192.0.2.1', '10.2.1.0', '10.2.1.0/24']
    : ['2001:db8::1', 'fd00:2:0:1::', 'fd00:2:0:1::/64'];
  const [bits, nodad] = four ? [32, ''] : [128, ' nodad'];
  await there.ipBatch([
    `addr add ${own}/${four ? 24 : 64} dev eth0${nodad}`,
    `link add ${device} address 0a:00:00:00:00:14 type vxlan id 1 dev eth0 local ${own} dstport 8472 nolearning`,
    `link set ${device} addrgenmode none up`,
    `addr add ${vtep}/${bits} dev ${device}${nodad}`,
    `addr add ${addressesOf[family].there}/${bits} dev lo${nodad}`,
    `neigh add ${peer} lladdr 02:00:00:00:00:01 dev eth0 nud permanent`,
    `neigh add ${peerVtep} lladdr 02:00:00:00:00:ff dev ${device} nud permanent`,
    `route add ${peerSubnet} via ${peerVtep} dev ${device} onlink`,
  ]);
  await there.run(`bridge fdb add 02:00:00:00:00:ff dev ${device} dst ${peer} self permanent`);
}

test('weft trace prints the drawing and ends with 0, and with 1 where the way is broken', async t => {
  const { house, trace } = await openPlace(testScope(t), 4);
  const { there, container } = addressesOf[4];
  const whole = await trace('-from', container, there);
  assert.deepEqual(whole, {
    code: 0,
    stdout: `${drawPlain(await traceIn(house, there, container))}\n`,
    stderr: '',
  });
  await house.netns.run('ip neigh del 10.2.14.0 dev flannel.1');
  const { code, stdout } = await trace(there);
  assert.equal(code, 1);
  assert.match(
    stdout,
    /✖ neighbour .*\n[\s\S]*what to do:\n {2}ip neigh add 10\.2\.14\.0 lladdr 0a:00:00:00:00:14 dev flannel\.1 nud permanent\n$/,
  );
});

test('weft trace -json says the same in a documented form, and -svg writes a picture that needs nothing else', async t => {
  const { house, folder, trace } = await openPlace(testScope(t), 4);
  const { there } = addressesOf[4];
  const file = path.join(folder, 'trace.svg');
  const { code, stdout } = await trace('-json', '-svg', file, there);
  assert.equal(code, 0);
  const told = JSON.parse(stdout);
  assert.equal(told.version, 1);
  const expected = JSON.parse(JSON.stringify(await traceIn(house, there)));
  assert.deepEqual({ ...told, version: undefined }, { ...expected, version: undefined });
  const picture = await readFile(file, 'utf8');
  assert.match(picture, /^<svg xmlns="http:\/\/www.w3.org\/2000\/svg"/);
  assert.doesNotMatch(picture.replace('http://www.w3.org/2000/svg', ''), /https?:|<script|url\(|href/);
  for (const entry of ['10.2.14.0/24 via 10.2.14.0 dev flannel.1 onlink', 'VNI 1', '192.0.2.14'])
    assert.ok(picture.includes(entry), entry);
});

test('without the registry this half is there, and what is not known is said', async t => {
  const { house } = await openPlace(testScope(t), 4);
  const { code, stdout } = await weft(
    ['trace', '-etcd-endpoints', 'http://127.0.0.1:1', '-subnet-file', '/none', addressesOf[4].there],
    { enter: house.netns.enter },
  );
  assert.equal(code, 0);
  assert.match(stdout, /● FDB entry {3}0a:00:00:00:00:14 dev flannel\.1 dst 192\.0\.2\.14 self permanent/);
  assert.match(stdout, /\? host +the other half is not known/);
});

for (const family of [4, 6] as const) {
  test(`weft trace -live shows where its packet was last seen, over IPv${family}`, async t => {
    const { house, trace } = await openPlace(testScope(t), family);
    const { there } = addressesOf[family];
    const device = family === 4 ? 'flannel.1' : 'flannel-v6.1';
    const ms = '\\d+\\.\\d{3} ms';
    const answered = await trace('-live', there);
    assert.match(
      answered.stdout,
      new RegExp(
        `● ${device} +seen after ${ms}, its answer after ${ms}\n  ● eth0 +seen after ${ms}, its answer after ${ms}\n  answered\n$`,
      ),
      answered.stdout,
    );
    await house.there.ipBatch([`link set ${device} down`]);
    assert.match(
      (await trace('-live', there)).stdout,
      /● eth0 +seen after [^,]*\n {2}it left this host by eth0, and no answer came/,
    );
    await house.netns.run(`bridge fdb del 0a:00:00:00:00:14 dev ${device}`);
    assert.match(
      (await trace('-live', there)).stdout,
      new RegExp(`last seen at ${device}, not seen at eth0`),
    );
  });
}

test('what is asked wrongly ends with 2, and what cannot be traced from here with 1', async t => {
  const { trace } = await openPlace(testScope(t), 4);
  const { there, container } = addressesOf[4];
  const wrong: ReadonlyArray<readonly [readonly string[], number, RegExp]> = [
    [[], 2, /expected an ADDRESS/],
    [['10.2.14'], 2, /ADDRESS: expected an IPv4 or IPv6 address/],
    [['-from', 'fd00::1', there], 2, /not of one family/],
    [[there, container], 2, /unexpected argument/],
    [['-svg', '-', '-json', there], 2, /both a picture and JSON/],
    [['-from', there, container], 1, /neither this host nor a container of it/],
  ];
  for (const [args, code, message] of wrong) {
    const said = await trace(...args);
    assert.equal(said.code, code, said.stderr);
    assert.match(said.stderr, message);
  }
});
