import {
  type Address,
  type AddressFilter,
  addressDump,
  addressRequest,
  decodeAddress,
} from '../wire/address.ts';
import { type ObjectVerbs, verbsOf } from './verbs.ts';

/**
 * `ip address add|replace|delete 10.2.14.0/32 dev flannel.1`, `ip address show dev flannel.1`:
 *
 *     await addresses.add(socket, { dev: 7, local: parseIp('10.2.14.0'), prefixLength: 32 });
 *     await addresses.list(socket, { dev: 7 });
 */
export const addresses: ObjectVerbs<Address, AddressFilter> = verbsOf({
  request: addressRequest,
  dump: addressDump,
  decode: decodeAddress,
});
