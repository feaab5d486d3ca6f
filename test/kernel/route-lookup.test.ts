/** What we think of the kernel's routing, against what the kernel does: random rules and routes, in both families. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Family, IpAddress } from '../../src/base/ip.ts';
import { links } from '../../src/kernel/links.ts';
import { nextHops } from '../../src/kernel/next-hops.ts';
import { decideRoute, type KernelDecision } from '../../src/kernel/route-decision.ts';
import { routes } from '../../src/kernel/routes.ts';
import { rules } from '../../src/kernel/rules.ts';
import { modelOf, namesOf } from '../../src/kernel/snapshot.ts';
import { type Decision, type Flow, lookupRoute, type RoutingTables } from '../../src/state/lookup.ts';
import type { Route } from '../../src/wire/route.ts';
import type { Rule } from '../../src/wire/rule.ts';
import { ruleDeleteCommand, ruleText } from '../../src/wire/rule-text.ts';
import { testScope } from '../support/leaks.ts';
import { linesOf, openSide, type Side } from './netlink-pair.ts';

const devices = ['a0', 'a1', 'a2'];
const setup = [
  ...devices.flatMap((name, index) => [
    `link add ${name} type veth peer name ${name}p`,
    `link set ${name} addrgenmode none`,
    `link set ${name}p addrgenmode none up`,
    `link set ${name} up`,
    `addr add 192.0.${index}.1/24 dev ${name}`,
    `addr add 2001:db8:${index}::1/64 dev ${name} nodad`,
  ]),
  'addr add 10.0.0.1/32 dev a0',
  'addr add fd00:a::1/128 dev a0 nodad',
];

const words = {
  4: {
    ip: '',
    gateway: (dev: number) => `192.0.${dev}.9`,
    from: ['10.0.0.1', '192.0.1.1'],
    outside: '203.0.113.9',
  },
  6: {
    ip: '-6 ',
    gateway: (dev: number) => `2001:db8:${dev}::9`,
    from: ['fd00:a::1', '2001:db8:1::1'],
    outside: '2001:db8:ff::9',
  },
} as const;

/** A small space, so that prefixes meet: 10.1.0.0 to 10.1.0.255, fd00:1::0 to fd00:1::ff. */
function address(family: Family, host: number): IpAddress {
  return (family === 4 ? `10.1.0.${host}` : `fd00:1::${host.toString(16)}`) as IpAddress;
}

function prefix(family: Family, host: number, shorter: number): string {
  const masked = host & (0xff << shorter) & 0xff;
  return `${address(family, masked)}/${(family === 4 ? 32 : 128) - shorter}`;
}

const host = fc.integer({ min: 0, max: 255 });
const shorter = fc.integer({ min: 0, max: 8 });
const table = fc.constantFrom('100', '101', 'main');
const device = fc.integer({ min: 0, max: 2 });

function arbitraryRoute(family: Family): fc.Arbitrary<string> {
  const { gateway } = words[family];
  const way = fc.oneof(
    { weight: 4, arbitrary: device.map(dev => `DST via ${gateway(dev)} dev a${dev}`) },
    { weight: 2, arbitrary: device.map(dev => `DST dev a${dev}`) },
    {
      weight: 1,
      arbitrary: fc.constant(`DST nexthop via ${gateway(0)} dev a0 nexthop via ${gateway(1)} dev a1`),
    },
    {
      weight: 1,
      arbitrary: fc.constantFrom('blackhole DST', 'unreachable DST', 'prohibit DST', 'throw DST'),
    },
  );
  const tos = family === 4 ? fc.constantFrom('', '', '', 'tos 0x10') : fc.constant('');
  return fc
    .tuple(way, fc.option(fc.tuple(host, shorter), { freq: 8 }), table, fc.integer({ min: 1, max: 3 }), tos)
    .map(([text, at, into, metric, service]) => {
      const dst = at === null ? 'default' : prefix(family, ...at);
      const [head = '', hops = ''] = text.split(/(?= nexthop)/s, 2).length > 1 ? split(text) : [text];
      return `route add ${head.replace('DST', dst)} table ${into} metric ${metric} ${service}${hops}`;
    });
}

function split(text: string): [string, string] {
  const at = text.indexOf(' nexthop');
  return [text.slice(0, at), text.slice(at)];
}

function arbitraryRule(family: Family): fc.Arbitrary<string> {
  const condition = fc.oneof(
    fc.tuple(host, shorter).map(at => `to ${prefix(family, ...at)}`),
    fc.constantFrom(...words[family].from).map(one => `from ${one}`),
    fc.constantFrom('iif lo', 'iif a0', 'oif a1', 'fwmark 0x10/0xf0', 'fwmark 7', 'tos 0x10', 'iif gone'),
    fc.constantFrom('ipproto tcp', 'uidrange 7-9'),
  );
  const action = fc.oneof(
    { weight: 6, arbitrary: table.map(one => `lookup ${one}`) },
    {
      weight: 2,
      arbitrary: fc
        .tuple(table, fc.integer({ min: 0, max: 31 }))
        .map(([one, length]) => `lookup ${one} suppress_prefixlength ${length}`),
    },
    { weight: 1, arbitrary: fc.constantFrom('blackhole', 'unreachable', 'prohibit', 'nop', 'goto 32766') },
  );
  return fc
    .tuple(
      fc.integer({ min: 1, max: 40 }),
      fc.boolean(),
      fc.uniqueArray(condition, { maxLength: 2, selector: text => text.split(' ')[0] }),
      action,
    )
    .map(([priority, not, conditions, act]) => {
      const negated = not && conditions.length > 0 ? 'not ' : '';
      return `rule add priority ${priority} ${negated}${conditions.join(' ')} ${act}`;
    });
}

interface Question {
  readonly host: number;
  readonly source: number | undefined;
  readonly iif: boolean;
  readonly oif: string | undefined;
  readonly mark: number;
  readonly tos: number;
}

const question: fc.Arbitrary<Question> = fc.record({
  host,
  source: fc.constantFrom(undefined, 0, 1),
  iif: fc.boolean(),
  oif: fc.constantFrom(undefined, undefined, 'a1'),
  mark: fc.constantFrom(0, 0, 7, 0x13),
  tos: fc.constantFrom(0, 0, 0x10),
});

function flowOf(family: Family, { host: number, source, iif, oif, mark, tos }: Question): Flow {
  const { from, outside } = words[family];
  const of = { family, destination: address(family, number), mark, tos };
  if (iif) return { ...of, source: outside as IpAddress, iif: 'a2', oif: undefined };
  return {
    ...of,
    source: (source === undefined ? undefined : from[source]) as IpAddress | undefined,
    iif: undefined,
    oif,
  };
}

async function readTables({
  socket,
}: Side): Promise<{ tables: RoutingTables; indexOf: (name: string) => number }> {
  const all = await links.list(socket);
  const name = namesOf(all);
  const value = async (family: Family) =>
    (await routes.list(socket, { family })).map(
      route => modelOf({ type: 'route', value: route }, name).value as Route<string>,
    );
  const tables: RoutingTables = {
    rules: [...(await rules.list(socket, { family: 4 })), ...(await rules.list(socket, { family: 6 }))],
    routes: [...(await value(4)), ...(await value(6))],
    nextHops: (await nextHops.list(socket)).map(({ dev, ...hop }) => ({
      ...hop,
      dev: dev === undefined ? undefined : name(dev),
    })),
    usable: new Set(all.filter(({ up }) => up).map(link => link.name)),
  };
  return { tables, indexOf: wanted => all.find(link => link.name === wanted)?.index ?? 0 };
}

const errnoOf = { blackhole: 'EINVAL', unreachable: 'EHOSTUNREACH', prohibit: 'EACCES' } as const;

/** As one comparable line. */
function ours(decision: Decision): string {
  switch (decision.type) {
    case 'route':
      return routeLine(decision.route);
    case 'refused': {
      const byRule = decision.verdict === 'unreachable' && decision.route === undefined;
      return byRule ? 'ENETUNREACH' : errnoOf[decision.verdict];
    }
    case 'assumed':
      return `on ${decision.dev} without a route`;
    case 'none':
      return 'ENETUNREACH';
  }
}

function theirs(decision: KernelDecision, name: (index: number) => string): string {
  if (decision.type === 'refused') return decision.errno;
  const { entry, way } = decision;
  if (entry === undefined) return `on ${name(way.dev ?? 0)} without a route`;
  return routeLine(entry);
}

function routeLine({ dst, table: at, metric = 0, type, tos }: Route<string | number>): string {
  return `${type} ${dst} table ${at} metric ${metric} tos ${tos}`;
}

/** Asked for a device, IPv6 passes over a route that leads nowhere: it is on the loopback. */
const throwAside: [string[], string[], Question[]] = [
  [
    'route add default table main metric 1 via 2001:db8:1::9 dev a1',
    'route add throw fd00:1::20/128 table main metric 1',
  ],
  [],
  [{ host: 32, source: undefined, iif: false, oif: 'a1', mark: 0, tos: 0 }],
];

for (const family of [4, 6] as const) {
  test(`the model decides as the kernel does, whatever rules and routes there are: IPv${family}`, async t => {
    const side = await openSide(testScope(t), 'router', setup);
    const { netns, socket } = side;
    await netns.run(
      'sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.a2.rp_filter=0',
    );
    const ip = ['ip', `-${family}`];
    const world = fc.tuple(
      fc.array(arbitraryRoute(family), { minLength: 1, maxLength: 14 }),
      fc.array(arbitraryRule(family), { maxLength: 6 }),
      fc.array(question, { minLength: 6, maxLength: 12 }),
    );
    const seen = new Map<string, number>();
    await fc.assert(
      fc.asyncProperty(world, async ([someRoutes, someRules, questions]) => {
        // Some are refused because they are there already.
        const input = `${[...someRoutes, ...someRules].join('\n')}\n`;
        await netns.run([...ip, '-force', '-batch', '-'], { input }).catch(() => {});
        try {
          const { tables, indexOf } = await readTables(side);
          const name = namesOf(await links.list(socket));
          for (const one of questions) {
            const flow = flowOf(family, one);
            const index = (dev: string | undefined) => (dev === undefined ? undefined : indexOf(dev));
            const kernel = await decideRoute(socket, { ...flow, iif: index(flow.iif), oif: index(flow.oif) });
            const decision = lookupRoute(tables, flow);
            seen.set(decision.type, (seen.get(decision.type) ?? 0) + 1);
            assert.equal(ours(decision), theirs(kernel, name), `${JSON.stringify(flow)}\n${input}`);
          }
        } finally {
          await netns
            .run([
              'sh',
              '-c',
              `${ip.join(' ')} rule flush; ${ip.join(' ')} rule add priority 32766 lookup main; ${[100, 101].map(n => `${ip.join(' ')} route flush table ${n}`).join('; ')}; ${ip.join(' ')} route flush metric 1; ${ip.join(' ')} route flush metric 2; ${ip.join(' ')} route flush metric 3; ${ip.join(' ')} rule add priority 0 lookup local; ${family === 4 ? 'ip rule add priority 32767 lookup default' : 'true'}`,
            ])
            .catch(() => {});
        }
      }),
      { numRuns: 60, examples: family === 6 ? [[throwAside]] : [] },
    );
    assert.ok((seen.get('route') ?? 0) > 50 && (seen.get('refused') ?? 0) > 5, JSON.stringify([...seen]));
  });
}

test('rules are told as iproute2 tells them, and the line that deletes one is true', async t => {
  const { netns, socket } = await openSide(testScope(t), 'rules', setup);
  const lines = [
    'from 10.1.0.0/16 to 10.2.0.0/24 lookup 100',
    'not from 10.1.2.3 iif a0 oif a1 lookup main suppress_prefixlength 0',
    'fwmark 0x10/0xf0 goto 32766',
    'fwmark 7 prohibit',
    'to 0.0.0.0/4 iif gone nop',
    'tos 0x10 blackhole',
    'ipproto tcp sport 7 dport 80-90 lookup default',
    'uidrange 1-99 unreachable',
    'goto 9999',
    'lookup 70000 protocol 99',
  ];
  const plain = (text: string) =>
    linesOf(text).map(line => line.replace('\t', ' ').replace(/ \[[a-z]+\]| proto \S+/g, ''));
  for (const family of [4, 6] as const) {
    const own = lines.filter(line => family === 4 || !/10\.|0\.0/.test(line));
    for (const [index, line] of own.entries())
      await netns.run(`ip -${family} rule add priority ${100 + index} ${line}`);
    const all = await rules.list(socket, { family });
    assert.deepEqual(
      all.map(ruleText).map(text => text.replace('goto none', 'goto 9999')),
      plain(await netns.run(`ip -${family} rule show`)),
    );
    const made = all.filter(({ priority }) => priority >= 100 && priority < 200);
    assert.equal(made.length, own.length);
    for (const rule of made.filter(one => !isUnresolved(one))) await netns.run(ruleDeleteCommand(rule));
    assert.deepEqual(
      (await rules.list(socket, { family }))
        .filter(({ priority }) => priority >= 100 && priority < 200)
        .map(isUnresolved),
      [true],
    );
  }
});

function isUnresolved({ action }: Rule): boolean {
  return action.type === 'goto' && action.priority === undefined;
}
