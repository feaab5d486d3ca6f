import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeSubnet } from '../../../src/lease/judge.ts';
import type { Lease } from '../../../src/lease/lease.ts';
import { formatLeaseAttrs } from '../../../src/lease/lease-attrs.ts';
import type { WatchedLease } from '../../../src/registry/subnet-watch.ts';
import { quiet } from './clocks.ts';
import { attrsOf, createHost, subnetOf, type TestHost, usualConfig } from './subnets.ts';

const own: Lease = { subnet: subnetOf('10.2.4.0/24'), attrs: attrsOf('192.168.3.4'), permanent: false };

interface Watching {
  readonly host: TestHost;
  /** What was told since the last call, one short line each. */
  told(): Promise<string[]>;
  put(key: string, publicIp: string): Promise<void>;
}

/** Watches as the host 192.168.3.4, with one peer there at the start. */
async function watching(body: (watching: Watching) => Promise<void>): Promise<void> {
  const host = createHost();
  const put = async (key: string, publicIp: string): Promise<void> => {
    await host.store.put(`subnets/${key}`, formatLeaseAttrs(attrsOf(publicIp)), undefined);
  };
  await put('10.2.4.0-24', '192.168.3.4');
  await put('10.2.5.0-24', '192.168.3.5');
  const controller = new AbortController();
  const told: string[] = [];
  const reading = (async () => {
    const options = { config: usualConfig, own, signal: controller.signal };
    for await (const event of host.manager.watchLeases(options)) told.push(outline(event));
  })();
  try {
    const take = async (): Promise<string[]> => {
      await quiet();
      return told.splice(0);
    };
    assert.deepEqual(await take(), ['snapshot 10.2.5.0/24=192.168.3.5', 'own 192.168.3.4']);
    await body({ host, told: take, put });
  } finally {
    controller.abort();
    await reading;
  }
}

function outline(event: WatchedLease): string {
  const show = (lease: Lease): string => `${describeSubnet(lease.subnet)}=${lease.attrs.publicIp}`;
  switch (event.type) {
    case 'snapshot':
      return ['snapshot', ...event.leases.map(show)].join(' ');
    case 'put':
      return `put ${show(event.lease)}`;
    case 'removed':
      return `removed ${describeSubnet(event.subnet)}${event.replacedBy ? `, replaced by ${show(event.replacedBy)}` : ''}`;
    case 'own':
      return `own ${event.lease?.attrs.publicIp}`;
    case 'refused':
      return `refused ${show(event.lease)}: ${event.why}`;
    case 'state':
      return `state ${event.connected}${event.cause === undefined ? '' : `: ${event.cause.message}`}`;
  }
}

test('peers come, change and go; our own lease is told apart', () =>
  watching(async ({ host, told, put }) => {
    await put('10.2.6.0-24', '192.168.3.6');
    await put('10.2.6.0-24', '192.168.3.6');
    await put('10.2.4.0-24', '192.168.3.4');
    host.store.delete('subnets/10.2.6.0-24');
    host.store.delete('subnets/10.2.4.0-24');
    await host.registry.put('config', 'x');
    assert.deepEqual(await told(), [
      'put 10.2.6.0/24=192.168.3.6',
      'put 10.2.6.0/24=192.168.3.6',
      'own 192.168.3.4',
      'removed 10.2.6.0/24',
      'own undefined',
    ]);
    assert.deepEqual(host.lines, []);
  }));

test('a malformed value and a foreign key are one warning each and touch no peer', () =>
  watching(async ({ host, told, put }) => {
    host.store.put('subnets/test', 'x', undefined);
    host.store.put('subnets/10.2.5.0-24', 'not JSON', undefined);
    host.store.put('subnets/10.2.7.0-24', '{"PublicIP":7}', undefined);
    host.store.delete('subnets/test');
    host.store.delete('subnets/10.2.7.0-24');
    assert.deepEqual(await told(), []);
    assert.equal(host.lines.length, 3, host.lines.join('\n'));
    host.registry.disconnect(new Error('out'));
    await told();
    host.store.compact();
    host.registry.reconnect();
    await put('10.2.8.0-24', '192.168.3.8');
    const lines = await told();
    assert.ok(
      lines.some(line => /^(snapshot|put).*10\.2\.8\.0\/24/.test(line)),
      lines.join(),
    );
    host.store.delete('subnets/10.2.5.0-24');
    assert.deepEqual(await told(), ['removed 10.2.5.0/24']);
    assert.equal(host.lines.length, 3, host.lines.join('\n'));
  }));

test('a snapshot after compaction keeps the last good lease of a key whose value turned malformed', () =>
  watching(async ({ host, told, put }) => {
    host.registry.disconnect(new Error('the cable is out'));
    assert.deepEqual(await told(), ['state false: the cable is out']);
    await put('10.2.6.0-24', '192.168.3.6');
    host.store.put('subnets/10.2.5.0-24', 'not JSON', undefined);
    host.store.delete('subnets/10.2.4.0-24');
    host.store.compact();
    assert.deepEqual(await told(), []);
    host.registry.reconnect();
    assert.deepEqual(await told(), [
      'state true',
      'snapshot 10.2.5.0/24=192.168.3.5 10.2.6.0/24=192.168.3.6',
      'own undefined',
    ]);
  }));

test('an outage is told, and what happened meanwhile follows', () =>
  watching(async ({ host, told, put }) => {
    host.registry.disconnect(new Error('the cable is out'));
    await put('10.2.6.0-24', '192.168.3.6');
    assert.deepEqual(await told(), ['state false: the cable is out']);
    host.registry.reconnect();
    assert.deepEqual(await told(), ['state true', 'put 10.2.6.0/24=192.168.3.6']);
  }));

test('a lease outside the network, over ours, or with our address is refused, reported, and no peer', () =>
  watching(async ({ host, told, put }) => {
    await put('10.9.1.0-24', '192.168.3.6');
    await put('10.2.4.128-25', '192.168.3.7');
    await put('10.2.8.0-24', '192.168.3.4');
    host.store.delete('subnets/10.9.1.0-24');
    assert.deepEqual(await told(), [
      'refused 10.9.1.0/24=192.168.3.6: lies outside the Network 10.2.0.0/16',
      'refused 10.2.4.128/25=192.168.3.7: overlaps our own 10.2.4.0/24',
      'refused 10.2.8.0/24=192.168.3.4: publishes our own address 192.168.3.4',
      'removed 10.9.1.0/24',
    ]);
    assert.equal(host.lines.length, 3);
    await put('10.2.5.0-24', '192.168.3.4');
    assert.deepEqual(await told(), [
      'removed 10.2.5.0/24',
      'refused 10.2.5.0/24=192.168.3.4: publishes our own address 192.168.3.4',
    ]);
  }));

test('a refused lease is told as removed once, whether it was read in a list or seen to come', () =>
  watching(async ({ host, told, put }) => {
    await put('10.2.8.0-24', '192.168.3.4');
    await put('10.2.8.0-24', '192.168.3.4');
    const refused = 'refused 10.2.8.0/24=192.168.3.4: publishes our own address 192.168.3.4';
    assert.deepEqual(await told(), [refused, refused]);
    await put('10.2.8.0-24', '192.168.3.8');
    assert.deepEqual(await told(), ['put 10.2.8.0/24=192.168.3.8']);
    host.store.delete('subnets/10.2.8.0-24');
    assert.deepEqual(await told(), ['removed 10.2.8.0/24']);
    host.registry.disconnect(new Error('the cable is out'));
    await put('10.2.8.0-24', '192.168.3.4');
    host.store.compact();
    host.registry.reconnect();
    assert.deepEqual(
      (await told()).filter(line => !line.startsWith('state')),
      ['snapshot 10.2.5.0/24=192.168.3.5', refused, 'own 192.168.3.4'],
    );
    host.store.delete('subnets/10.2.8.0-24');
    host.store.delete('subnets/10.2.8.0-24');
    assert.deepEqual(await told(), ['removed 10.2.8.0/24']);
  }));
