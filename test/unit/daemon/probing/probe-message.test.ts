import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeProbeReply, encodeProbe, smallBytes } from '../../../../src/daemon/probing/probe-message.ts';
import { decodeIcmp, encodeIcmp } from '../../../../src/wire/icmp.ts';

const cookie = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);

/** What a kernel makes of it. */
function echoed(family: 4 | 6, request: Uint8Array): Uint8Array {
  const { header, payload } = decodeIcmp(request, family);
  assert.equal(header.message.kind, 'echo-request');
  if (header.message.kind !== 'echo-request') return request;
  return encodeIcmp({ ...header.message, kind: 'echo-reply' }, family, payload);
}

test('an answer tells which probe it answers, and how large it was', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(4 as const, 6 as const),
      fc.integer({ min: 0, max: 0xffffffff }),
      fc.integer({ min: smallBytes, max: 9000 }),
      (family, number, bytes) => {
        const request = encodeProbe(family, cookie, { number, bytes });
        assert.equal(request.length, bytes - (family === 4 ? 20 : 40));
        assert.deepEqual(decodeProbeReply(family, cookie, echoed(family, request)), { number, bytes });
      },
    ),
  );
});

const reply = echoed(4, encodeProbe(4, cookie, { number: 7, bytes: 100 }));
const foreign: Readonly<Record<string, Uint8Array>> = {
  'another daemon’s': echoed(
    4,
    encodeProbe(4, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 9), { number: 7, bytes: 100 }),
  ),
  'a ping’s': encodeIcmp({ kind: 'echo-reply', identifier: 0x0102, sequence: 7 }, 4, new Uint8Array(56)),
  'too short': encodeIcmp({ kind: 'echo-reply', identifier: 0x0102, sequence: 7 }, 4, cookie),
  'nothing at all': new Uint8Array(0),
  'a request': encodeProbe(4, cookie, { number: 7, bytes: 100 }),
  damaged: reply.with(40, 1),
};

for (const [what, message] of Object.entries(foreign)) {
  test(`no answer to us: ${what}`, () => {
    assert.equal(decodeProbeReply(4, cookie, message), undefined);
  });
}

test('whatever comes, reading it does not throw', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(4 as const, 6 as const),
      fc.uint8Array({ maxLength: 100 }),
      (family, bytes) => {
        assert.equal(decodeProbeReply(family, cookie, bytes), undefined);
      },
    ),
  );
});
