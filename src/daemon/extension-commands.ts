/**
 * The extension backend's commands, as flannel runs them since 0.28.2: no shell, words as the config has them, `$VAR` and
 * `${VAR}` filled in from the environment word by word. What peers publish reaches a command on two ways only: their
 * addresses as variables, which are addresses or would not have been read, and their BackendData as standard input.
 */
import process from 'node:process';
import type { Command, ExtensionCommands, Host } from '../backend/backend.ts';
import { extensionDataOf } from '../backend/extension.ts';
import { hasCode, WeftError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { prefixFamily } from '../base/prefix.ts';
import type { CarriedPeer } from '../host/carried-peer.ts';
import { describeSubnet } from '../lease/judge.ts';
import { runInGroup } from '../sys/program-group.ts';

export interface CommandTools {
  readonly log: Log;
  readonly signal: AbortSignal;
}

/**
 * Runs PreStartupCommand, before there is a lease, and gives what it printed, for peers to read. Undefined when there is no
 * such command.
 * @throws WeftError `extension-command-failed`, `extension-output-too-long`; the signal's reason
 */
export async function runPreStartup(
  { preStartup, timeoutSeconds }: ExtensionCommands,
  tools: CommandTools,
): Promise<string | undefined> {
  if (preStartup === undefined) return undefined;
  const name = 'PreStartupCommand';
  const output = await required(name, preStartup, () =>
    runCommand({ name, command: preStartup, timeoutSeconds, variables: {}, input: '' }, tools),
  );
  const text = output.trim();
  if (text.length <= maxPublishedCharacters) return text;
  throw new WeftError(
    'extension-output-too-long',
    `${name} printed ${text.length} characters or more, which is too much to publish: at most ${maxPublishedCharacters}`,
    { remedy: 'let it print what peers need, on stdout and stderr together, and nothing else' },
  );
}

/**
 * Runs PostStartupCommand, when the lease is ours.
 * @throws WeftError `extension-command-failed`; the signal's reason
 */
export async function runPostStartup(
  { postStartup, timeoutSeconds }: ExtensionCommands,
  { config, lease }: Pick<Host, 'config' | 'lease'>,
  tools: CommandTools,
): Promise<void> {
  if (postStartup === undefined) return;
  const name = 'PostStartupCommand';
  const variables = {
    NETWORK: config.network ?? '',
    SUBNET: lease.subnet.ipv4 ?? '',
    IPV6SUBNET: lease.subnet.ipv6 ?? '',
    PUBLIC_IP: lease.attrs.publicIp ?? '',
    PUBLIC_IPV6: lease.attrs.publicIpv6 ?? '',
  };
  await required(name, postStartup, () =>
    runCommand({ name, command: postStartup, timeoutSeconds, variables, input: '' }, tools),
  );
}

/**
 * Tells a command that a peer has come, or has gone.
 * @throws WeftError `program-missing`, `program-failed`, `program-timeout`; the signal's reason
 */
export async function tellOfPeer(
  name: 'SubnetAddCommand' | 'SubnetRemoveCommand',
  { subnetAdd, subnetRemove, timeoutSeconds }: ExtensionCommands,
  { lease, routed }: CarriedPeer,
  tools: CommandTools,
): Promise<void> {
  const command = name === 'SubnetAddCommand' ? subnetAdd : subnetRemove;
  if (command === undefined) return;
  const ipv6 = routed.find(prefix => prefixFamily(prefix) === 6);
  const variables = {
    SUBNET: routed.find(prefix => prefixFamily(prefix) === 4) ?? '',
    PUBLIC_IP: lease.attrs.publicIp ?? '',
    IPV6SUBNET: ipv6,
    PUBLIC_IPV6: lease.attrs.publicIpv6,
  };
  const input = extensionDataOf(lease.attrs) ?? '';
  const peer = describeSubnet(lease.subnet);
  await runCommand({ name, command, timeoutSeconds, variables, input, peer }, tools);
}

/** A lease has room for four times as much. */
const maxPublishedCharacters = 16 * 1024;
/** Of one run; more is left out of the log. */
const maxLoggedLines = 200;

interface Run {
  /** The option that names the command. */
  readonly name: string;
  readonly command: Command;
  readonly timeoutSeconds: number;
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** What the command reads, before a newline. */
  readonly input: string;
  readonly peer?: string;
}

async function runCommand(run: Run, { log, signal }: CommandTools): Promise<string> {
  const { name, command, timeoutSeconds, variables, input, peer } = run;
  const inherited = inheritedEnvironment(variables);
  const given = Object.entries(variables).filter(([, value]) => value !== undefined);
  const env = { ...inherited, ...Object.fromEntries(given) };
  const [program, ...args] = command;
  const fields = peer === undefined ? {} : { peer };
  let lines = 0;
  const onLine = (line: string): void => {
    if (++lines <= maxLoggedLines) log.info(fields, `${name}: ${line}`);
    else if (lines === maxLoggedLines + 1) log.warn(fields, `${name} says more, which is left out`);
  };
  // Which program runs is not for a peer's address to decide.
  const argv = [expand(program, inherited), ...args.map(word => expand(word, env))];
  const options = { signal, input: `${input}\n`, env, timeoutMs: timeoutSeconds * 1000, onLine };
  const output = await runInGroup(argv, options);
  log.debug(fields, `${name} has run`);
  return output;
}

/** This process's, without namesakes of the variables: what a peer lacks must not be ours by accident. */
function inheritedEnvironment(variables: Run['variables']): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !Object.hasOwn(variables, name)));
}

/** Within the word: it stays one word whatever a variable holds. An unset variable is empty, as in flannel. */
function expand(word: string, env: NodeJS.ProcessEnv): string {
  return word.replace(
    /\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))/g,
    (_, braced: string | undefined, plain: string | undefined) => env[braced ?? plain ?? ''] ?? '',
  );
}

/** Without these two the host is no member, as in flannel. */
async function required<T>(name: string, [program]: Command, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (cause) {
    if (!codes.some(code => hasCode(cause, code))) throw cause;
    throw new WeftError('extension-command-failed', `Backend.${name} ${program} failed`, {
      cause,
      remedy: `run it by hand on this host; its output is in the log`,
    });
  }
}

const codes = ['program-missing', 'program-failed', 'program-timeout'];
