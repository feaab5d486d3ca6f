/** One daemon for each device in each network namespace, however the last one ended. */
import assert from 'node:assert/strict';
import process from 'node:process';
import { test } from 'node:test';
import { acquireInstanceLock } from '../../src/daemon/instance-lock.ts';
import { inNetns } from '../../src/sys/netns.ts';
import { claimUnixName, heldUnixNames, holderOfUnixName } from '../../src/sys/unix-name.ts';
import { testScope } from '../support/leaks.ts';
import { createNetns, type Netns } from '../support/netns.ts';

const script = `
import { acquireInstanceLock } from './src/daemon/instance-lock.ts';
acquireInstanceLock('flannel.1');
console.log('locked');
setInterval(() => {}, 1000);`;

const locked = async (netns: Netns) => {
  const argv = [process.execPath, '--input-type=module-typescript', '-e', script];
  const daemon = await netns.start(argv);
  await daemon.waitForOutput(/locked/);
  return daemon;
};

test('a second daemon is refused and told who is the first, be it stopped; after kill -9 it is let in', async t => {
  const netns = await createNetns(testScope(t), 'host');
  const first = await locked(netns);
  first.signal('SIGSTOP');
  const second = () => inNetns(netns.path, () => acquireInstanceLock('flannel.1'));
  assert.throws(second, {
    code: 'already-running',
    message: new RegExp(`^another daemon has flannel\\.1 of this host in hand: pid ${first.pid}, .*node`),
    remedy: `stop it first: kill ${first.pid}`,
  });
  inNetns(netns.path, () => acquireInstanceLock('flannel.2')).close();
  await first.kill();
  const lock = second();
  assert.throws(second, { code: 'already-running', message: new RegExp(`pid ${process.pid},`) });
  lock.close();
  lock.close();
  second().close();
});

test('daemons of two network namespaces do not meet', async t => {
  const scope = testScope(t);
  const [a, b] = [await createNetns(scope, 'a'), await createNetns(scope, 'b')];
  await locked(a);
  await locked(b);
});

test('names are held until they are given back, and are listed meanwhile', () => {
  const start = `weft-test-${process.pid}/`;
  const held = ['one', 'two words', 'ü'].map(name => claimUnixName(start + name));
  assert.ok(held.every(Boolean));
  assert.equal(claimUnixName(`${start}one`), undefined);
  assert.equal(holderOfUnixName(`${start}two words`), process.pid);
  assert.deepEqual(
    heldUnixNames(start).sort(),
    ['one', 'two words', 'ü'].map(name => start + name),
  );
  for (const name of held) name?.close();
  assert.deepEqual(heldUnixNames(start), []);
  assert.equal(holderOfUnixName(`${start}one`), undefined);
  for (const name of ['', 'a\0b', 'x'.repeat(108)]) {
    assert.throws(() => claimUnixName(name), { code: 'unix-name-invalid' });
  }
  claimUnixName('x'.repeat(107))?.close();
});
