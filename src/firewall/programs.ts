/** The firewalls' own programs: how they are called, and what it means when one is missing or refuses. */
import { hasCode, WeftError } from '../base/errors.ts';
import { type Argv, findProgram, run } from '../sys/exec.ts';

export interface Programs {
  has(name: string): boolean;
  /** @throws WeftError `firewall-program-missing`, `firewall-busy`, `program-failed` */
  run(argv: Argv, options: ProgramOptions): Promise<string>;
}

export interface ProgramOptions {
  readonly signal: AbortSignal;
  readonly input?: string | undefined;
}

export interface ProgramsOptions {
  /** What to put before each, such as `nsenter --net=/run/netns/blue --`. */
  readonly enter?: Argv | undefined;
  /** Other names for programs: path by name. */
  readonly names?: Readonly<Record<string, string>> | undefined;
}

export function firewallPrograms({ enter = [], names = {} }: ProgramsOptions = {}): Programs {
  const called = (name: string) => names[name] ?? name;
  const has = (name: string) => findProgram(called(name)) !== undefined;
  return {
    has,
    async run([name = '', ...args], { signal, input }) {
      if (!has(name)) throw missing(name);
      try {
        return await run([...enter, called(name), ...args], { signal, input, timeoutMs: programTimeoutMs });
      } catch (error) {
        throw hasCode(error, 'program-failed') && isBusy(error.message) ? busy(name, error) : error;
      }
    },
  };
}

/** Those of the network namespace at a path; undefined: of the process's own. */
export function programsIn(netns: string | undefined): Programs {
  return firewallPrograms(netns === undefined ? {} : { enter: ['nsenter', `--net=${netns}`, '--'] });
}

/** Did a program, or the kernel, refuse to masquerade with random source ports, which older ones do not know? */
export function refusesRandomPorts(error: unknown): boolean {
  return error instanceof Error && /random.?fully|fully.?random/.test(error.message);
}

/** Longer than a program waits for iptables' lock. */
const programTimeoutMs = 30_000;

function isBusy(said: string): boolean {
  return /xtables lock|Resource temporarily unavailable/i.test(said);
}

function busy(name: string, cause: WeftError): WeftError {
  return new WeftError('firewall-busy', `${name} waited for iptables' lock in vain: ${cause.message}`, {
    cause,
    remedy: 'find who holds it with: fuser -v /run/xtables.lock; it is tried again each period',
  });
}

function missing(name: string): WeftError {
  const { package: debian, otherwise } = name.startsWith('nft') ? nftables : iptables;
  return new WeftError(
    'firewall-program-missing',
    `${name} was not found, so there are no masquerade, forward and filter rules; containers still reach each other wherever the host's firewall accepts it`,
    { remedy: `apt-get install ${debian}; or ${otherwise}` },
  );
}

const iptables = {
  package: 'iptables',
  otherwise: 'use nftables instead: "EnableNFTables": true in the network config',
} as const;

const nftables = {
  package: 'nftables',
  otherwise: 'use iptables instead: "EnableNFTables": false in the network config',
} as const;
