import { WeftError } from '../base/errors.ts';
import { familyOf, type IpAddress, tryParseIp } from '../base/ip.ts';
import type { FlagTable, FlagValues } from './go-flags.ts';
import { registryFlags } from './registry-flags.ts';
import { runFlags } from './run-flags.ts';

/** What may also stand in the daemon's environment file. */
export const traceEnvironmentFlags = {
  ...registryFlags,
  'subnet-file': {
    ...runFlags['subnet-file'],
    help: "file with this host's subnet, as the daemon has written it",
  },
  'peer-port': {
    ...runFlags['peer-port'],
    help: 'TCP port at which the daemon of the other host is asked for its half; 0 is not to ask',
  },
} as const satisfies FlagTable;

export const traceFlags = {
  from: {
    kind: 'string',
    default: '',
    placeholder: 'IP',
    help: 'begin at this container of this host, or at this address of its own; unless given, at this host',
  },
  live: {
    kind: 'bool',
    default: false,
    help: 'send one echo request from this host, and say on which devices of both hosts it was seen; needs CAP_NET_RAW',
  },
  svg: {
    kind: 'string',
    default: '',
    placeholder: 'FILE',
    help: 'write a picture, too; - is stdout, in place of the text',
  },
  json: { kind: 'bool', default: false, help: 'print JSON; docs/trace.md says what is in it' },
  ...traceEnvironmentFlags,
} as const satisfies FlagTable;

export interface TraceOptions {
  readonly destination: IpAddress;
  readonly from: IpAddress | undefined;
  readonly live: boolean;
  /** Empty: none. */
  readonly svg: string;
  readonly json: boolean;
}

/** @throws WeftError `usage`, `flag-invalid` */
export function traceOptionsOf(
  { from, live, svg, json }: FlagValues<typeof traceFlags>,
  [address, unexpected]: readonly string[],
): TraceOptions {
  if (address === undefined) throw new WeftError('usage', 'expected an ADDRESS to trace to');
  if (unexpected !== undefined) throw new WeftError('usage', `unexpected argument ${unexpected}`);
  if (svg === '-' && json) throw new WeftError('usage', '-svg -: stdout cannot be both a picture and JSON');
  const destination = addressOf('ADDRESS', address);
  const source = from === '' ? undefined : addressOf('-from', from);
  if (source !== undefined && familyOf(source) !== familyOf(destination))
    throw new WeftError('flag-invalid', `-from: ${source} and ${destination} are not of one family`);
  return { destination, from: source, live, svg, json };
}

function addressOf(what: string, text: string): IpAddress {
  const address = tryParseIp(text);
  if (address !== undefined) return address;
  throw new WeftError(
    'flag-invalid',
    `${what}: expected an IPv4 or IPv6 address, got ${JSON.stringify(text)}`,
  );
}
