import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIp } from '../../src/base/ip.ts';
import { parsePrefix } from '../../src/base/prefix.ts';
import { abilities } from '../../src/tunnel/abilities.ts';
import { encodeIpv4, ipProtocols } from '../../src/wire/ipv4.ts';
import { encodeUdp } from '../../src/wire/udp.ts';
import { eventually } from '../support/eventually.ts';
import { testScope } from '../support/leaks.ts';
import { listenForDatagrams, sendDatagram } from './traffic-datagrams.ts';
import { openTunnelPair, routesTo, tunnelPort } from './tunnel-pair.ts';

function packet(source: string, text: string): Uint8Array {
  const ends = { source: parseIp(source), destination: parseIp('10.5.2.1') };
  const udp = encodeUdp({ sourcePort: 1000, destinationPort: 7000 }, new TextEncoder().encode(text), ends);
  return encodeIpv4({ ...ends, protocol: ipProtocols.udp }, udp);
}

test('only peers are heard, only with sources of their own subnet, and the rest is counted', async t => {
  const scope = testScope(t);
  for (const without of [[], abilities]) {
    const { a, b } = await openTunnelPair(scope, { without });
    const heard = await listenForDatagrams(b.netns, 7000);
    const send = (bytes: Uint8Array): Promise<void> =>
      sendDatagram(a.netns, { address: '192.0.2.2', port: tunnelPort }, bytes);
    const whole = packet('10.5.1.77', 'from a peer');
    await send(whole);
    await heard.waitForOutput(/from a peer/);
    const damaged = whole.with(10, (whole[10] ?? 0) ^ 1);
    const cases: ReadonlyArray<readonly [string, Uint8Array]> = [
      ['foreign-source', packet('10.5.3.77', 'spoofed')],
      ['foreign-source', packet('10.5.2.1', 'from itself')],
      ['foreign-source', packet('192.0.2.1', 'outside')],
      ['truncated', whole.subarray(0, -1)],
      ['truncated', new Uint8Array()],
      ['truncated', Uint8Array.of(0x45)],
      ['trailing-bytes', Uint8Array.of(...whole, 0)],
      ['header-checksum', damaged],
      ['not-ip', new Uint8Array(100)],
      ['not-ip', new Uint8Array(60_000).fill(0xff)],
    ];
    for (const [reason, bytes] of cases) {
      const before = b.tunnel.counters().drops[reason] ?? 0;
      await send(bytes);
      await eventually(`a drop as ${reason}`, () => b.tunnel.counters().drops[reason] === before + 1);
    }
    await b.tunnel.change({ set: [], unset: routesTo(1).map(({ dst }) => dst) });
    await send(packet('10.5.1.77', 'no peer any more'));
    await eventually('a drop', () => b.tunnel.counters().drops['unknown-sender'] === 1);
    await b.tunnel.change({ set: routesTo(1), unset: [] });
    await send(packet('10.5.1.77', 'a peer again'));
    await heard.waitForOutput(/a peer again/);
    assert.deepEqual(heard.output.match(/spoofed|itself|outside|any more/g), null);
  }
});

test('the longest prefix says who is whose', async t => {
  const { a, b } = await openTunnelPair(testScope(t));
  const heard = await listenForDatagrams(b.netns, 7000);
  const nobody = parseIp('192.0.2.99');
  await b.tunnel.change({ set: [{ dst: parsePrefix('10.5.1.128/25'), peer: nobody }], unset: [] });
  const to = { address: '192.0.2.2', port: tunnelPort };
  await sendDatagram(a.netns, to, packet('10.5.1.200', 'of another'));
  await eventually('a drop', () => b.tunnel.counters().drops['foreign-source'] === 1);
  await sendDatagram(a.netns, to, packet('10.5.1.100', 'of its own'));
  await heard.waitForOutput(/of its own/);
  await b.tunnel.change({ set: [], unset: [parsePrefix('10.5.1.128/25')] });
  await sendDatagram(a.netns, to, packet('10.5.1.200', 'given back'));
  await heard.waitForOutput(/given back/);
  assert.doesNotMatch(heard.output, /of another/);
});
