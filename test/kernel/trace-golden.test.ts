/**
 * The drawing of every backend's way, healthy and with each single entry taken away, as in test/golden/trace; and what a
 * trace says should be done is done, as printed, and mends it. WEFT_GOLDEN=write writes the files anew, to be read.
 */
import assert from 'node:assert/strict';
import { closeSync, readFileSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import { test } from 'node:test';
import type { Family } from '../../src/base/ip.ts';
import { attachTun } from '../../src/sys/tun.ts';
import { culpritOf, type Trace } from '../../src/trace/hop.ts';
import { eventually } from '../support/eventually.ts';
import { testScope } from '../support/leaks.ts';
import { type Damage, directDamages, thereDamages, udpDamages, vxlanDamages } from './trace-damages.ts';
import { addressesOf, arrivalIn, drawPlain, type House, openHouse, settled, traceIn } from './trace-house.ts';

type Backend = Parameters<typeof openHouse>[1];

const ways: ReadonlyArray<readonly [string, Backend, (family: Family) => Damage[]]> = [
  ['vxlan', { Type: 'vxlan' }, vxlanDamages],
  ['direct-routing', { Type: 'vxlan', DirectRouting: true }, directDamages],
  ['host-gw', { Type: 'host-gw' }, directDamages],
  ['udp', { Type: 'udp' }, udpDamages],
];

for (const [name, backend, damagesOf] of ways) {
  for (const family of [4, 6] as const) {
    test(`${name} over IPv${family} is drawn as it is, and mended as printed`, async t => {
      const scope = testScope(t);
      const house = await openHouse(scope, backend, family);
      if (backend.Type === 'udp') {
        const tun = attachTun({ name: 'flannel0', netns: house.netns.path, offloads: false });
        scope.defer('the TUN device', () =>
          closeSync(tun?.fd ?? assert.fail('flannel0 could not be attached')),
        );
      }
      await settled(house);
      const texts = await healthy(house, family);
      for (const damage of damagesOf(family)) {
        const from = damage.from === 'container' ? addressesOf[family].container : undefined;
        const look = () => traceIn(house, addressesOf[family].there, from);
        texts.push(...(await harmed(house, damage, look)));
      }
      const file = `test/golden/trace/${name}-ipv${family}.txt`;
      assertGolden(file, texts);
    });
    if (name === 'udp') continue;
    test(`${name} over IPv${family} is drawn as the host sees it that the packets arrive at`, async t => {
      const house = await openHouse(testScope(t), backend, family);
      await settled(house);
      const look = () => arrivalIn(house, family);
      const texts = [heading('healthy'), drawPlain(await look())];
      for (const damage of thereDamages(family, name === 'vxlan'))
        texts.push(...(await harmed(house, damage, look)));
      assertGolden(`test/golden/trace/there-${name}-ipv${family}.txt`, texts);
    });
  }
}

function assertGolden(file: string, texts: readonly string[]): void {
  const text = `${texts.join('\n\n')}\n`;
  if (process.env['WEFT_GOLDEN'] === 'write') writeFileSync(file, text);
  assert.equal(text, readFileSync(file, 'utf8'));
  const long = text.split('\n').filter(line => line.length > 80);
  assert.deepEqual(long, [], 'no line is too long');
}

async function healthy(house: House, family: Family): Promise<string[]> {
  const { there, container, nobody, outside } = addressesOf[family];
  const vtep = there.slice(0, -1).replace(/\.$/, '.0');
  const questions: ReadonlyArray<readonly [string, string, string?]> = [
    ['healthy, from this host', there],
    ['healthy, from a container', there, container],
    ['to the first address of the other host', vtep],
    ['to a container of this host', container],
    ['to an address that nobody leases', nobody],
    ['from a container to the outside', outside, container],
  ];
  const texts: string[] = [];
  for (const [title, to, from] of questions)
    texts.push(heading(title), drawPlain(await traceIn(house, to, from)));
  return texts;
}

async function harmed(
  house: House,
  { name, harm, undo }: Damage,
  look: () => Promise<Trace>,
): Promise<string[]> {
  const before = drawPlain(await look());
  await execute(house, harm);
  const trace = await look();
  const drawn = drawPlain(trace);
  assert.notEqual(drawn, before, `${name}: it shows`);
  const commands = culpritOf(trace.hops)?.remedy?.commands ?? [];
  await execute(house, commands);
  if (commands.length > 0) {
    await eventually(
      `${name}: mended by ${commands.join('; ')}`,
      async () => (await look()).verdict !== trace.verdict,
    );
  }
  await execute(house, undo ?? []);
  // The rule and route of others that a remedy left, because they are no longer in the way.
  await house.netns.run([
    'sh',
    '-c',
    'ip route flush table 70 2>/dev/null; ip -6 route flush table 70 2>/dev/null; true',
  ]);
  await settled(house);
  await eventually(
    `${name}: all is as before`,
    async () => assert.equal(drawPlain(await look()), before) ?? true,
  );
  return [heading(name), drawn];
}

async function execute({ netns }: House, lines: readonly string[]): Promise<void> {
  for (const line of lines) await netns.run(['sh', '-c', line]);
}

function heading(title: string): string {
  return `## ${title}`;
}
