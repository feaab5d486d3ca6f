import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '../../../src/base/errors.ts';
import { parseIp } from '../../../src/base/ip.ts';
import type { KernelDecision } from '../../../src/kernel/route-decision.ts';
import { culpritOf, type Hop, type Trace } from '../../../src/trace/hop.ts';
import { traceFlow } from '../../../src/trace/trace-flow.ts';
import type { KernelView } from '../../../src/trace/view.ts';
import { parseIptablesSave } from '../../../src/traffic/iptables-save.ts';
import { emptyListing } from '../../../src/traffic/nft-listing.ts';
import { outline, route, rule, tables, trace, unread, view } from './views.ts';

const there = '10.2.14.3';
const container = '10.2.1.2';

function hopOf({ hops }: Trace, kind: Hop['kind']): Hop {
  return hops.find(hop => hop.kind === kind) ?? assert.fail(`no ${kind} in ${hops.map(hop => hop.kind)}`);
}

test('with the kernel alone the way is followed to the wire, and the other half is said not to be known', () => {
  assert.deepEqual(outline(trace(view(), there, container)), [
    ...['lease unknown', 'container passes', 'port unknown', 'bridge passes', 'forwarding passes'],
    ...['rule passes', 'route passes', 'firewall passes', 'device passes', 'neighbour passes', 'fdb passes'],
    ...[
      'headers passes',
      'rule passes',
      'route passes',
      'firewall passes',
      'device passes',
      'neighbour unknown',
    ],
    'host unknown',
  ]);
});

test('the walk says what it would ask the kernel: for the packet, and for the one around it', () => {
  const { asked } = traceFlow(view(), unread, { destination: parseIp(there), from: undefined });
  assert.deepEqual([...asked.keys()], ['10.2.14.3   ', '192.0.2.14 192.0.2.1  eth0']);
});

test('where the kernel decides otherwise than its tables read, that is said, and its decision is followed', () => {
  const other = route('10.2.14.0/24', { gateway: parseIp('192.0.2.9'), dev: 'eth0', metric: 5 });
  const decision: KernelDecision<string> = {
    type: 'way',
    way: other,
    entry: other,
    source: parseIp('192.0.2.1'),
  };
  const found = trace(view({ decisions: new Map([['10.2.14.3   ', decision]]) }), there);
  const hop = hopOf(found, 'route');
  assert.equal(hop.verdict, 'doubtful');
  assert.match(
    hop.cause ?? '',
    /the kernel decides so; its tables read as if it were 10\.2\.14\.0\/24 via 10\.2\.14\.0/,
  );
  assert.equal(hop.entries[0]?.line, '10.2.14.0/24 via 192.0.2.9 dev eth0 metric 5');
  assert.equal(found.carriage, 'outside');
});

const refusals: ReadonlyArray<readonly [string, string, RegExp, string[]]> = [
  ['EXDEV', '192.0.2.7', /reverse path filter/, ['sysctl -w net/ipv4/conf/docker0/rp_filter=2']],
  ['EINVAL', '192.0.2.7', /takes no packet from 10\.2\.1\.2/, []],
];
test('a packet that the kernel refuses for its source is told apart from one that no route takes', () => {
  for (const [errno, to, cause, commands] of refusals) {
    const decisions = new Map([[`${to} ${container} docker0 `, { type: 'refused', errno } as const]]);
    const culprit = culpritOf(trace(view({ decisions }), to, container).hops);
    assert.match(culprit?.cause ?? '', cause);
    assert.deepEqual(culprit?.remedy?.commands, commands);
  }
});

test('of several ways the one is shown that the kernel takes for this packet', () => {
  const hops = ['192.0.2.7', '192.0.2.8'].map(gateway => ({
    gateway: parseIp(gateway),
    dev: 'eth0',
    onlink: false,
    weight: 1,
  }));
  const many = route('198.51.100.0/24', { multipath: hops });
  const way = route('198.51.100.1/32', { gateway: parseIp('192.0.2.8'), dev: 'eth0' });
  const decision: KernelDecision<string> = { type: 'way', way, entry: many, source: parseIp('192.0.2.1') };
  const decisions = new Map([['198.51.100.1   ', decision]]);
  const found = trace(
    view({ tables: { ...tables, routes: [...tables.routes, many] }, decisions }),
    '198.51.100.1',
  );
  assert.equal(hopOf(found, 'route').text, 'of 2 ways this packet takes to 192.0.2.8 on eth0');
});

test('rules on what a trace does not know are named, because other packets may take them', () => {
  const rules = [
    rule(0, 255),
    rule(50, 77, { mark: { value: 7, mask: 255 } }),
    rule(60, 77, { others: ['dport 53'] }),
    rule(32766, 254),
  ];
  const found = trace(view({ tables: { ...tables, rules } }), there);
  assert.equal(
    hopOf(found, 'rule').text,
    'other packets may take: 50: from all fwmark 0x7/0xff lookup 77; 60: from all dport 53 lookup 77',
  );
});

test('a route by next-hop object is followed through the object, and through its group', () => {
  const nextHops = [
    { id: 5, gateway: parseIp('10.2.14.0'), dev: 'flannel.1' },
    { id: 9, group: [{ id: 5, weight: 1 }] },
  ];
  for (const nextHopId of [5, 9]) {
    const routes = [route('10.2.14.0/24', { nextHopId }), ...tables.routes.slice(1)];
    const found = trace(view({ tables: { ...tables, routes, nextHops } }), there);
    assert.equal(found.carriage, 'vxlan', String(nextHopId));
  }
});

function filtered(text: string): KernelView {
  return view({ firewall: { iptables: [parseIptablesSave(text)], nft: emptyListing, unread: undefined } });
}

const filters: ReadonlyArray<readonly [string, string, string]> = [
  ['nothing but accepting', '*filter\n:FORWARD ACCEPT [0:0]\nCOMMIT', 'passes'],
  ['a policy', '*filter\n:FORWARD DROP [0:0]\nCOMMIT', 'broken'],
  [
    'a rule',
    '*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -s 10.2.0.0/16 -o flannel.1 -j REJECT\nCOMMIT',
    'broken',
  ],
  [
    'a policy behind a rule on ports',
    '*filter\n:FORWARD DROP [0:0]\n-A FORWARD -p tcp -m tcp --dport 80 -j ACCEPT\nCOMMIT',
    'unknown',
  ],
  [
    'a rule for others',
    '*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -s 10.9.0.0/16 -j DROP\nCOMMIT',
    'passes',
  ],
];
test('the firewall breaks the way only where it is sure to', () => {
  for (const [name, text, verdict] of filters)
    assert.equal(hopOf(trace(filtered(text), there, container), 'firewall').verdict, verdict, name);
});

test('a firewall that cannot be read, and a container that nobody has heard of, are no faults', () => {
  const blind = view({
    firewall: { iptables: [], nft: emptyListing, unread: 'iptables was not found' },
    neighbours: view().neighbours.slice(0, 1),
  });
  const found = trace(blind, there, '10.2.1.9');
  assert.equal(found.verdict, 'passes');
  assert.equal(hopOf(found, 'firewall').text, 'it could not be read: iptables was not found');
  assert.equal(
    hopOf(found, 'container').text,
    '10.2.1.9: it has not been heard of on docker0 yet; its own routes cannot be seen from here',
  );
});

const masquerading =
  '*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -s 10.2.1.0/24 ! -o docker0 -j MASQUERADE\nCOMMIT';
test('masquerading is right towards the outside and wrong between containers', () => {
  assert.equal(
    hopOf(trace(filtered(masquerading), '198.51.100.1', container), 'masquerade').verdict,
    'passes',
  );
  assert.equal(hopOf(trace(filtered(masquerading), there, container), 'masquerade').verdict, 'doubtful');
  assert.equal(hopOf(trace(view(), '198.51.100.1', container), 'masquerade').verdict, 'doubtful');
});

test('two containers of one bridge meet no route', () => {
  const kinds = trace(view(), '10.2.1.7', container).hops.map(({ kind }) => kind);
  assert.ok(!kinds.includes('route') && !kinds.includes('forwarding'), kinds.join());
});

test('a VXLAN device that sends from another namespace is followed as far as that', () => {
  const links = view().links.map(one =>
    one.name === 'flannel.1' ? { ...one, parentNetnsId: 3, below: undefined } : one,
  );
  const { hops } = trace(view({ links }), there);
  assert.match(hops.findLast(({ kind }) => kind === 'host')?.text ?? '', /not known/);
  assert.ok(hops.some(({ text }) => /sends from another network namespace/.test(text)));
});

test('what is neither this host nor behind one of its devices cannot be where a trace begins', () => {
  for (const from of [there, '203.0.113.1'])
    assert.throws(
      () => trace(view(), '10.2.1.2', from),
      error => hasCode(error, 'trace-from-elsewhere'),
      from,
    );
});

test('devices that are down, absent or without anything at their other end are named', () => {
  const changed = (name: string, more: object) =>
    view({ links: view().links.map(one => (one.name === name ? { ...one, ...more } : one)) });
  const cases: ReadonlyArray<readonly [KernelView, RegExp]> = [
    [changed('docker0', { up: false }), /docker0 is down/],
    [changed('docker0', { carrier: false }), /no port of docker0 is up/],
    [changed('flannel.1', { up: false }), /flannel\.1 is down/],
    [changed('eth0', { carrier: false }), /eth0 has no carrier/],
  ];
  for (const [of, cause] of cases)
    assert.match(culpritOf(trace(of, there, container).hops)?.cause ?? '', cause);
});

test("an address inside the network is nobody's only when the registry could be read", () => {
  const known = { ...unread, unread: undefined };
  assert.equal(hopOf(trace(view(), '10.2.77.1', undefined, known), 'lease').verdict, 'broken');
  assert.equal(hopOf(trace(view(), '10.2.77.1'), 'lease').verdict, 'unknown');
});
