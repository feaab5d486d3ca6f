/** `-networks red,blue@NETNS` and the flags that go with it. */
import { WeftError } from '../base/errors.ts';
import type { NamedNetwork, SeveralNetworks } from '../daemon/options.ts';

export interface NetworkFlagValues {
  readonly networks: string;
  readonly 'subnet-dir': string;
  readonly 'networks-allow': readonly string[];
}

/** Undefined without `-networks`. @throws WeftError `option-invalid` */
export function severalNetworksOf(values: NetworkFlagValues): SeveralNetworks | undefined {
  const { networks: text } = values;
  if (text === '') return undefined;
  const networks = parseNetworks(text);
  const names = networks.map(({ name }) => name);
  return {
    networks,
    subnetDir: values['subnet-dir'],
    allowed: values['networks-allow'].map(pair => parsePair(pair, names)),
  };
}

/** `red,blue@NETNS`. @throws WeftError `option-invalid` */
export function parseNetworks(text: string): NamedNetwork[] {
  const networks = text.split(',').map(parseNetwork);
  const names = networks.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw invalid('networks', `expected each name once`, twice);
  return networks;
}

/** Sentences about flags that mean nothing as they are given. */
export function unusedNetworkFlags({
  networks,
  ...values
}: Pick<NetworkFlagValues, 'networks' | 'networks-allow'> & { readonly 'subnet-file': string }): string[] {
  if (networks === '') {
    return values['networks-allow'].length === 0 ? [] : ['-networks-allow has no effect without -networks'];
  }
  const isUsual = values['subnet-file'] === '/run/flannel/subnet.env';
  return isUsual ? [] : ['-subnet-file has no effect with -networks, whose files are in -subnet-dir'];
}

/** Part of keys, file names and names in the firewall. */
const nameForm = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
/** Keys of a network without a name, at the same prefix. */
const taken = ['config', 'subnets'];

function parseNetwork(text: string): NamedNetwork {
  const at = text.indexOf('@');
  const name = at < 0 ? text : text.slice(0, at);
  const netns = at < 0 ? undefined : text.slice(at + 1);
  if (!nameForm.test(name)) {
    const expected =
      'expected names of letters, digits, dots, dashes and underscores, at most 63, first a letter or digit';
    throw invalid('networks', expected, name);
  }
  if (taken.includes(name))
    throw invalid('networks', `expected a name other than ${taken.join(' and ')}`, name);
  return { name, netns: netns === undefined ? undefined : pathOfNetns(netns, text) };
}

function pathOfNetns(netns: string, text: string): string {
  if (netns.startsWith('/')) return netns;
  if (/^[^/\0]+$/.test(netns) && netns !== '.' && netns !== '..') return `/run/netns/${netns}`;
  throw invalid('networks', 'expected NAME@NETNS with a name of /run/netns or a path from /', text);
}

function parsePair(text: string, names: readonly string[]): readonly [string, string] {
  const [one = '', other = '', ...more] = text.split(':');
  const isPair = names.includes(one) && names.includes(other) && one !== other && more.length === 0;
  if (isPair) return [one, other];
  throw invalid(
    'networks-allow',
    `expected two names of -networks, as in ${names[0]}:${names[1] ?? 'OTHER'}`,
    text,
  );
}

function invalid(flag: string, expected: string, got: string): WeftError {
  return new WeftError('option-invalid', `-${flag}: ${expected}, got ${JSON.stringify(got)}`);
}
