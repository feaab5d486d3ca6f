import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { silentLog } from '../../../src/base/log.ts';
import { NetworkArbiter } from '../../../src/daemon/network-arbiter.ts';
import { parseNetworkConfig } from '../../../src/lease/network-config.ts';
import type { ConfigEvent } from '../../../src/registry/config-watch.ts';
import { openMemoryRegistry } from '../../../src/registry/memory.ts';
import { scopedRegistry } from '../../../src/registry/scoped.ts';
import { systemClock } from '../../../src/sys/clock.ts';
import { eventually } from '../../support/eventually.ts';
import { testScope } from '../../support/leaks.ts';

const config = (vni: number, network: string) =>
  JSON.stringify({ Network: network, Backend: { Type: 'vxlan', VNI: vni } });
const parsed = (vni: number, network: string) => parseNetworkConfig(config(vni, network)).config;

type Allowed = ReadonlyArray<readonly [string, string]>;

async function court(t: TestContext, netns: Readonly<Record<string, string>> = {}, allowed: Allowed = []) {
  const scope = testScope(t);
  const whole = scope.own('registry', openMemoryRegistry({ clock: systemClock }));
  const networks = ['red', 'blue'].map(name => ({
    ...{ name, netns: netns[name] },
    registry: scopedRegistry(whole, name),
  }));
  const arbiter = new NetworkArbiter({
    ...{ networks, allowed, log: silentLog, clock: systemClock, random: Math.random },
    signal: scope.signal,
  });
  const running = arbiter.run();
  scope.defer('arbiter', () => running);
  const told = (name: string): ConfigEvent[] => {
    const events: ConfigEvent[] = [];
    const following = (async () => {
      for await (const event of arbiter.follow(name, scope.signal)) events.push(event);
    })();
    scope.defer(name, () => following);
    return events;
  };
  const last = async (events: ConfigEvent[], what: RegExp) =>
    await eventually(`${what}`, () => what.test(wordOf(events.at(-1))));
  return { scope, whole, arbiter, told, last };
}

const apart = { red: '/run/netns/red', blue: '/run/netns/blue' };

function wordOf(event: ConfigEvent | undefined): string {
  if (event?.type === 'unusable') return `${event.error.code}: ${event.error.message}`;
  return event === undefined ? '' : JSON.stringify(event.config);
}

test('of two equal VNIs the younger config is refused, by name, and let in when either is mended', async t => {
  const { whole, arbiter, told, last, scope } = await court(t, apart);
  const [red, blue] = [told('red'), told('blue')];
  await whole.put('red/config', config(7, '10.2.0.0/16'));
  await last(red, /"vni":7|VNI":7/i);
  await whole.put('blue/config', config(7, '10.2.0.0/16'));
  await last(
    blue,
    /^network-refused: the network blue is refused: its VNI 7 at UDP port 8472 is also that of the network red, whose config is the older/,
  );
  await assert.rejects(arbiter.getConfig('blue', scope.signal), {
    code: 'network-refused',
    remedy: /another Backend\.VNI; blue goes on by itself then, and red is not touched/,
  });
  const untouched = red.length;
  await whole.put('blue/config', config(8, '10.2.0.0/16'));
  await last(blue, /"VNI":8/i);
  assert.equal((await arbiter.getConfig('blue', scope.signal)).config.network, '10.2.0.0/16');
  assert.equal(red.length, untouched, 'the other is told nothing');
});

test('a change that makes them equal is refused live, and what the network has stays its own', async t => {
  const { whole, arbiter, told, last } = await court(t, apart);
  const [red, blue] = [told('red'), told('blue')];
  await whole.put('red/config', config(7, '10.2.0.0/16'));
  await whole.put('blue/config', config(8, '10.2.0.0/16'));
  await last(blue, /"VNI":8/i);
  arbiter.hold('red', [parsed(7, '10.2.0.0/16')]);
  arbiter.hold('blue', [parsed(8, '10.2.0.0/16')]);
  await whole.put('red/config', config(8, '10.2.0.0/16'));
  await last(red, /^network-refused: the network red .* VNI 8 .* the network blue/);
  await whole.put('blue/config', config(7, '10.2.0.0/16'));
  await last(blue, /^network-refused: .* VNI 7 .* the network red, which still has it in force on this host/);
  await last(red, /^network-refused: .* VNI 8 .* the network blue, which still has it in force on this host/);
  await whole.put('blue/config', config(9, '10.2.0.0/16'));
  await last(blue, /"VNI":9/i);
  arbiter.hold('blue', [parsed(9, '10.2.0.0/16')]);
  await last(red, /"VNI":8/i);
});

test('a missing or broken config concerns its network alone', async t => {
  const { whole, arbiter, told, last, scope } = await court(t);
  const [red, blue] = [told('red'), told('blue')];
  await last(red, /^config-missing: there is no config of the network red: .* memory\/red/);
  await whole.put('blue/config', config(8, '10.3.0.0/16'));
  await last(blue, /"VNI":8/i);
  await whole.put('red/config', '{"Network": 7}');
  await last(red, /^config-invalid: /);
  assert.equal((await arbiter.getConfig('blue', scope.signal)).type, 'config');
});

test('networks of one namespace are kept apart, unless they are allowed or in another', async t => {
  const cases = [
    [{}, [], ['10.3.0.0/16']],
    [{}, [['blue', 'red']], []],
    [{}, [['red', 'red']], ['10.3.0.0/16']],
    [apart, [], []],
    [{ red: '/run/netns/both', blue: '/run/netns/both' }, [], ['10.3.0.0/16']],
  ] as const;
  for (const [netns, allowed, expected] of cases) {
    const { whole, arbiter, told, last } = await court(t, netns, allowed);
    const [red, blue] = [told('red'), told('blue')];
    await whole.put('red/config', config(7, '10.2.0.0/16'));
    await whole.put('blue/config', config(8, '10.3.0.0/16'));
    await last(red, /"VNI":7/i);
    await last(blue, /"VNI":8/i);
    assert.deepEqual(arbiter.apartFrom('red'), expected, JSON.stringify([netns, allowed]));
  }
});

test('while the registry is out nothing changes, and whoever asks first is told why', async t => {
  const { whole, arbiter, told, last, scope } = await court(t, apart);
  whole.disconnect(new Error('no way'));
  await assert.rejects(arbiter.getConfig('red', scope.signal), { code: 'registry-unavailable' });
  whole.reconnect();
  const red = told('red');
  await whole.put('red/config', config(7, '10.2.0.0/16'));
  await last(red, /"VNI":7/i);
});
