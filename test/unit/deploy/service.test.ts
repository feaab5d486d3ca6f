/** The systemd unit, judged by systemd's own tools; what its user can do is tried in test/e2e/privilege.test.ts. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { CommandError, run } from '../../support/command.ts';

const root = path.join(import.meta.dirname, '../../..');
const unit = readFileSync(path.join(root, 'deploy/weft.service'), 'utf8');
const installed = '/opt/weft/bin/weft';

/** Writes the unit as it would be with the package where it is now, and asks systemd-analyze about it. */
async function analyse(t: TestContext, text: string, ...question: string[]): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'unit-'));
  t.after(() => rm(folder, { recursive: true }));
  const file = path.join(folder, 'weft.service');
  writeFileSync(file, text.replaceAll(installed, path.join(root, 'bin/weft')));
  // What verify finds odd but not fatal goes to stderr only.
  return await run(['sh', '-c', '"$@" 2>&1', 'sh', 'systemd-analyze', ...question, file]);
}

test('systemd accepts the unit without a remark', async t => {
  assert.equal(await analyse(t, unit, 'verify'), '');
});

test('systemd would have told a mistake', async t => {
  assert.match(await analyse(t, unit.replace('ProtectHome=', 'ProtectHomes='), 'verify'), /ProtectHomes/);
  const elsewhere = unit.replaceAll(installed, '/nowhere/weft');
  await assert.rejects(analyse(t, elsewhere, 'verify'), /nowhere\/weft is not executable/);
});

/** 2.0 by systemd 252; other versions count a little otherwise. */
test('its exposure is below 3 of 10', async t => {
  const security = ['security', '--offline=yes', '--no-pager', '--threshold=29'];
  assert.match(await analyse(t, unit, ...security), /Overall exposure level for weft\.service: [012]\.\d OK/);
  const open = unit.replace(/^(Protect|Restrict).*\n/gm, '');
  await assert.rejects(analyse(t, open, ...security), CommandError);
});

test('the unit may do what the daemon needs, and what the documentation says of it is what it says', () => {
  const settings = new Map(
    [...unit.matchAll(/^(\w+)=(.*)$/gm)].map(([, key = '', value = '']) => [key, value]),
  );
  const needed = {
    AmbientCapabilities: 'CAP_NET_ADMIN',
    CapabilityBoundingSet: 'CAP_NET_ADMIN',
    RestrictAddressFamilies: 'AF_INET AF_INET6 AF_NETLINK AF_UNIX',
    RuntimeDirectory: 'flannel',
    RuntimeDirectoryPreserve: 'yes',
    TimeoutStartSec: 'infinity',
    Type: 'notify',
    User: 'weft',
  };
  for (const [key, value] of Object.entries(needed)) assert.equal(settings.get(key), value, key);
  for (const harmful of ['MemoryDenyWriteExecute', 'ProtectKernelTunables', 'ProcSubset', 'DynamicUser']) {
    assert.ok(!settings.has(harmful), harmful);
  }
  const page = readFileSync(path.join(root, 'docs/operations.md'), 'utf8');
  for (const key of [
    'MemoryDenyWriteExecute',
    'ProtectKernelTunables',
    'RuntimeDirectoryPreserve',
    installed,
  ]) {
    assert.ok(page.includes(key), key);
  }
});
