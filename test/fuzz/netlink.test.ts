/** What the kernel sends: messages, attributes, and every object in them; the samples are the kernel's own. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { ByteWriter } from '../../src/base/bytes.ts';
import { addresses } from '../../src/kernel/addresses.ts';
import { fdb } from '../../src/kernel/fdb.ts';
import { links } from '../../src/kernel/links.ts';
import { neighbours } from '../../src/kernel/neighbours.ts';
import { nextHops } from '../../src/kernel/next-hops.ts';
import { routes } from '../../src/kernel/routes.ts';
import { modelOf } from '../../src/kernel/snapshot.ts';
import { objectCommand } from '../../src/state/describe.ts';
import { addressDump } from '../../src/wire/address.ts';
import { eachAttribute, readString } from '../../src/wire/attributes.ts';
import { isBridgePortMessage, linkDump } from '../../src/wire/link.ts';
import { fdbDump, neighbourDump } from '../../src/wire/neighbour.ts';
import {
  decodeMessages,
  decodeVerdict,
  encodeMessage,
  type NetlinkMessage,
  type NetlinkRequest,
  NLM_F,
  NLMSG,
} from '../../src/wire/netlink.ts';
import { nextHopDump } from '../../src/wire/next-hop.ts';
import { decodeNftNotice } from '../../src/wire/nftables.ts';
import { routeDump } from '../../src/wire/route.ts';
import { openSide } from '../kernel/netlink-pair.ts';
import { testScope } from '../support/leaks.ts';
import { fuzzBytes } from './fuzz.ts';

const side = await openSide(testScope({ after }), 'samples', [
  'link add eth0 mtu 1500 type veth peer name far',
  'link add br0 type bridge',
  'link set far master br0',
  'link set eth0 alias uplink up',
  'link set far up',
  'address add 192.0.2.1/24 dev eth0',
  'address add 2001:db8::1/64 dev eth0 nodad',
  'link add flannel.1 type vxlan id 1 dev eth0 local 192.0.2.1 dstport 8472 nolearning gbp',
  'link add vx6 type vxlan id 2 local 2001:db8::1 group ff02::2 dev eth0 dstport 4789 srcport 1000 2000',
  'link set flannel.1 up',
  'address add 10.2.1.0/32 dev flannel.1',
  'neigh add 10.2.2.0 lladdr 0a:00:00:00:00:02 dev flannel.1 nud permanent',
  'neigh add 2001:db8::2 lladdr 0a:00:00:00:00:03 dev eth0 nud stale',
  'route add 10.2.2.0/24 via 10.2.2.0 dev flannel.1 onlink',
  'route add 10.3.0.0/16 mtu 1400 src 192.0.2.1 metric 5 nexthop via 192.0.2.3 weight 2 nexthop via 192.0.2.4',
  'route add 10.4.0.0/16 via inet6 2001:db8::4 dev eth0',
  'route add blackhole 10.5.0.0/16',
  'nexthop add id 7 via 192.0.2.7 dev eth0',
  'nexthop add id 8 blackhole',
  'nexthop add id 9 group 7,3',
  'route add 10.6.0.0/16 nhid 9',
]);
await side.netns.run(
  'bridge fdb add 0a:00:00:00:00:02 dev flannel.1 dst 192.0.2.2 port 4789 vni 5 self permanent',
);

async function messages(request: NetlinkRequest): Promise<readonly NetlinkMessage[]> {
  const found: NetlinkMessage[] = [];
  const take = (message: NetlinkMessage) => found.push({ ...message, body: message.body.slice() });
  await side.socket.dump(request, take, () => {
    found.length = 0;
  });
  assert.ok(found.length > 0, request.what());
  return found;
}

const link = await messages(linkDump());
const address = await messages(addressDump());
const route = await messages(routeDump());
const neighbour = await messages(neighbourDump());
const fdbEntry = await messages(fdbDump());
const nextHop = await messages(nextHopDump());
const everything = [...link, ...address, ...route, ...neighbour, ...fdbEntry, ...nextHop];

const decoders = [
  ['a link', link, links.decode, 'link'],
  ['an address', address, addresses.decode, 'address'],
  ['a route', route, routes.decode, 'route'],
  ['a neighbour', neighbour, neighbours.decode, 'neighbour'],
  ['an FDB entry', fdbEntry, fdb.decode, 'fdb'],
  ['a next hop', nextHop, nextHops.decode, 'nexthop'],
] as const;

for (const [what, samples, decode, type] of decoders) {
  const [first] = samples;
  fuzzBytes(
    what,
    samples.map(message => message.body),
    body => {
      const value = decode({ ...(first as NetlinkMessage), body });
      if (value === undefined) return value;
      const object = modelOf({ type, value } as Parameters<typeof modelOf>[0], index => `dev${index}`);
      return [value, objectCommand('replace', object), objectCommand('delete', object)];
    },
  );
}

/** As the kernel frames them. */
function datagram(parts: readonly NetlinkMessage[]): Uint8Array {
  const writer = new ByteWriter();
  for (const part of parts) encodeMessage(writer, { ...part, what: () => '' }, part.sequence);
  return writer.toBytes();
}

const datagrams = [datagram(link.slice(0, 2)), datagram(route.slice(0, 6)), datagram(everything.slice(-4))];

fuzzBytes('a datagram', datagrams, bytes => {
  const found = [...decodeMessages(bytes)];
  for (const message of found) isBridgePortMessage(message);
  return found.length;
});

const attributes = link.map(({ body }) => body.subarray(16));
fuzzBytes('attributes', attributes, bytes => {
  const found: unknown[] = [];
  eachAttribute(bytes, 0, (type, value) => found.push(type, readString(value)));
  return found;
});

/** A refusal: errno, the request's header, then the kernel's words. */
const refusal = new ByteWriter()
  .u32le(-22 >>> 0)
  .u32le(20)
  .u16le(16)
  .u16le(5)
  .zeros(12)
  .u16le(12)
  .u16le(1)
  .bytes(new TextEncoder().encode('no way\0\0'))
  .toBytes();
const verdict = { type: NLMSG.ERROR, flags: NLM_F.ACK_TLVS, sequence: 1, portId: 0 };
for (const flags of [NLM_F.ACK_TLVS, NLM_F.ACK_TLVS | NLM_F.CAPPED, 0]) {
  for (const type of [NLMSG.ERROR, NLMSG.DONE]) {
    fuzzBytes(`a verdict of type ${type} with flags ${flags}`, [refusal], body =>
      decodeVerdict({ ...verdict, type, flags, body }),
    );
  }
}

/** NEWTABLE, NEWCHAIN, NEWRULE and NEWGEN of the nftables subsystem: nfgenmsg, then attributes. */
const notice = new ByteWriter()
  .u8(2)
  .zeros(3)
  .u16le(12)
  .u16le(1)
  .bytes(new TextEncoder().encode('flannel\0'))
  .u16le(8)
  .u16le(2)
  .zeros(4)
  .u16le(8)
  .u16le(3)
  .bytes(new TextEncoder().encode('nft\0'))
  .toBytes();
for (const number of [0, 3, 6, 15]) {
  fuzzBytes(`a notice of nftables, ${number}`, [notice], body =>
    decodeNftNotice({ ...verdict, type: (10 << 8) | number, body }),
  );
}

test('the samples are what they are taken for', () => {
  for (const [what, samples, decode] of decoders) {
    assert.ok(
      samples.every(message => decode(message) !== undefined || what !== 'an address'),
      what,
    );
    assert.ok(
      samples.some(message => decode(message) !== undefined),
      what,
    );
  }
  assert.equal(decodeVerdict({ ...verdict, body: refusal }).text, 'no way');
});
