/** What a daemon has found out about its peers by asking them, as /metrics tells it. */
import assert from 'node:assert/strict';
import process from 'node:process';
import { eventually } from '../support/eventually.ts';
import { parsePrometheusText, type Scrape } from '../support/prometheus-text.ts';
import type { WeftHost } from '../support/weft-host.ts';

/** Asks once a second, so that nobody waits long. */
export const probingFlags = ['-peer-probe-interval', '1', '-metrics-addr', '127.0.0.1:9469'] as const;

const ask = `
fetch('http://127.0.0.1:9469/metrics').then(
  async answer => process.stdout.write(await answer.text()),
  error => { process.stderr.write(String(error.cause?.code)); process.exitCode = 1; });
`;

export async function scrape(host: WeftHost): Promise<Scrape> {
  return parsePrometheusText(await host.netns.run([process.execPath, '-e', ask]));
}

/** Of each verdict that some peer has, how many. */
export function verdictsOf(found: Scrape): Readonly<Record<string, number>> {
  const counts = found.all('weft_peers_probed').map(({ labels, value }) => [labels['verdict'], value]);
  return Object.fromEntries(counts.filter(([, value]) => value !== 0));
}

/** The largest packet that passes, by peer and family: `10.2.14.0-24/4`. */
export function sizesOf(found: Scrape): Readonly<Record<string, number>> {
  const samples = found.all('weft_peer_largest_packet_bytes');
  return Object.fromEntries(
    samples.map(({ labels, value }) => [`${labels['peer']}/${labels['family']}`, value]),
  );
}

/** Scrapes until `check` agrees. @throws what it said at last */
export async function eventuallyProbed(
  host: WeftHost,
  what: string,
  check: (found: Scrape) => void,
): Promise<Scrape> {
  let last: unknown;
  return await eventually(
    what,
    async () => {
      const found = await scrape(host);
      try {
        check(found);
        return found;
      } catch (error) {
        last = error;
        return undefined;
      }
    },
    { timeoutMs: 60_000, intervalMs: 100 },
  ).catch(cause => assert.fail(`${what}: ${last ?? cause}`));
}

/** Echo requests that the host's kernel has taken in, of both families. */
export async function echoesTo(host: WeftHost): Promise<number> {
  const [ipv4 = '', ipv6 = ''] = await Promise.all(
    ['/proc/net/snmp', '/proc/net/snmp6'].map(file => host.netns.run(['cat', file])),
  );
  const [names = '', values = ''] = ipv4.match(/^Icmp: .*$/gm) ?? [];
  const index = names.split(' ').indexOf('InEchos');
  const found6 = /^Icmp6InEchos\s+(\d+)$/m.exec(ipv6)?.[1];
  assert.ok(index > 0 && found6 !== undefined, ipv4);
  return Number(values.split(' ')[index]) + Number(found6);
}
