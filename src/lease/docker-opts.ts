import { WeftError } from '../base/errors.ts';
import { tryParsePrefix } from '../base/prefix.ts';
import type { HostRoute } from './network-overlap.ts';

/** Which forms are written and how, by mk-docker-opts.sh's options. */
export interface DockerOptsOptions {
  /** One variable per option (`-i`). Neither this nor `combined` means both. */
  readonly individual: boolean;
  /** All options in one variable (`-c`). */
  readonly combined: boolean;
  /** The combined variable's name (`-k`, DOCKER_OPTS). */
  readonly combinedKey: string;
  /** False leaves out `--ip-masq` (`-m`), for a Docker that does not know it. */
  readonly ipMasq: boolean;
  /** The combined variable's value in the environment; it is kept in front. */
  readonly existing?: string | undefined;
}

/**
 * Docker's options for a subnet.env, in the text that flannel's mk-docker-opts.sh writes. An empty `env` gives an
 * empty result. Further `DOCKER_OPT_*` variables in `env` take part, as they do in the script.
 * @throws WeftError `docker-opts-invalid` when FLANNEL_IPMASQ is neither true nor false
 */
export function renderDockerOpts(env: Readonly<Record<string, string>>, options: DockerOptsOptions): string {
  const variables = dockerVariables(env, options.ipMasq);
  const both = options.individual === options.combined;
  const lines: string[] = [];
  if (options.individual || both) lines.push(...variables.map(([name, value]) => `${name}="${value}"`));
  if (options.combined || both) {
    const existing = env[options.combinedKey] ?? options.existing ?? '';
    const values = variables.map(([, value]) => ` ${value}`).join('');
    lines.push(`${options.combinedKey}="${existing === '' ? '' : `${existing} `}${values}"`);
  }
  return lines.map(line => `${line}\n`).join('');
}

/**
 * The script's last check, made after the output was written: Docker's bridge cannot have a subnet that the host
 * reaches through a gateway.
 * @throws WeftError `docker-opts-routed`
 */
export function checkSubnetNotRouted(
  env: Readonly<Record<string, string>>,
  routes: readonly HostRoute[],
): void {
  const subnet = tryParsePrefix(env['FLANNEL_SUBNET'] ?? '');
  const route = routes.find(candidate => candidate.dst === subnet && candidate.gateway !== undefined);
  if (route === undefined) return;
  const device = route.dev === undefined ? '' : ` dev ${route.dev}`;
  throw new WeftError(
    'docker-opts-routed',
    `the routing table already contains the subnet: ${route.dst} via ${route.gateway}${device}`,
    { remedy: `remove it with: ip route del ${route.dst}` },
  );
}

/** Name and value of each variable, in the order of their names, as the shell lists them. */
function dockerVariables(env: Readonly<Record<string, string>>, ipMasq: boolean): Array<[string, string]> {
  const variables = new Map(Object.entries(env).filter(([name]) => name.startsWith('DOCKER_OPT_')));
  const { FLANNEL_SUBNET: subnet = '', FLANNEL_MTU: mtu = '', FLANNEL_IPMASQ: masq = '' } = env;
  if (subnet !== '') variables.set('DOCKER_OPT_BIP', `--bip=${subnet}`);
  if (mtu !== '') variables.set('DOCKER_OPT_MTU', `--mtu=${mtu}`);
  if (masq !== '' && ipMasq) variables.set('DOCKER_OPT_IPMASQ', `--ip-masq=${invert(masq)}`);
  return [...variables].sort(([one], [other]) => (one < other ? -1 : 1));
}

/** Either the daemon masquerades or Docker does. */
function invert(masq: string): boolean {
  if (masq === 'true' || masq === 'false') return masq === 'false';
  throw new WeftError(
    'docker-opts-invalid',
    `Invalid value of FLANNEL_IPMASQ: ${masq}, expected true or false`,
    { remedy: 'let the daemon write subnet.env again' },
  );
}
