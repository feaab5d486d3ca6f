import path from 'node:path';
import { WeftError } from '../base/errors.ts';
import { tryParseIp } from '../base/ip.ts';
import { hostPrefix, type Prefix, tryParsePrefix } from '../base/prefix.ts';
import type { CapturePlan } from '../capture/capture-plan.ts';
import { parseGoInt } from './flag-value.ts';
import type { FlagTable, FlagValues } from './go-flags.ts';

export const captureFlags = {
  i: {
    kind: 'strings',
    placeholder: 'DEV',
    help: 'capture on this device; unless given, where the packets of the overlay devices here leave',
  },
  port: {
    kind: 'strings',
    placeholder: 'N',
    help: 'UDP port of the tunnel; unless given, those of the overlay devices here, and with -r 8472, 4789 and 8285',
  },
  vni: { kind: 'strings', placeholder: 'N', help: 'only this VXLAN network' },
  peer: {
    kind: 'string',
    default: '',
    placeholder: 'HOST',
    help: "only this host's packets: its underlay address, or an address or subnet of its containers",
  },
  c: { kind: 'int', default: 0, placeholder: 'COUNT', help: 'end after so many packets; 0 is never' },
  w: { kind: 'string', default: '', placeholder: 'FILE', help: 'write the packets as pcapng; - is stdout' },
  r: {
    kind: 'string',
    default: '',
    placeholder: 'FILE',
    help: 'read packets from a pcapng or pcap file in place of the network; - is stdin',
  },
  s: {
    kind: 'int',
    default: 0,
    placeholder: 'BYTES',
    help: 'keep so much of each packet, 64 to 65536; 0 is all with -w and of the udp backend, and else enough for its headers',
  },
  v: { kind: 'bool', default: false, help: 'several lines for each packet: every header' },
  q: { kind: 'bool', default: false, help: 'print no packets, only what there is to say at the end' },
} as const satisfies FlagTable;

export interface CaptureOptions {
  readonly devices: readonly string[];
  readonly ports: readonly number[];
  readonly vnis: readonly number[];
  readonly peer: Prefix | undefined;
  /** 0: without end. */
  readonly count: number;
  /** Empty: none. */
  readonly writeTo: string;
  /** Empty: capture live. */
  readonly readFrom: string;
  /** Undefined: as much as it takes to show each packet, see {@link leastSnapBytes}. */
  readonly snapBytes: number | undefined;
  readonly verbose: boolean;
  readonly quiet: boolean;
}

/** Chosen: the headers of both packets with options and extensions, and a look at what they carry. */
const headersBytes = 256;
const wholeBytes = 65_536;

/** @throws WeftError `flag-invalid`, `usage` */
export function captureOptionsOf(values: FlagValues<typeof captureFlags>): CaptureOptions {
  const { i: devices, w: writeTo, r: readFrom, v: verbose, q: quiet } = values;
  if (readFrom !== '' && devices.length > 0) throw new WeftError('usage', '-i: has no meaning with -r');
  if (readFrom !== '' && readFrom !== '-' && path.resolve(readFrom) === path.resolve(writeTo))
    throw new WeftError('usage', `-w: ${writeTo} is the file that -r reads, and would be emptied`);
  return {
    devices,
    ports: values.port.map(text => numberIn('-port', text, 1, 65_535)),
    vnis: values.vni.map(text => numberIn('-vni', text, 0, 0xff_ffff)),
    peer: values.peer === '' ? undefined : peerOf(values.peer),
    count: numberIn('-c', String(values.c), 0, Number.MAX_SAFE_INTEGER),
    writeTo,
    readFrom,
    snapBytes: snapOf(values),
    verbose,
    quiet: quiet || writeTo === '-',
  };
}

/**
 * What is kept of each captured packet where no file is written: the headers, or, where a datagram may hold several
 * packets, all of it.
 */
export function leastSnapBytes({ points }: CapturePlan): number {
  const several = points.some(({ carriers }) => carriers.some(({ vnis }) => vnis.length === 0));
  return several ? wholeBytes : headersBytes;
}

function snapOf({ s, w }: FlagValues<typeof captureFlags>): number | undefined {
  if (s === 0) return w === '' ? undefined : wholeBytes;
  return numberIn('-s', String(s), 64, wholeBytes);
}

function numberIn(flag: string, text: string, least: number, most: number): number {
  const value = parseGoInt(text);
  if (value !== undefined && value >= least && value <= most) return value;
  const expected = most === Number.MAX_SAFE_INTEGER ? `${least} or more` : `${least} to ${most}`;
  throw new WeftError('flag-invalid', `${flag}: expected ${expected}, got ${JSON.stringify(text)}`);
}

function peerOf(text: string): Prefix {
  const address = tryParseIp(text);
  const peer = address === undefined ? tryParsePrefix(text) : hostPrefix(address);
  if (peer !== undefined) return peer;
  throw new WeftError('flag-invalid', `-peer: expected an address or a subnet, got ${JSON.stringify(text)}`);
}
