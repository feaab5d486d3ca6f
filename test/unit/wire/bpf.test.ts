import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ipFromBytes } from '../../../src/base/ip.ts';
import { BpfAssembler, encodeBpf } from '../../../src/wire/bpf.ts';
import { overlayFilter } from '../../../src/wire/bpf-overlay.ts';
import { decodePacket, isFragment } from '../../../src/wire/packet.ts';
import { runBpf } from '../../support/bpf-machine.ts';
import {
  carriers,
  ethernet,
  frameCases,
  hosts,
  ipv4,
  packetCases,
  vxlanDatagram,
} from '../../support/overlay-frames.ts';
import { toHex } from './hex.ts';

const snapBytes = 300;

test('the filter takes the overlay of the hosts, and nothing else', () => {
  const filter = overlayFilter({ linkHeader: 'ethernet', carriers, hosts, snapBytes });
  for (const { what, frame, taken } of frameCases)
    assert.equal(runBpf(filter, frame), taken ? snapBytes : 0, what);
});

test('the same on links without a header', () => {
  const filter = overlayFilter({ linkHeader: 'none', carriers, hosts, snapBytes });
  for (const { what, frame, taken } of packetCases)
    assert.equal(runBpf(filter, frame), taken ? snapBytes : 0, what);
});

test('without hosts it takes the overlay of everybody', () => {
  const filter = overlayFilter({ linkHeader: 'ethernet', carriers, hosts: [], snapBytes });
  for (const { what, frame, taken } of frameCases)
    assert.equal(runBpf(filter, frame) > 0, taken || what.includes('stranger'), what);
});

test('hosts of one family shut out the other', () => {
  const filter = overlayFilter({ linkHeader: 'ethernet', carriers, hosts: hosts.slice(0, 1), snapBytes });
  for (const { what, frame, taken } of frameCases)
    assert.equal(runBpf(filter, frame) > 0, taken && !what.includes('IPv6'), what);
});

test('it agrees with the decoder about hostile frames', () => {
  const filter = overlayFilter({
    linkHeader: 'ethernet',
    carriers: [{ port: 8472, vnis: [] }],
    hosts: [],
    snapBytes,
  });
  const start = fc.constantFrom(...frameCases.map(({ frame }) => frame));
  const changes = fc.array(fc.tuple(fc.nat({ max: 70 }), fc.nat({ max: 255 })), { maxLength: 4 });
  fc.assert(
    fc.property(start, changes, (original, flips) => {
      const frame = Uint8Array.from(original);
      for (const [at, value] of flips) frame[at] = value;
      // Only what the decoder can read is judged: it wants lengths to be right, which a filter does not look at.
      const layers = decodePacket(frame, { vxlanPorts: [] });
      if (layers.some(layer => layer.layer === 'payload' && layer.malformed !== undefined)) return;
      const at = layers.findIndex(({ layer }) => layer === 'ipv4' || layer === 'ipv6');
      const [ip, udp] = layers.slice(at);
      if (ip?.layer !== 'ipv4' && ip?.layer !== 'ipv6') return;
      const plain = ip.layer === 'ipv4' || ip.extensions.length === 0;
      if (udp?.layer !== 'udp' || isFragment(ip) || !plain || at > 3) return;
      assert.equal(runBpf(filter, frame) > 0, udp.destinationPort === 8472);
    }),
    { numRuns: 3000 },
  );
});

test('jumps are short, so that a program for far too many hosts is refused', () => {
  const many = Array.from({ length: 200 }, (_, index) => ipFromBytes(Uint8Array.of(10, 0, 0, index)));
  assert.throws(() => overlayFilter({ linkHeader: 'ethernet', carriers, hosts: many, snapBytes }), {
    code: 'bpf-program',
    message: /jumps over \d+ instructions/,
  });
  const frame = ethernet(0x0800, ipv4(vxlanDatagram(1)));
  const some = overlayFilter({
    linkHeader: 'ethernet',
    carriers,
    hosts: [...many.slice(0, 16), ...hosts],
    snapBytes,
  });
  assert.equal(runBpf(some, frame), snapBytes);
});

test('the assembler refuses what no kernel takes, and encodes the rest as struct sock_filter', () => {
  const back = new BpfAssembler();
  const start = back.label('start');
  back.place(start);
  back.jump(start);
  assert.throws(() => back.assemble(), { code: 'bpf-program', message: /leads from 0 to start at 0/ });
  const nowhere = new BpfAssembler();
  nowhere.jump(nowhere.label('nowhere'));
  assert.throws(() => nowhere.assemble(), { code: 'bpf-program' });
  const long = new BpfAssembler();
  for (let count = 0; count <= 4096; count++) long.emit('loadByte', 0);
  assert.throws(() => long.assemble(), { code: 'bpf-program', message: /4097 instructions/ });

  const program = new BpfAssembler();
  const end = program.label('end');
  program.emit('loadHalf', 12);
  program.branch('jumpIfEqual', 0x0800, { miss: end });
  program.emit('return', 0xffff_ffff);
  program.place(end);
  program.emit('return', 0);
  const bytes = encodeBpf(program.assemble());
  assert.equal(
    toHex(bytes),
    ['480000000c000000', '1500000100080000', '06000000ffffffff', '0600000000000000'].join(''),
  );
});
