import type { NextHopsWish } from '../backend/next-hop-routes.ts';
import { WeftError } from '../base/errors.ts';
import { type Family, familyOf, type IpAddress, tryParseIp } from '../base/ip.ts';
import { type Prefix, tryParsePrefix } from '../base/prefix.ts';
import type { DaemonOptions, MetricsAddress, SeveralNetworks } from '../daemon/options.ts';
import { applyEnvironment, type Environment, misspeltVariables } from './flag-environment.ts';
import { type FlagValues, type ParsedFlags, parseFlags } from './go-flags.ts';
import type { LogFormat } from './log.ts';
import { severalNetworksOf, unusedNetworkFlags } from './networks-flag.ts';
import { type RegistryOptions, registryOptionsOf } from './registry-flags.ts';
import { runFlags } from './run-flags.ts';
import { weftVersion } from './version.ts';

/** What the operator asked of `weft run`, checked. */
export interface RunOptions extends DaemonOptions {
  readonly registry: RegistryOptions;
  /** Undefined: one network, as in flannel. */
  readonly several: SeveralNetworks | undefined;
  readonly logFormat: LogFormat;
  /** klog's -v: 0 is normal. */
  readonly verbosity: number;
}

/** What a command line of `weft run` asks for. */
export type RunRequest =
  | { readonly action: 'help' }
  | { readonly action: 'version' }
  /** `warnings` are sentences about variables and arguments that have no effect. */
  | { readonly action: 'run'; readonly options: RunOptions; readonly warnings: readonly string[] };

/**
 * Reads the arguments of `weft run`, then `FLANNELD_*` variables for what they leave open.
 * @throws WeftError `flag-invalid` for what Go's flag package refuses, `option-invalid` for a value that flanneld
 * refuses when it starts, `not-supported` for a feature of flanneld that Weft has not got
 */
export function readRunOptions(args: readonly string[], environment: Environment): RunRequest {
  const parsed = parseFlags(runFlags, args);
  if (parsed.help) return { action: 'help' };
  if (parsed.values.version) return { action: 'version' };
  const { values, warnings } = applyEnvironment(runFlags, parsed, environment);
  refuseUnsupported(values);
  return {
    action: 'run',
    options: runOptionsOf(values, environment),
    warnings: [
      ...warnings,
      ...unusedNetworkFlags(values),
      ...misspeltVariables(runFlags, environment),
      ...ignoredArguments(parsed),
    ],
  };
}

type RunValues = FlagValues<typeof runFlags>;

function runOptionsOf(values: RunValues, environment: Environment): RunOptions {
  const registry = registryOptionsOf(values);
  const port = inRange('healthz-port', values['healthz-port'], 0, 65535);
  return {
    registry,
    several: severalNetworksOf(values),
    registryEndpoints: registry.type === 'etcd' ? registry.endpoints : [],
    iface: values.iface,
    ifaceRegex: values['iface-regex'].map(text => regex('iface-regex', text)),
    ifaceCanReach: address('iface-can-reach', values['iface-can-reach']),
    publicIp: address('public-ip', values['public-ip'], 4),
    publicIpv6: address('public-ipv6', values['public-ipv6'], 6),
    subnetFile: values['subnet-file'],
    routeNextHops: values['route-next-hops'] as NextHopsWish,
    renewMarginMinutes: inRange('subnet-lease-renew-margin', values['subnet-lease-renew-margin'], 1, 1439),
    ipMasq: values['ip-masq'],
    ipMasqFullyRandom: !values['ip-masq-fully-random-disable'],
    ipMasqExclude: values['ip-masq-exclude'].map(prefix),
    vtepFilter: values['vtep-filter'] === 'auto' ? undefined : values['vtep-filter'] === 'true',
    iptablesForwardRules: values['iptables-forward-rules'],
    iptablesResyncSeconds: inRange('iptables-resync', values['iptables-resync'], 1, 86_400),
    healthz: port === 0 ? undefined : { ip: values['healthz-ip'], port },
    metrics: metricsAddress(values['metrics-addr']),
    peerProbeSeconds: probeInterval(values),
    peerPort: peerPortOf(values),
    notifySocket: environment['NOTIFY_SOCKET'] || undefined,
    logFormat: values['log-format'] as LogFormat,
    verbosity: values.v,
  };
}

/** @throws WeftError `option-invalid` */
export function peerPortOf(values: { readonly 'peer-port': number }): number {
  return inRange('peer-port', values['peer-port'], 0, 65535);
}

/** Flags whose value would change what the network does, and what to do instead. */
const unsupported = {
  'kube-subnet-mgr': 'leave the flag out and keep config and leases in etcd, with -etcd-endpoints',
  'ip-blackhole-route': 'leave the flag out, and add the route with `ip route add blackhole SUBNET`',
} as const satisfies Partial<Record<keyof RunValues, string>>;

function refuseUnsupported(values: RunValues): void {
  for (const name of Object.keys(unsupported) as Array<keyof typeof unsupported>) {
    if (!values[name]) continue;
    throw new WeftError('not-supported', `-${name}: not supported yet`, { remedy: unsupported[name] });
  }
}

/** Go's parser stops at the first positional argument, so flags behind one are lost without a word. */
function ignoredArguments({ rest }: ParsedFlags<typeof runFlags>): string[] {
  if (rest.length === 0) return [];
  // Never the values: one may be a password.
  const flags = rest.filter(text => text.startsWith('-')).map(text => text.replace(/=.*$/s, ''));
  const lost = flags.length === 0 ? '' : `, and with it ${flags.join(' ')}; flags must come before it`;
  return [`ignored, as flanneld does: ${rest[0]}, the first argument that is no flag${lost}`];
}

function inRange(name: string, value: number, low: number, high: number): number {
  if (value >= low && value <= high) return value;
  throw optionInvalid(name, `expected ${low} to ${high}`, String(value));
}

/** Out of its bounds it is refused also where it has no effect. */
function probeInterval(values: RunValues): number | undefined {
  const seconds = inRange('peer-probe-interval', values['peer-probe-interval'], 1, 3600);
  return values['peer-probing'] ? seconds : undefined;
}

function address(name: string, text: string, family?: Family): IpAddress | undefined {
  if (text === '') return undefined;
  const ip = tryParseIp(text);
  if (ip !== undefined && (family === undefined || familyOf(ip) === family)) return ip;
  throw optionInvalid(name, `expected an IP${family === undefined ? '' : `v${family}`} address`, text);
}

function metricsAddress(text: string): MetricsAddress | undefined {
  if (text === '') return undefined;
  const [, six, name, digits] = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text) ?? [];
  const [host, port] = [six ?? name, Number(digits)];
  const isPort = port >= 1 && port <= 65535;
  // Not `:PORT`, by which Go means all addresses of this host: docs/adr/0013.
  if (host !== undefined && isPort) return { host, port, version: weftVersion() };
  throw optionInvalid('metrics-addr', 'expected HOST:PORT such as 127.0.0.1:9469 or [::1]:9469', text);
}

function prefix(text: string): Prefix {
  const found = tryParsePrefix(text);
  if (found !== undefined) return found;
  throw optionInvalid('ip-masq-exclude', 'expected a prefix such as 192.168.0.0/16', text);
}

/** Go writes flags for the whole expression in front, `(?i)eth`, where JavaScript has them apart. */
function regex(name: string, text: string): RegExp {
  const [head, flags = ''] = /^\(\?([ims]+)\)/.exec(text) ?? [''];
  try {
    return new RegExp(text.slice(head.length), flags);
  } catch (cause) {
    throw optionInvalid(name, 'expected a regular expression', text, cause);
  }
}

function optionInvalid(name: string, expected: string, got: string, cause?: unknown): WeftError {
  return new WeftError('option-invalid', `-${name}: ${expected}, got ${JSON.stringify(got)}`, { cause });
}
