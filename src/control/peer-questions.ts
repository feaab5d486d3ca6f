/**
 * What the daemons, doctors and traces of other hosts may ask a daemon at its peer door, and how question and answer are
 * written: docs/adr/0021-peer-door.md. With several networks on a host a question may name one, `network=NAME`.
 *
 *     /v1/hello                            who are you, and how are you?
 *     /v1/trace?from=&to=                  your half of this packet's way            (trace/there-answer.ts)
 *     /v1/watch?to=&mark=&milliseconds=    look for a packet with this mark from now on: an id
 *     /v1/watch/seen?id=&milliseconds=     on which of your devices was it seen?
 */
import { WeftError } from '../base/errors.ts';
import { familyOf, type IpAddress, tryParseIp } from '../base/ip.ts';
import {
  type AnswerFields,
  addressIn,
  booleanIn,
  fieldsOf,
  listIn,
  numberIn,
  optional,
  textIn,
} from './answer-fields.ts';

export const helloQuestion = '/v1/hello';
export const thereQuestion = '/v1/trace';
export const watchQuestion = '/v1/watch';
export const seenQuestion = '/v1/watch/seen';

/** TCP, beside 8472 of the VXLAN backend. Chosen: IANA has given it to nobody. */
export const defaultPeerPort = 8473;

/** Chosen: longer than a packet is on its way, and soon over when nobody asks any more. */
export const longestWatchMs = 5000;

export interface PeerHello {
  /** Of Weft. */
  readonly version: string;
  /** The host's clock, Unix time in milliseconds. */
  readonly wallMs: number;
  readonly ready: boolean;
  /** Why not; '' when it is. */
  readonly reason: string;
  /** Names of the networks that it serves; undefined: there is one, without a name. */
  readonly networks: readonly string[] | undefined;
  /** Of the network that was asked for, or the only one; undefined while it has no lease. */
  readonly member: PeerMember | undefined;
}

/** A host in its network, by what is in force there. */
export interface PeerMember {
  /** `vxlan`, `host-gw`, ... */
  readonly backend: string;
  readonly devices: readonly PeerDevice[];
  /** Its own, one of each family that it has. */
  readonly subnets: readonly string[];
  readonly publicIp: IpAddress | undefined;
  readonly publicIpv6: IpAddress | undefined;
}

export interface PeerDevice {
  readonly name: string;
  /** Of a VXLAN device. */
  readonly vni: number | undefined;
  /** UDP, at which its packets arrive. */
  readonly port: number | undefined;
}

/** @throws WeftError `door-refused` for what no daemon of ours would say */
export function parseHello(value: unknown): PeerHello {
  const fields = fieldsOf(value, 'hello');
  return {
    version: textIn(fields, 'version'),
    wallMs: numberIn(fields, 'wallMs'),
    ready: booleanIn(fields, 'ready'),
    reason: textIn(fields, 'reason'),
    networks: optional(fields, 'networks', textsIn),
    member: optional(fields, 'member', (all, name) => memberOf(fieldsOf(all[name], name))),
  };
}

function memberOf(fields: AnswerFields): PeerMember {
  return {
    backend: textIn(fields, 'backend'),
    devices: listIn(fields, 'devices').map(deviceOf),
    subnets: textsIn(fields, 'subnets'),
    publicIp: optional(fields, 'publicIp', addressIn),
    publicIpv6: optional(fields, 'publicIpv6', addressIn),
  };
}

function deviceOf(value: unknown): PeerDevice {
  const fields = fieldsOf(value, 'a device');
  return {
    name: textIn(fields, 'name'),
    vni: optional(fields, 'vni', numberIn),
    port: optional(fields, 'port', numberIn),
  };
}

function textsIn(fields: AnswerFields, name: string): string[] {
  return listIn(fields, name).map((_, index, all) => textIn({ [name]: all[index] }, name));
}

/** Where a watched packet was seen, and where not. */
export interface Sighting {
  readonly device: string;
  /** Milliseconds after the first sighting on that host; undefined: not seen. */
  readonly requestMs: number | undefined;
  readonly answerMs: number | undefined;
  /** Why this device could not be watched, or not well. */
  readonly problem: string | undefined;
}

/** The answer to {@link watchQuestion}: the captures are running. */
export interface ArmedWatch {
  readonly id: string;
}

/** @throws WeftError `door-refused` */
export function parseArmedWatch(value: unknown): ArmedWatch {
  return { id: textIn(fieldsOf(value, 'a watch'), 'id') };
}

/** The answer to {@link seenQuestion}, in the order of the way to the watched address. @throws WeftError `door-refused` */
export function parseSightings(value: unknown): Sighting[] {
  return listIn(fieldsOf(value, 'what was seen'), 'sightings').map(one => {
    const fields = fieldsOf(one, 'a sighting');
    return {
      device: textIn(fields, 'device'),
      requestMs: optional(fields, 'requestMs', numberIn),
      answerMs: optional(fields, 'answerMs', numberIn),
      problem: optional(fields, 'problem', textIn),
    };
  });
}

export interface ThereQuestion {
  readonly from: IpAddress;
  readonly to: IpAddress;
}

/** @throws WeftError `question-invalid`, as the others below */
export function readThereQuestion(query: URLSearchParams): ThereQuestion {
  const [from, to] = [addressOf(query, 'from'), addressOf(query, 'to')];
  if (familyOf(from) === familyOf(to)) return { from, to };
  throw invalid('to', `an address of the family of ${from}`, to);
}

export interface WatchQuestion {
  /** Where the packet is sent. */
  readonly to: IpAddress;
  /** Thirty-two bits, by which it is known again. */
  readonly mark: number;
  /** How long to look for it. */
  readonly milliseconds: number;
}

export function readWatchQuestion(query: URLSearchParams): WatchQuestion {
  return {
    to: addressOf(query, 'to'),
    mark: numberOf(query, 'mark', 2 ** 32 - 1),
    milliseconds: numberOf(query, 'milliseconds', longestWatchMs),
  };
}

export interface SeenQuestion {
  readonly id: string;
  /** How much longer to wait for what has not been seen yet. */
  readonly milliseconds: number;
}

export function readSeenQuestion(query: URLSearchParams): SeenQuestion {
  return { id: query.get('id') ?? '', milliseconds: numberOf(query, 'milliseconds', longestWatchMs) };
}

function addressOf(query: URLSearchParams, name: string): IpAddress {
  const text = query.get(name);
  const address = text === null ? undefined : tryParseIp(text);
  if (address !== undefined) return address;
  throw invalid(name, 'an IPv4 or IPv6 address', text);
}

function numberOf(query: URLSearchParams, name: string, most: number): number {
  const text = query.get(name);
  if (text !== null && /^\d{1,10}$/.test(text) && Number(text) <= most) return Number(text);
  throw invalid(name, `a whole number up to ${most}`, text);
}

function invalid(name: string, expected: string, found: string | null): WeftError {
  const got = found === null ? 'nothing' : JSON.stringify(found);
  return new WeftError('question-invalid', `${name}: expected ${expected}, got ${got}`);
}
