/**
 * A process that is one end of a tunnel and nothing else: `node test/support/tunnel-host.ts JSON`, in a host's
 * namespace. It tells `ready`, and on SIGUSR2 its counters, as JSON.
 */
import process from 'node:process';
import { parseIp } from '../../src/base/ip.ts';
import type { Log } from '../../src/base/log.ts';
import { parsePrefix } from '../../src/base/prefix.ts';
import type { Ability } from '../../src/tunnel/abilities.ts';
import { Tunnel } from '../../src/tunnel/tunnel.ts';

/** The argument; all addresses and prefixes as text. */
export interface TunnelHostSpec {
  readonly port: number;
  readonly mtuBytes: number;
  /** On the underlay, of one family. */
  readonly local: string;
  /** The device's own. */
  readonly addresses: { readonly ipv4: string; readonly ipv6: string };
  readonly routes: ReadonlyArray<{ readonly dst: string; readonly peer: string }>;
  readonly without: readonly Ability[];
}

export const tunnelDevice = 'flannel0';

async function serve(spec: TunnelHostSpec): Promise<void> {
  const { port, mtuBytes, without } = spec;
  const local = parseIp(spec.local);
  const tunnel = await Tunnel.open({
    device: tunnelDevice,
    port,
    mtuBytes,
    local: { ipv4: local.includes(':') ? undefined : local, ipv6: local.includes(':') ? local : undefined },
    addresses: { ipv4: parseIp(spec.addresses.ipv4), ipv6: parseIp(spec.addresses.ipv6) },
    without,
    log: toStderr,
  });
  const set = spec.routes.map(({ dst, peer }) => ({ dst: parsePrefix(dst), peer: parseIp(peer) }));
  await tunnel.change({ set, unset: [] });
  process.on('SIGUSR2', () => say({ counters: tunnel.counters(), problem: tunnel.problem ?? null }));
  say({ ready: tunnel.counters().abilities });
}

function say(what: object): void {
  process.stdout.write(`${JSON.stringify(what)}\n`);
}

const write = (fields: object, message: string): void =>
  void process.stderr.write(`${message} ${JSON.stringify(fields)}\n`);
const toStderr: Log = { debug() {}, info: write, warn: write, error: write };

// Last, because it runs at once.
if (import.meta.main) await serve(JSON.parse(process.argv[2] ?? '') as TunnelHostSpec);
