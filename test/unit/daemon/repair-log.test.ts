import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import process from 'node:process';
import { test } from 'node:test';
import { parseIp } from '../../../src/base/ip.ts';
import type { Log } from '../../../src/base/log.ts';
import { parseMac } from '../../../src/base/mac.ts';
import { parsePrefix } from '../../../src/base/prefix.ts';
import { RepairLog, tellsOfRepair } from '../../../src/daemon/repair-log.ts';
import { type Step, stepOf } from '../../../src/state/diff.ts';
import { keyOf } from '../../../src/state/kernel-object.ts';

type Line = readonly [level: string, message: string, fields: object];

function recorder(): { readonly log: Log; readonly lines: Line[] } {
  const lines: Line[] = [];
  const at =
    (level: string) =>
    (fields: object, message: string): void =>
      void lines.push([level, message, fields]);
  return { log: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }, lines };
}

const dev = 'flannel.1';

function route(octet: number): Step {
  const gateway = parseIp(`10.2.${octet}.0`);
  return stepOf({
    verb: 'add',
    object: { type: 'route', value: { dst: parsePrefix(`10.2.${octet}.0/24`), gateway, dev, onlink: true } },
  });
}

const neighbour = stepOf({
  verb: 'replace',
  object: {
    type: 'neighbour',
    value: { dev, dst: parseIp('10.2.14.0'), lladdr: parseMac('0a:00:00:00:00:0e'), state: 'permanent' },
  },
  differences: [{ field: 'lladdr', desired: '0a:00:00:00:00:0e', actual: '02:00:00:00:00:99', fixed: false }],
});

/** One that has told of the start already. */
function started(): { readonly repairs: RepairLog; readonly lines: Line[] } {
  const { log, lines } = recorder();
  const repairs = new RepairLog(log, { wallMs: () => 1000 });
  repairs.tell([], new Set());
  return { repairs, lines };
}

test('what is done at the start, and what was asked for, is no repair', () => {
  const { log, lines } = recorder();
  const repairs = new RepairLog(log, { wallMs: () => 1000 });
  repairs.tell([route(14)], new Set());
  repairs.tell([route(15)], new Set([keyOf(route(15).object)]));
  assert.deepEqual([...new Set(lines.map(([level]) => level))], ['debug']);
  assert.equal(repairs.counts.size, 0);
});

test('a repair is told as the command that equals it, with what was wrong', () => {
  const { repairs, lines } = started();
  repairs.tell([route(14), neighbour], new Set());
  assert.deepEqual(lines, [
    ['warn', 'repaired: ip route add 10.2.14.0/24 via 10.2.14.0 dev flannel.1 onlink', {}],
    [
      'warn',
      'repaired: ip neigh replace 10.2.14.0 lladdr 0a:00:00:00:00:0e dev flannel.1 nud permanent',
      { reason: 'lladdr is 02:00:00:00:00:99, shall be 0a:00:00:00:00:0e' },
    ],
  ]);
  assert.deepEqual(
    [...repairs.counts],
    [
      ['route', 1],
      ['neighbour', 1],
    ],
  );
});

test('more than ten repairs at once are told as a number', () => {
  const { repairs, lines } = started();
  repairs.tell(
    Array.from({ length: 11 }, (_, octet) => route(octet + 1)),
    new Set(),
  );
  assert.deepEqual(lines, [['warn', 'repaired what somebody changed', { entries: 11 }]]);
  assert.equal(repairs.counts.get('route'), 11);
});

test('who did it is named by process id and command, even when it is gone by then', async () => {
  const child = spawn('sleep', ['60']);
  await once(child, 'spawn');
  const { repairs, lines } = started();
  repairs.suspect(keyOf(route(14).object), child.pid ?? 0);
  child.kill('SIGKILL');
  await once(child, 'exit');
  repairs.suspect(keyOf(route(15).object), child.pid ?? 0);
  repairs.tell([route(14)], new Set());
  repairs.tell([route(15)], new Set());
  repairs.tell([route(14)], new Set());
  assert.deepEqual(
    lines.map(([, , fields]) => fields),
    [{ by: `pid ${child.pid} (sleep)` }, { by: `pid ${child.pid}` }, {}],
  );
});

test('who changed many things at once is named once', () => {
  const { repairs, lines } = started();
  const steps = Array.from({ length: 40 }, (_, octet) => route(octet + 1));
  for (const step of steps) repairs.suspect(keyOf(step.object), 4_000_000);
  repairs.tell(steps, new Set());
  assert.deepEqual(lines, [['warn', 'repaired what somebody changed', { entries: 40, by: 'pid 4000000' }]]);
});

test('the kernel itself, this process, and ports that are no process ids are no suspects', () => {
  const { repairs, lines } = started();
  for (const port of [0, process.pid, 0xffff_ee01]) repairs.suspect(keyOf(route(14).object), port);
  repairs.tell([route(14)], new Set());
  assert.deepEqual(lines[0]?.[2], {});
});

test('who was named last is remembered, when a later notice of the same damage names nobody', () => {
  const { repairs, lines } = started();
  repairs.suspect(keyOf(neighbour.object), 4_000_000);
  repairs.suspect(keyOf(neighbour.object), 0);
  repairs.tell([neighbour], new Set());
  assert.match(JSON.stringify(lines), /"by":"pid 4000000"/);
});

test('a complaint names the repair, the reason, the other, and how long it waits', () => {
  const { repairs, lines } = started();
  repairs.complain(neighbour, 100);
  repairs.suspect(keyOf(neighbour.object), 4_000_000);
  repairs.complain(neighbour, 100);
  const fields = {
    repair: 'ip neigh replace 10.2.14.0 lladdr 0a:00:00:00:00:0e dev flannel.1 nud permanent',
    reason: 'lladdr is 02:00:00:00:00:99, shall be 0a:00:00:00:00:0e',
    retryInMs: 100,
  };
  const message = 'something keeps changing what is ours: repairing it more and more slowly';
  assert.deepEqual(lines, [
    ['warn', message, { ...fields, by: 'unknown' }],
    ['warn', message, { ...fields, by: 'pid 4000000' }],
  ]);
});

test('the last repairs are kept to be asked for, the newest first, and no more than twenty', () => {
  const { repairs, lines } = started();
  repairs.suspect(keyOf(neighbour.object), 4_000_000);
  repairs.tell([route(1), neighbour], new Set());
  const [first, second] = repairs.last;
  assert.deepEqual(first, {
    atMs: 1000,
    command: 'ip neigh replace 10.2.14.0 lladdr 0a:00:00:00:00:0e dev flannel.1 nud permanent',
    reason: 'lladdr is 02:00:00:00:00:99, shall be 0a:00:00:00:00:0e',
    by: 'pid 4000000',
  });
  assert.deepEqual([second?.command.slice(0, 24), second?.by], ['ip route add 10.2.1.0/24', undefined]);
  repairs.tell(
    Array.from({ length: 30 }, (_, octet) => route(octet + 1)),
    new Set(),
  );
  assert.equal(repairs.last.length, 20);
  assert.match(repairs.last[0]?.command ?? '', /10\.2\.30\.0\/24/);
  assert.match(repairs.last[19]?.command ?? '', /10\.2\.11\.0\/24/);
  repairs.tellCommand('link', 'ip link set flannel.9 name flannel.1');
  assert.equal(repairs.last[0]?.command, 'ip link set flannel.9 name flannel.1');
  assert.equal(repairs.counts.get('link'), 1);
  assert.ok(lines.every(([, message]) => tellsOfRepair(message)));
  assert.ok(!tellsOfRepair('something keeps changing what is ours'));
});
