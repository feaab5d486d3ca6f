import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PeerBook } from '../../../src/firewall/peer-book.ts';
import { RepairLimit } from '../../../src/firewall/repair-limit.ts';
import { leaseOf } from '../../kernel/traffic-firewalls.ts';

test('an address stays as long as a lease has it: a host that moves is never shut out', () => {
  const book = new PeerBook();
  const [first, second] = [leaseOf('10.2.2.0/24', '192.0.2.2'), leaseOf('10.2.3.0/24', '192.0.2.2')];
  assert.deepEqual(book.put(first), { added: ['192.0.2.2'], removed: [] });
  assert.deepEqual(book.put(first), { added: [], removed: [] });
  assert.deepEqual(book.put(second), { added: [], removed: [] });
  assert.deepEqual(book.remove(first.subnet), { added: [], removed: [] });
  assert.deepEqual(book.put(leaseOf('10.2.3.0/24', '192.0.2.9')), {
    added: ['192.0.2.9'],
    removed: ['192.0.2.2'],
  });
  assert.deepEqual(book.remove(second.subnet), { added: [], removed: ['192.0.2.9'] });
  assert.deepEqual(book.remove(second.subnet), { added: [], removed: [] });
});

test('a new snapshot adds and removes only what differs', () => {
  const book = new PeerBook();
  assert.equal(book.isKnown, false);
  book.replaceAll([leaseOf('10.2.2.0/24', '192.0.2.2'), leaseOf('10.2.3.0/24', '192.0.2.3')]);
  assert.equal(book.isKnown, true);
  assert.deepEqual(
    book.replaceAll([leaseOf('10.2.7.0/24', '192.0.2.3'), leaseOf('10.2.4.0/24', '192.0.2.4')]),
    {
      added: ['192.0.2.4'],
      removed: ['192.0.2.2'],
    },
  );
});

test('five repairs in a minute are made at once; then the pauses double, to half a minute; a quiet minute ends it', () => {
  const limit = new RepairLimit();
  const delays: number[] = [];
  let nowMs = 0;
  for (let repair = 0; repair < 11; repair++) {
    const delayMs = limit.delayMs(nowMs);
    delays.push(delayMs);
    nowMs += delayMs;
    limit.note(nowMs);
  }
  assert.deepEqual(delays, [0, 0, 0, 0, 0, 1000, 2000, 4000, 8000, 16_000, 30_000]);
  assert.equal(limit.delayMs(nowMs + 60_000), 0);
});
