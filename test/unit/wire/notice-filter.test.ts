import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ByteWriter } from '../../../src/base/bytes.ts';
import { encodeMessage } from '../../../src/wire/netlink.ts';
import { noticesButOwn } from '../../../src/wire/notice-filter.ts';
import { RTM } from '../../../src/wire/rtnetlink.ts';
import { runBpf } from '../../support/bpf-machine.ts';

/** A notice as the kernel makes it: a request's form, with a port. */
function notice(type: number, port: number, bodyBytes: number): Uint8Array {
  const writer = new ByteWriter();
  encodeMessage(writer, { type, flags: 0, body: new Uint8Array(bodyBytes), what: () => '' }, 1);
  const bytes = writer.toBytes();
  new DataView(bytes.buffer).setUint32(12, port, true);
  return bytes;
}

test('of what a port does, only routes, neighbours, next hops and links that it adds are left out, whoever else does what', () => {
  const ports = fc.oneof(fc.constantFrom(1, 255, 256, 4711, 0x8000_0000, 0xffff_ffff), fc.nat(0xffff_ffff));
  const types = fc.constantFrom(...Object.values(RTM));
  fc.assert(
    fc.property(ports, ports, types, fc.nat(64), fc.boolean(), (ours, other, type, bytes, isOurs) => {
      const port = isOurs ? ours : other;
      const added = ([RTM.NEWROUTE, RTM.NEWNEIGH, RTM.NEWNEXTHOP, RTM.NEWLINK] as number[]).includes(type);
      const taken = runBpf(noticesButOwn(ours), notice(type, port, bytes)) >= 16 + bytes;
      assert.equal(taken, !(port === ours && added));
    }),
  );
});
