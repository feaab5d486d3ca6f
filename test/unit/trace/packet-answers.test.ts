import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '../../../src/base/errors.ts';
import type { ServedNetwork } from '../../../src/host/served-network.ts';
import { PacketAnswers } from '../../../src/trace/packet-answers.ts';

test('traces that fail at once do not stand in the way of later ones', async () => {
  const answers = new PacketAnswers();
  const of = { netns: '/run/netns/weft-is-not-there' } as unknown as ServedNetwork;
  const query = new URLSearchParams({ from: '10.2.1.2', to: '10.2.14.3' });
  for (let time = 0; time < 4; time++)
    await assert.rejects(
      answers.trace(of, query, new AbortController().signal),
      error => !hasCode(error, 'trace-busy'),
    );
});
