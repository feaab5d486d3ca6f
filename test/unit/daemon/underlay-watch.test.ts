import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UnderlayWatch } from '../../../src/daemon/underlay-watch.ts';
import {
  type ChosenInterface,
  chooseInterface,
  type UnderlayView,
} from '../../../src/host/external-interface.ts';
import { address, choiceOf, viewOf } from '../host/underlay-views.ts';
import { createTestClock } from '../registry/clocks.ts';
import { recordingLog } from '../registry/subnets.ts';

interface Watched {
  /** Shows the watch another underlay, and gives what it told since. */
  see(
    view: UnderlayView,
  ): Promise<{ readonly changes: readonly string[]; readonly lines: readonly string[] }>;
}

/** Follows a host of both families that was chosen with `first`. */
async function watchFrom(first: UnderlayView): Promise<Watched> {
  const clock = createTestClock();
  const { log, lines } = recordingLog();
  const changes: string[] = [];
  let now = first;
  const choice = choiceOf();
  const options = {
    ...{ choice, families: [4, 6] as const, clock, log },
    signal: new AbortController().signal,
    read: async () => now,
    onChange: (chosen: ChosenInterface) => void changes.push(outline(chosen)),
  };
  const watch = new UnderlayWatch(options, await chooseInterface(choice, first, [4, 6]));
  let seen = 0;
  return {
    see: async view => {
      now = view;
      watch.check();
      await clock.advance(1000);
      const fresh = lines.slice(seen);
      seen = lines.length;
      return { changes: changes.splice(0), lines: fresh };
    },
  };
}

function outline({ external, publicIp, publicIpv6 }: ChosenInterface): string {
  return [external.name, external.ipv4, external.ipv6, 'publishes', publicIp, publicIpv6].join(' ');
}

const [one, other] = [address('192.0.2.1'), address('192.0.2.2')];
const [six, sixth] = [address('2001:db8::1'), address('2001:db8::2')];

test('one family whose address is gone stays as it was, is told once, and the other is followed', async () => {
  const watched = await watchFrom(viewOf(one, six));
  const gone = await watched.see(viewOf(one));
  assert.deepEqual(gone.changes, []);
  assert.deepEqual(gone.lines, [
    'warn IPv6 stays as it is, the other family goes on: interface eth0 has no usable IPv6 address',
  ]);
  assert.deepEqual(await watched.see(viewOf(other)), {
    changes: ['eth0 192.0.2.2 2001:db8::1 publishes 192.0.2.2 2001:db8::1'],
    lines: [],
  });
  assert.deepEqual(await watched.see(viewOf(other, sixth)), {
    changes: ['eth0 192.0.2.2 2001:db8::2 publishes 192.0.2.2 2001:db8::2'],
    lines: ['info both families have an address on the underlay again'],
  });
});

test('a family that was missing from the start is told of when it has an address', async () => {
  const watched = await watchFrom(viewOf(one));
  assert.deepEqual(await watched.see(viewOf(one)), { changes: [], lines: [] });
  const { changes } = await watched.see(viewOf(one, six));
  assert.deepEqual(changes, ['eth0 192.0.2.1 2001:db8::1 publishes 192.0.2.1 2001:db8::1']);
});

test('where no family has an address nothing is changed', async () => {
  const watched = await watchFrom(viewOf(one, six));
  const { changes, lines } = await watched.see(viewOf());
  assert.deepEqual(changes, []);
  assert.match(lines.join(), /the way to the underlay is gone: everything stays as it is/);
});

test('half of a move to another interface is none', async () => {
  const watched = await watchFrom(viewOf(one, six));
  const routes = viewOf().routes.map(route => ({ ...route, dev: 3 }));
  const moved = { ...viewOf({ ...other, dev: 3 }), routes };
  assert.deepEqual((await watched.see(moved)).changes, []);
  const whole = { ...viewOf({ ...other, dev: 3 }, { ...sixth, dev: 3 }), routes };
  assert.deepEqual((await watched.see(whole)).changes, [
    'eth1 192.0.2.2 2001:db8::2 publishes 192.0.2.2 2001:db8::2',
  ]);
});
