/**
 * A host with one container and somebody beyond, for tests of the traffic rules of a whole daemon:
 *
 *     container ── host 192.0.2.x ── switch ── outside 192.0.2.y, which has no route to the network
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Scope } from '../../src/base/scope.ts';
import { serveTcp } from '../kernel/traffic-connections.ts';
import type { Host } from '../support/host.ts';
import { createNetns, type Netns } from '../support/netns.ts';
import type { Underlay } from '../support/weft-underlay.ts';

export interface Setup {
  readonly iptables: 'legacy' | 'nft';
  readonly config: string;
}

const network =
  '"Network":"10.2.0.0/16","SubnetLen":24,"SubnetMin":"10.2.1.0","SubnetMax":"10.2.20.0","Backend":{"Type":"vxlan"}';
export const iptablesConfig = `{${network}}`;
export const nftablesConfig = `{${network},"EnableNFTables":true}`;

/** Every engine and variant. */
export const setups = {
  'iptables-legacy': { iptables: 'legacy', config: iptablesConfig },
  'iptables-nft': { iptables: 'nft', config: iptablesConfig },
  nftables: { iptables: 'nft', config: nftablesConfig },
} as const satisfies Record<string, Setup>;

export async function shell(host: Host, commands: string): Promise<string> {
  return await host.run(['sh', '-euc', commands]);
}

const programs = ['iptables', 'ip6tables'].flatMap(program =>
  ['', '-save', '-restore'].map(verb => [program, verb] as const),
);

/** Makes `iptables` on a host one of the two. */
export async function useIptables(host: Host, variant: 'legacy' | 'nft'): Promise<void> {
  const links = programs.map(
    ([program, verb]) => `ln -sf /usr/sbin/${program}-${variant}${verb} /run/bin/${program}${verb}`,
  );
  await shell(host, links.join('\n'));
}

const binaries = ['xtables-legacy-multi', 'xtables-nft-multi', 'nft'].map(name => `/usr/sbin/${name}`);

/** As if the host had neither iptables nor nftables installed. */
export async function hidePrograms(host: Host): Promise<void> {
  await shell(host, binaries.map(file => `mount --bind /dev/null ${file}`).join('\n'));
}

export async function showPrograms(host: Host): Promise<void> {
  await host.run(['umount', ...binaries]);
}

/** Has the firewall's programs noted when they are started on this host; gives what reads the notes. */
export async function noteStarts(host: Host): Promise<() => Promise<string[]>> {
  const names = [
    ...['legacy', 'nft'].flatMap(variant =>
      programs.map(([program, verb]) => `${program}-${variant}${verb}`),
    ),
    ...programs.map(([program, verb]) => program + verb),
    'nft',
  ];
  await shell(
    host,
    `touch /run/started
     for name in ${names.join(' ')}; do
       real=$(readlink /run/bin/$name || echo /usr/sbin/$name)
       printf '#!/bin/sh\\necho %s "$@" >> /run/started\\nexec %s "$@"\\n' $name $real > /run/bin/$name.new
       chmod +x /run/bin/$name.new
       mv /run/bin/$name.new /run/bin/$name
     done`,
  );
  return async () => (await host.readFile('/run/started')).split('\n').filter(line => line !== '');
}

/** Our rules and others', without what differs from moment to moment; a table that holds nothing counts as absent. */
export async function firewallOf(host: Host): Promise<string> {
  const texts = await Promise.all(
    ['iptables-legacy-save', 'iptables-nft-save', 'nft list ruleset'].map(command => host.run(command)),
  );
  return texts
    .join('')
    .replace(/^#.*\n/gm, '')
    .replace(/\[\d+:\d+\]/g, '[0:0]')
    .replace(/counter packets \d+ bytes \d+/g, 'counter');
}

/** What `iptables-save` prints, by table. */
export async function savedTables(host: Host): Promise<Record<string, string>> {
  return tablesOf(await host.run('iptables-save'));
}

export function tablesOf(saved: string): Record<string, string> {
  const text = saved.replace(/^#.*\n/gm, '').replace(/\[\d+:\d+\]/g, '[0:0]');
  return Object.fromEntries(
    [...text.matchAll(/^\*(\w+)\n([\s\S]*?)^COMMIT$/gm)].map(match => [match[1], match[2]]),
  );
}

/** A text of test/golden/traffic, whose host has 10.2.1.0/24, as it is for the host of another subnet. */
export function goldenFor(file: string, subnet: string): string {
  const golden = path.join(import.meta.dirname, '../golden/traffic', file);
  return readFileSync(golden, 'utf8').replaceAll('10.2.1.0/24', subnet);
}

export interface Outside {
  readonly netns: Netns;
  readonly address: string;
  readonly port: number;
}

/** Somebody at the switch who answers every connection with the address that it comes from. */
export async function startOutside(scope: Scope, underlay: Underlay): Promise<Outside> {
  const netns = await createNetns(scope, 'outside');
  const { address } = await underlay.plugIn(netns);
  const port = 8080;
  await serveTcp(netns, port);
  return { netns, address, port };
}
