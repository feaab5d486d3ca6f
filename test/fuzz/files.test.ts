/** What lies in the directory registry, where any hand may write, and what the firewall's programs print. */

import { parseFile, renderFile } from '../../src/registry/directory-entry.ts';
import {
  compactJournal,
  parseChanges,
  parseJournal,
  renderChange,
  renderJournal,
} from '../../src/registry/directory-journal.ts';
import { keyOfPath } from '../../src/registry/directory-key.ts';
import { iptablesTarget, iptablesWords, parseIptablesSave } from '../../src/traffic/iptables-save.ts';
import { parseNftListing } from '../../src/traffic/nft-listing.ts';
import { fuzzBytes, fuzzText } from './fuzz.ts';

const utf8 = new TextEncoder();
const expiresAtMs = Date.UTC(2026, 10, 25);
const lease = '{"PublicIP":"192.0.2.1","PublicIPv6":null,"BackendType":"vxlan"}';

const files = [
  renderFile({ value: lease, revision: 12n, expiresAtMs }),
  renderFile({ value: 'not JSON', revision: 1n, expiresAtMs: undefined }),
  '{"revision": 3, "value": {"a": [1, {"b": null}]}, "expires": "2026-11-25"}',
  '{ "Network": "10.2.0.0/16" }\n',
];

const deep = `{"revision": 3, "value": ${'['.repeat(5_000)}${']'.repeat(5_000)}}`;

fuzzBytes(
  'a file of the directory',
  [...files, deep].map(text => utf8.encode(text)),
  bytes => {
    const entry = parseFile(bytes);
    return [entry, renderFile({ ...entry, revision: entry.revision ?? 1n })];
  },
);

const entry = { key: 'subnets/10.2.14.0-24', value: lease, revision: 1n, permanent: false };
const journal = renderJournal({
  header: { id: 'a1', base: 1n },
  checkpoint: [{ entry, expiresAtMs }],
  changes: [
    { type: 'put', entry: { ...entry, revision: 2n, permanent: true }, expiresAtMs: undefined },
    { type: 'delete', key: entry.key, revision: 3n },
  ],
});

fuzzText('a journal', [journal], text => {
  const read = parseJournal(text);
  return [read, renderJournal(compactJournal(read, 1))];
});
fuzzText('lines of a journal', [journal.slice(journal.indexOf('\n') + 1)], text =>
  parseChanges(text).map(renderChange),
);
fuzzText('a path in the directory', ['subnets/10.2.14.0-24', 'config.json'], keyOfPath);

const saved =
  '# Generated\n*nat\n:POSTROUTING ACCEPT [0:0]\n:FLANNEL-POSTRTG - [0:0]\n' +
  '[7:420] -A POSTROUTING -m comment --comment "flanneld \\"masq\\"" -j FLANNEL-POSTRTG\nCOMMIT\n';
fuzzText('what iptables-save prints', [saved], text => {
  const state = parseIptablesSave(text);
  const rules = [...state.values()].flatMap(chains => [...chains.values()].flatMap(chain => chain.rules));
  return [state, rules.map(iptablesWords), rules.map(iptablesTarget)];
});

const listed = JSON.stringify({
  nftables: [
    { metainfo: { version: '1.0.6', json_schema_version: 1 } },
    { table: { family: 'ip', name: 'flannel-ipv4', handle: 1 } },
    {
      chain: {
        family: 'ip',
        table: 'flannel-ipv4',
        name: 'postrtg',
        type: 'nat',
        hook: 'postrouting',
        prio: 100,
      },
    },
    { rule: { family: 'ip', table: 'flannel-ipv4', chain: 'postrtg', handle: 3, expr: [{ accept: null }] } },
    {
      set: {
        family: 'ip',
        table: 'flannel-ipv4',
        name: 'vtep-peers',
        type: 'ipv4_addr',
        elem: ['192.0.2.1'],
      },
    },
    { counter: { family: 'ip', table: 'flannel-ipv4', name: 'dropped', packets: 1, bytes: 60 } },
  ],
});
fuzzText('what nft prints', [listed], parseNftListing);
