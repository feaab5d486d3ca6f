import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { parseIp } from '../../../src/base/ip.ts';
import { parseMac } from '../../../src/base/mac.ts';
import { type Plan, type PlanForm, renderPlan } from '../../../src/cli/plan-text.ts';
import { type Step, stepOf } from '../../../src/state/diff.ts';

const form: PlanForm = {
  columns: 60,
  breakCommands: true,
  paint: { quiet: text => text, good: text => text },
};
const add: Step = stepOf({
  verb: 'add',
  object: {
    type: 'fdb',
    value: { dev: 'flannel.1', lladdr: parseMac('0a:1b:2c:3d:4e:5f'), dst: parseIp('192.0.2.2') },
  },
});
const empty: Plan = {
  ...{ network: undefined, netns: undefined, peers: 1, objects: 5, steps: [], firewalls: [], remarks: [] },
};

test('an empty plan is one line, and one peer is no peers', () => {
  assert.equal(renderPlan(empty, form), '# nothing to do: 1 peer, 5 objects are as they shall be');
});

test('whatever is no command is a comment on each of its lines, however long and odd', () => {
  const remarks = [
    `a remark that is much longer than a line, with \n a break and \u001b[2J, ${'and so on '.repeat(9)}`,
  ];
  const unread = 'iptables-save ended\nbadly';
  const firewalls = [{ engine: 'iptables', differences: [], commands: [], unread } as const];
  const text = renderPlan({ ...empty, remarks, firewalls }, form);
  for (const line of text.split('\n')) {
    assert.match(line, /^# /);
    assert.ok(line.length <= 60, line);
  }
});

test('a command that is longer than a line is broken as a shell puts it together again', () => {
  const lines = renderPlan({ ...empty, steps: [add] }, form).split('\n');
  const script = lines.map(line => line.replace('bridge', 'echo bridge')).join('\n');
  assert.ok(
    lines.every(line => line.length <= 60),
    script,
  );
  assert.equal(
    execFileSync('sh', ['-ec', script], { encoding: 'utf8' }),
    'bridge fdb replace 0a:1b:2c:3d:4e:5f dev flannel.1 dst 192.0.2.2 self permanent\n',
  );
  const unbroken = renderPlan({ ...empty, steps: [add] }, { ...form, breakCommands: false });
  assert.equal(
    unbroken.split('\n')[1],
    'bridge fdb replace 0a:1b:2c:3d:4e:5f dev flannel.1 dst 192.0.2.2 self permanent',
  );
});

test('runs of one kind have one heading, and the last line counts', () => {
  const lines = renderPlan(
    { ...empty, steps: [add, add, { ...add, verb: 'delete' }] },
    { ...form, columns: 100 },
  ).split('\n');
  assert.deepEqual(
    lines.filter(line => line.startsWith('#')),
    ['# missing', '# left over', '# 2 to add, 0 to change, 1 to remove; 1 peer'],
  );
});
