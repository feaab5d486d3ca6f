import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { firewallRules } from '../../../src/doctor/checks/firewall-rules.ts';
import type { Scene } from '../../../src/doctor/scene.ts';

test('rules of a daemon that masquerades are not wrong because doctor was not given -ip-masq', async t => {
  const folder = await mkdtemp(path.join(tmpdir(), 'weft-flags-'));
  t.after(() => rm(folder, { recursive: true }));
  const subnetFile = path.join(folder, 'subnet.env');
  const differences = ['chain FLANNEL-POSTRTG is left over'];
  const plan = { engine: 'iptables', differences: [...differences, 'a jump is odd'], commands: ['rm'] };
  const look = async (ipMasq: boolean) =>
    [
      await firewallRules.look({
        options: { subnetFile, ipMasq, iptablesForwardRules: true },
        plan: async () => ({ firewalls: [plan] }),
      } as unknown as Scene),
    ].flat();
  assert.equal((await look(false))[0]?.verdict, 'fail', 'nothing is written');
  await writeFile(subnetFile, 'FLANNEL_IPMASQ=true\n');
  const [finding] = await look(false);
  assert.equal(finding?.verdict, 'skip');
  assert.match(finding?.text ?? '', /runs with -ip-masq, as .* says: give doctor the same flags$/);
  assert.equal((await look(true))[0]?.verdict, 'fail');
});
