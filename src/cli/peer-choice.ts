/** `-peer HOST`: a host by its underlay address, its subnet, or an address in that. */
import { WeftError } from '../base/errors.ts';
import { type IpAddress, tryParseIp } from '../base/ip.ts';
import { prefixContains, tryParsePrefix } from '../base/prefix.ts';

export interface CalledPeer {
  readonly addresses: readonly IpAddress[];
  /** Prefixes. */
  readonly subnets: readonly string[];
}

/** Whether a peer is the one meant. */
export type PeerChoice = (peer: CalledPeer) => boolean;

/** @throws WeftError `flag-invalid` */
export function peerChoice(text: string): PeerChoice {
  const address = tryParseIp(text);
  const subnet = tryParsePrefix(text);
  if (address === undefined && subnet === undefined) {
    throw new WeftError(
      'flag-invalid',
      `-peer: expected an address or a subnet, got ${JSON.stringify(text)}`,
    );
  }
  return ({ addresses, subnets }) =>
    addresses.some(one => one === address) || subnets.some(one => one === subnet || isIn(one, address));
}

function isIn(subnet: string, address: IpAddress | undefined): boolean {
  const prefix = tryParsePrefix(subnet);
  return prefix !== undefined && address !== undefined && prefixContains(prefix, address);
}

export function unknownPeer(text: string): WeftError {
  return new WeftError('host-unknown', `no peer is, or has, ${text}`, {
    remedy: 'give its underlay address, its subnet, or an address in that; `weft status` lists the peers',
  });
}
