import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { ExtensionCarrier, type ExtensionCarrierOptions } from '../../../src/daemon/extension-carrier.ts';
import { systemClock } from '../../../src/sys/clock.ts';
import { identify } from '../../../src/sys/process.ts';
import { eventually } from '../../support/eventually.ts';
import { type ScriptFolder, scriptFolder } from '../../support/scripts.ts';
import { carried, commandsOf, rememberingLog } from './extension-house.ts';

/** Writes one line per run, `add 10.2.14.0/24 data`. */
const scribe = `read -r data; echo "$1 $SUBNET $data" >> "\${0%/*}/runs"`;

function open(
  t: TestContext,
  options: object,
  more: Partial<ExtensionCarrierOptions> = {},
): ExtensionCarrier {
  const retry = { firstMs: 1, maxMs: 20 };
  const carrier = new ExtensionCarrier({
    commands: commandsOf(options),
    log: rememberingLog(),
    clock: systemClock,
    random: () => 0.5,
    retry,
    ...more,
  });
  t.after(() => carrier.close());
  return carrier;
}

function scribes(folder: ScriptFolder): object {
  const script = folder.script('scribe', scribe);
  return { SubnetAddCommand: `${script} add`, SubnetRemoveCommand: `${script} remove` };
}

async function runsAre(folder: ScriptFolder, ...expected: readonly string[]): Promise<void> {
  const text = expected.map(line => `${line}\n`).join('');
  await eventually(`runs ${expected.join(', ')}`, () => folder.read('runs').length >= text.length);
  assert.equal(folder.read('runs'), text);
}

const [one, other] = [carried(14, 'one'), carried(14, 'other')];

test('a peer is added once, told of anew with the old taken back first, and removed', async t => {
  const folder = scriptFolder(t);
  const carrier = open(t, scribes(folder));
  carrier.change({ joined: [one], left: [] });
  await runsAre(folder, 'add 10.2.14.0/24 one');
  // As when the host is planned again: the same peer, left and joined.
  carrier.change({ joined: [carried(14, 'one')], left: [one] });
  carrier.change({ joined: [other], left: [one] });
  const changed = ['add 10.2.14.0/24 one', 'remove 10.2.14.0/24 one', 'add 10.2.14.0/24 other'];
  await runsAre(folder, ...changed);
  carrier.change({ joined: [], left: [other] });
  await runsAre(folder, ...changed, 'remove 10.2.14.0/24 other');
  carrier.change({ joined: [one], left: [] });
  await runsAre(folder, ...changed, 'remove 10.2.14.0/24 other', 'add 10.2.14.0/24 one');
});

test('the end takes no peer back, and the next start tells of all again', async t => {
  const folder = scriptFolder(t);
  for (const expected of [['add 10.2.14.0/24 one'], ['add 10.2.14.0/24 one', 'add 10.2.14.0/24 one']]) {
    const carrier = open(t, scribes(folder));
    carrier.change({ joined: [one], left: [] });
    await runsAre(folder, ...expected);
    await carrier.close();
    carrier.change({ joined: [], left: [one] });
    await runsAre(folder, ...expected);
  }
});

test('what fails is tried again until it works, and reported', async t => {
  const folder = scriptFolder(t);
  const log = rememberingLog();
  const script = folder.script('add', `echo try >> "\${0%/*}/tries"; echo not yet; test -e "\${0%/*}/go"`);
  const carrier = open(t, { SubnetAddCommand: script }, { log });
  carrier.change({ joined: [one], left: [] });
  await eventually('three tries', () => folder.read('tries').split('\n').length > 3);
  assert.equal(carrier.problem, undefined);
  folder.write('go', '');
  await eventually('one that works', () =>
    log.told.some(({ message }) => message === 'SubnetAddCommand has run'),
  );
  const failures = log.told.filter(({ level }) => level === 'error');
  assert.ok(failures.length >= 3);
  assert.match(failures[0]?.message ?? '', /SubnetAddCommand failed.*tried again/);
  assert.match(String(failures[0]?.fields['error']), /status 1: not yet/);
  assert.equal(failures[0]?.fields['peer'], '10.2.14.0/24');
});

test('news of a peer ends the wait for the next try', async t => {
  const folder = scriptFolder(t);
  const options = {
    SubnetAddCommand: folder.script(
      'add',
      `read -r data; echo "add $data" >> "\${0%/*}/runs"; test "$data" = other`,
    ),
    SubnetRemoveCommand: folder.script('remove', `read -r data; echo "remove $data" >> "\${0%/*}/runs"`),
  };
  const log = rememberingLog();
  const carrier = open(t, options, { log, retry: { firstMs: 1e9, maxMs: 1e9 } });
  carrier.change({ joined: [one], left: [] });
  await eventually('a failure', () => log.told.some(({ level }) => level === 'error'));
  carrier.change({ joined: [other], left: [one] });
  await runsAre(folder, 'add one', 'remove one', 'add other');
});

test('a removal that fails is reported, and keeps nobody from coming back', async t => {
  const folder = scriptFolder(t);
  const log = rememberingLog();
  const carrier = open(t, { ...scribes(folder), SubnetRemoveCommand: 'false' }, { log });
  carrier.change({ joined: [one], left: [] });
  await runsAre(folder, 'add 10.2.14.0/24 one');
  carrier.change({ joined: [other], left: [one] });
  await runsAre(folder, 'add 10.2.14.0/24 one', 'add 10.2.14.0/24 other');
  assert.deepEqual(
    log.told.filter(({ level }) => level === 'error').map(({ message }) => message),
    ['SubnetRemoveCommand failed'],
  );
});

test('many peers are told of side by side, eight at a time, each by one command', async t => {
  const folder = scriptFolder(t);
  const script = folder.script(
    'add',
    `cd "\${0%/*}"
mkdir -p running; mkdir "running/\${SUBNET%/*}" || echo twice >> wrong
ls running | wc -l >> counts
while ! test -e go; do sleep 0.02; done
rmdir "running/\${SUBNET%/*}"; echo "$SUBNET" >> done`,
  );
  const peers = Array.from({ length: 20 }, (_, index) => carried(100 + index));
  const carrier = open(t, { SubnetAddCommand: script });
  assert.equal(carrier.problem, undefined);
  carrier.change({ joined: peers, left: [] });
  assert.match(carrier.problem ?? '', /not been run yet for 20 peers/);
  const counts = (): number[] => folder.read('counts').trim().split('\n').map(Number);
  await eventually('eight at once', () => counts().length === 8);
  // Who leaves before it was told of needs no command.
  carrier.change({ joined: [], left: peers.slice(15) });
  folder.write('go', '');
  await eventually('the rest', () => folder.read('done').trim().split('\n').length === 15);
  await eventually('no problem', () => carrier.problem === undefined);
  assert.equal(Math.max(...counts()), 8);
  assert.equal(counts().length, 15);
  assert.equal(folder.read('wrong'), '');
});

test('changes while a command runs wait for it, and only the last of them counts', async t => {
  const folder = scriptFolder(t);
  const wait = `while ! test -e "\${0%/*}/go"; do sleep 0.02; done`;
  const script = folder.script('slow', `echo begun >> "\${0%/*}/begun"; ${wait}; ${scribe}`);
  const carrier = open(t, { SubnetAddCommand: `${script} add`, SubnetRemoveCommand: `${script} remove` });
  carrier.change({ joined: [one], left: [] });
  await eventually('the first', () => folder.read('begun') !== '');
  carrier.change({ joined: [other], left: [one] });
  carrier.change({ joined: [], left: [other] });
  carrier.change({ joined: [carried(14, 'last')], left: [] });
  folder.write('go', '');
  await runsAre(folder, 'add 10.2.14.0/24 one', 'remove 10.2.14.0/24 one', 'add 10.2.14.0/24 last');
});

test('the end ends what is running', async t => {
  const folder = scriptFolder(t);
  const carrier = open(t, {
    SubnetAddCommand: folder.script('hang', `echo $$ > "\${0%/*}/pid"; sleep 1000`),
  });
  carrier.change({ joined: [one], left: [] });
  const pid = await eventually('a pid', () => Number(folder.read('pid')) || undefined);
  await carrier.close();
  assert.equal(identify(pid), undefined);
});
