/** What peers send through the tunnel: flows as they should be, as they may be, and as nobody should make them. */
import fc from 'fast-check';
import { type IpAddress, parseIp } from '../../src/base/ip.ts';
import { parsePrefix } from '../../src/base/prefix.ts';
import {
  type Envelope,
  echoRequest,
  offloaded,
  packetOf,
  tcpFlags,
  tcpPacket,
  udpPacket,
} from '../support/inner-packets.ts';
import type { Message } from '../support/tunnel-paths.ts';
import { joined } from '../support/tunnel-paths.ts';
import { damagedBytes } from './mutations.ts';

export const peers = [parseIp('192.0.2.2'), parseIp('192.0.2.3')] as const;

/** The subnets of each peer as they are looked up, and as the beginning of an address's bytes. */
export const routes = [
  { dst: parsePrefix('10.2.2.0/24'), peer: peers[0] },
  { dst: parsePrefix('fd00:2::/64'), peer: peers[0] },
  { dst: parsePrefix('10.2.3.0/24'), peer: peers[1] },
  { dst: parsePrefix('fd00:3::/64'), peer: peers[1] },
] as const;

export const own = { ipv4: parseIp('10.2.1.0'), ipv6: parseIp('fd00:1::') };

/** The last is nobody's. */
const envelopes: ReadonlyArray<readonly [IpAddress, Envelope]> = [
  [peers[0], { source: parseIp('10.2.2.7'), destination: parseIp('10.2.1.7') }],
  [peers[0], { source: parseIp('10.2.2.7'), destination: parseIp('10.2.1.7'), dontFragment: true }],
  [peers[0], { source: parseIp('fd00:2::7'), destination: parseIp('fd00:1::7') }],
  [peers[1], { source: parseIp('10.2.3.9'), destination: parseIp('10.2.1.7') }],
  [peers[1], { source: parseIp('fd00:3::9'), destination: parseIp('fd00:1::7') }],
  [peers[1], { source: parseIp('10.9.9.9'), destination: parseIp('10.2.1.7') }],
];

const { ACK, PSH, FIN, SYN, RST, URG, ECE, CWR } = tcpFlags;
const mostly = <T>(usual: T, ...rare: T[]): fc.Arbitrary<T> =>
  fc.oneof({ weight: 12, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: fc.constantFrom(...rare) });

/** The next packet of a flow; its numbers follow from the packets before it. */
interface Step {
  readonly flow: number;
  readonly kind: 'tcp' | 'udp' | 'echo' | 'fragment' | 'options';
  readonly bytes: number;
  readonly flags: number;
  readonly jump: number;
  readonly acknowledged: number;
  readonly window: number;
  readonly options: number;
  readonly stamp: number;
  readonly ttl: number;
  readonly trafficClass: number;
  readonly changesDontFragment: boolean;
  readonly skippedIdentifications: number;
  /** The bit that is damaged; -1: none. */
  readonly flip: number;
  readonly sender: 'right' | 'wrong' | 'stranger';
}

const usual: Step = {
  ...{ flow: 0, kind: 'tcp', bytes: 100, flags: ACK, jump: 0, acknowledged: 0, window: 500 },
  ...{ options: 12, stamp: 7, ttl: 64, trafficClass: 0, changesDontFragment: false },
  ...{ skippedIdentifications: 0, flip: -1, sender: 'right' },
};

const unusual: { readonly [Field in keyof Step]: readonly Step[Field][] } = {
  flow: [1, 2, 3, 4, 5],
  kind: ['udp', 'udp', 'echo', 'fragment', 'options'],
  bytes: [0, 1, 2, 3, 99, 101, 536, 1300],
  flags: [ACK | PSH, ACK | FIN, SYN, RST, ACK | URG, ACK | ECE, ACK | CWR],
  jump: [1, -1, 100, -100],
  acknowledged: [1],
  window: [501, 0],
  options: [0, 8, 40],
  stamp: [8],
  ttl: [63, 2, 1, 0],
  trafficClass: [1, 2, 3, 0x10],
  changesDontFragment: [true],
  skippedIdentifications: [1, 7],
  flip: [0, 1, 40, 100, 159, 200, 300, 320, 400, 1000, 5000],
  sender: ['wrong', 'stranger'],
};
const fields = Object.keys(usual) as (keyof Step)[];

const step = fc.record(
  Object.fromEntries(fields.map(field => [field, mostly<unknown>(usual[field], ...unusual[field])])),
) as fc.Arbitrary<Step>;
/** One thing about a step. */
const change = fc
  .constantFrom(...fields)
  .chain(field =>
    fc.constantFrom<unknown>(...unusual[field]).map(value => ({ [field]: value }) as Partial<Step>),
  );

/** Runs of equal steps, so that there is something to merge, and between them one that differs in one thing. */
const run = fc
  .tuple(step, fc.array(fc.tuple(fc.integer({ min: 1, max: 5 }), change), { minLength: 1, maxLength: 4 }))
  .map(([same, parts]): Step[] =>
    parts.flatMap(([times, different]) => [...new Array<Step>(times).fill(same), { ...same, ...different }]),
  );

const samples = [0, 2, 3].flatMap(index => {
  const [, envelope] = envelopes[index] ?? [undefined, { source: own.ipv4, destination: own.ipv4 }];
  const bytes = Uint8Array.from({ length: 64 }, (_, at) => at);
  const ports = { sourcePort: 4000, destinationPort: 80 };
  return [
    tcpPacket(envelope, { ...ports, sequence: 1 }, bytes),
    udpPacket(envelope, ports, bytes),
    echoRequest(envelope, 1, bytes),
  ];
});

const anything: fc.Arbitrary<Message> = fc
  .record({
    sender: fc.constantFrom(...peers),
    bytes: damagedBytes(samples),
    segmentBytes: mostly(0, 1, 20, 40, 60, 100),
  })
  .map(message => message);

/** What one round of the receive path is given. */
export const messages: fc.Arbitrary<Message[]> = fc
  .array(
    fc.oneof({ weight: 3, arbitrary: fc.tuple(run, fc.boolean()) }, { weight: 1, arbitrary: anything }),
    { maxLength: 8 },
  )
  .map(parts => {
    const flows = new Flows();
    return parts.flatMap(part => {
      if (!Array.isArray(part)) return [part];
      const [steps, together] = part;
      const singles = steps.map(each => flows.next(each));
      return together ? gathered(singles) : singles;
    });
  });

const read = fc.record({
  to: fc.constantFrom('10.2.2.7', 'fd00:2::7', '10.2.3.9', 'fd00:3::9', '10.9.9.9', 'fd00:9::9'),
  kind: mostly('tcp', 'udp', 'echo', 'fragment'),
  bytes: mostly(4000, 0, 1, 99, 100, 1000, 1399, 1400, 1401, 20_000),
  segmentBytes: mostly(1000, 0, 0, 33, 100, 1400),
  flags: mostly(ACK, ACK | PSH | FIN, ACK | CWR | ECE),
  options: mostly(12, 0, 40),
  ttl: mostly(64, 2, 1, 0),
  dontFragment: fc.boolean(),
  identification: mostly(1, 0xffff),
  sequence: mostly(1, 0xffff_fff0),
});

/** What one round of the send path reads from the device, as the kernel writes it. */
export const reads: fc.Arbitrary<Uint8Array[]> = fc.array(read.map(readOf), { maxLength: 12 });

/** A byte of the headers, or one of the virtio header's numbers. */
const edit = fc.oneof(
  fc.record({ at: fc.nat(80), value: fc.nat(255).map(byte => [byte]) }),
  fc.record({
    at: fc.constantFrom(0, 2, 4, 6, 8),
    value: fc.constantFrom([0, 0], [1, 0], [0xff, 0xff], [0, 0x80]),
  }),
);

/** As no kernel writes it. */
export const damagedReads: fc.Arbitrary<Uint8Array[]> = fc.array(
  fc.oneof(
    fc.tuple(read.map(readOf), fc.array(edit, { maxLength: 3 })).map(([bytes, edits]) => {
      for (const { at, value } of edits) if (at + value.length <= bytes.length) bytes.set(value, at);
      return bytes;
    }),
    fc.uint8Array({ maxLength: 100 }),
  ),
  { maxLength: 12 },
);

function readOf(spec: typeof read extends fc.Arbitrary<infer T> ? T : never): Uint8Array {
  const { ttl, dontFragment, identification, kind, segmentBytes } = spec;
  const destination = parseIp(spec.to);
  const source = parseIp(spec.to.includes(':') ? 'fd00:1::7' : '10.2.1.7');
  const envelope = { source, destination, ttl, dontFragment, identification };
  const payload = Uint8Array.from({ length: spec.bytes }, (_, at) => at * 5);
  const ports = { sourcePort: 4000, destinationPort: 80 };
  const plain = new Uint8Array(10);
  if (kind === 'echo') return joined(plain, echoRequest(envelope, 1, payload));
  if (kind === 'fragment') return joined(plain, fragmentOf(envelope, payload));
  const tcp = { ...ports, sequence: spec.sequence, flags: spec.flags, options: new Uint8Array(spec.options) };
  const packet = kind === 'tcp' ? tcpPacket(envelope, tcp, payload) : udpPacket(envelope, ports, payload);
  if (spec.bytes === 100) return joined(plain, packet);
  return offloaded(packet, envelope, segmentBytes < spec.bytes ? segmentBytes : 0);
}

/** As UDP_GRO does it: of one sender, equally long, only the last may be shorter. */
function gathered(singles: readonly Message[]): Message[] {
  const result: Message[] = [];
  let isOpen = false;
  for (const single of singles) {
    const last = result.at(-1);
    const size = last?.segmentBytes || last?.bytes.length || 0;
    if (
      isOpen &&
      last !== undefined &&
      last.sender === single.sender &&
      single.bytes.length <= size &&
      single.bytes.length > 0
    ) {
      result[result.length - 1] = {
        sender: last.sender,
        bytes: joined(last.bytes, single.bytes),
        segmentBytes: size,
      };
      isOpen = single.bytes.length === size;
    } else {
      result.push(single);
      isOpen = single.bytes.length > 0;
    }
  }
  return result;
}

/** Numbers the packets of each flow as its sender would. */
class Flows {
  readonly #sequence = envelopes.map((_, index) => 0xffff_fe00 + index * 0x100);
  readonly #identification = envelopes.map((_, index) => 0xfff0 + index);

  next(step: Step): Message {
    const [peer, envelope] = envelopes[step.flow] ?? [peers[0], { source: own.ipv4, destination: own.ipv4 }];
    const packet = this.#packet(step, envelope);
    if (step.flip >= 0) {
      const at = (step.flip >> 3) % packet.length;
      packet[at] = (packet[at] ?? 0) ^ (1 << (step.flip & 7));
    }
    const other = peer === peers[0] ? peers[1] : peers[0];
    const sender = { right: peer, wrong: other, stranger: undefined }[step.sender];
    return { sender, bytes: packet, segmentBytes: 0 };
  }

  #packet(step: Step, base: Envelope): Uint8Array {
    const { flow, ttl, trafficClass } = step;
    const identification = ((this.#identification[flow] ?? 0) + 1 + step.skippedIdentifications) & 0xffff;
    this.#identification[flow] = identification;
    const options = step.kind === 'options' ? { options: Uint8Array.of(1, 1, 1, 0) } : {};
    const dontFragment = (base.dontFragment ?? false) !== step.changesDontFragment;
    const envelope = { ...base, identification, ttl, trafficClass, dontFragment, ...options };
    const sequence = (this.#sequence[flow] ?? 0) + step.jump;
    const payload = Uint8Array.from({ length: step.bytes }, (_, at) => at * 3 + sequence + flow);
    const ports = { sourcePort: 4000 + flow, destinationPort: 80 };
    switch (step.kind) {
      case 'udp':
        return udpPacket(envelope, ports, payload);
      case 'echo':
        return echoRequest(envelope, identification, payload);
      case 'fragment':
        return fragmentOf(envelope, payload);
      default:
        this.#sequence[flow] = sequence + step.bytes;
        return tcpPacket(envelope, { ...ports, ...tcpOf(step), sequence }, payload);
    }
  }
}

function tcpOf({
  acknowledged,
  flags,
  window,
  options,
  stamp,
}: Step): Omit<Parameters<typeof tcpPacket>[1], 'sequence' | 'sourcePort' | 'destinationPort'> {
  return { acknowledgement: 1 + acknowledged, flags, window, options: new Uint8Array(options).fill(stamp) };
}

/** The first piece of a datagram: looks like a whole one to who does not look closely. */
function fragmentOf(envelope: Envelope, payload: Uint8Array): Uint8Array {
  const whole = udpPacket(envelope, { sourcePort: 4000, destinationPort: 80 }, payload);
  const isFour = (whole[0] ?? 0) >> 4 === 4;
  const datagram = whole.subarray(isFour ? 20 : 40);
  if (isFour) return packetOf({ ...envelope, moreFragments: true } as Envelope, 17, datagram);
  return packetOf(envelope, 44, joined(Uint8Array.of(17, 0, 0, 1, 0, 0, 0, 9), datagram));
}
