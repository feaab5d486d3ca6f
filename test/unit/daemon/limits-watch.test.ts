import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLog } from '../../../src/base/log.ts';
import { LimitsWatch } from '../../../src/daemon/limits-watch.ts';
import type { KernelFacts } from '../../../src/state/kernel-limits.ts';

interface Watched {
  readonly watch: LimitsWatch;
  /** Each warning, and what to do about it. */
  readonly told: string[];
  looks: number;
}

/** A network whose hosts are all on one link, where the kernel keeps 1024 IPv4 neighbours. */
function watched(facts: Partial<KernelFacts> = {}): Watched {
  const told: string[] = [];
  const all = {
    release: '6.18.0',
    neighbours: { 4: 1024, 6: undefined },
    ipv6Routes: undefined,
    receiveBufferBytes: undefined,
    ...facts,
  };
  let hosts = 0;
  const warn = (fields: object, message: string): void => {
    told.push(`${message}: ${'remedy' in fields ? fields.remedy : ''}`);
  };
  const watch = new LimitsWatch({
    log: { ...silentLog, warn },
    demand: () => {
      one.looks++;
      return { peers: { 4: hosts, 6: 0 }, near: { 4: hosts, 6: 0 } };
    },
    facts: () => all,
  });
  const take = watch.take.bind(watch);
  watch.take = peers => {
    hosts = peers;
    take(peers);
  };
  const one: Watched = { watch, told, looks: 0 };
  return one;
}

test('a network that grows is warned about once, before the limit is reached, with what to set', () => {
  const one = watched();
  let warnedAt: number | undefined;
  for (let hosts = 1; hosts <= 3000; hosts++) {
    one.watch.take(hosts);
    if (one.told.length > 0) warnedAt ??= hosts;
  }
  assert.ok(warnedAt !== undefined && warnedAt >= 820 && warnedAt < 1024, `warned at ${warnedAt}`);
  assert.equal(one.told.length, 1);
  assert.match(
    one.told[0] ?? '',
    /^the network wants \d+ IPv4 neighbours of this kernel, which allows 1024, then packets to further hosts are dropped: sysctl -w net\.ipv4\.neigh\.default\.gc_thresh3=2048 net\.ipv4\.neigh\.default\.gc_thresh2=1024 \(and the same in \/etc\/sysctl\.d, to last\)$/,
  );
});

test('peers that come one by one, and come and go, cost a look for each tenth more of them', () => {
  const one = watched();
  for (let hosts = 1; hosts <= 60_000; hosts++) one.watch.take(hosts);
  const looks = one.looks;
  assert.ok(looks > 10 && looks < 80, `${looks} looks`);
  for (let round = 0; round < 1000; round++) one.watch.take(60_000 - (round % 2));
  assert.equal(one.looks, looks);
});

test('a network that is there at once is judged at once; a small one and a kernel that tells nothing never', () => {
  const large = watched();
  large.watch.take(10_000);
  assert.equal(large.told.length, 1);
  const small = watched({ neighbours: { 4: 8, 6: 8 } });
  small.watch.take(50);
  assert.equal(small.looks, 0);
  const silent = watched({ neighbours: { 4: undefined, 6: undefined } });
  silent.watch.take(60_000);
  assert.deepEqual(silent.told, []);
});
