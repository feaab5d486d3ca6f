/**
 * Two Docker hosts whose FORWARD drops, and somebody beyond them who has never heard of the overlay:
 *
 *     [c1] docker0 host-a eth0 ──┐           ┌── eth0 host-b docker0 [c1]
 *          iptables-legacy       ├─── br0 ───┤        iptables-nft
 *                        outside ┘
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import process from 'node:process';
import { test } from 'node:test';
import type { Scope } from '../../src/base/scope.ts';
import { serveTcp } from '../kernel/traffic-connections.ts';
import type { Daemon } from '../support/daemon.ts';
import { type Container, createDockerHost, type DockerHost } from '../support/docker-host.ts';
import { eventually } from '../support/eventually.ts';
import { testScope } from '../support/leaks.ts';
import { createNetns } from '../support/netns.ts';
import { skipWithoutRealRoot } from '../support/privilege.ts';
import { usualConfig } from '../support/weft-cluster.ts';
import { createUnderlay, type Underlay } from '../support/weft-underlay.ts';

interface Machine {
  readonly host: DockerHost;
  /** On the underlay. */
  readonly address: string;
  readonly weft: Daemon;
  /** Answers who asked. */
  readonly container: Container;
  readonly iptables: 'legacy' | 'nft';
}

const port = 8080;

test('Docker hosts whose FORWARD drops what nobody accepts', { skip: skipWithoutRealRoot }, async t => {
  const scope = testScope(t);
  const underlay = await createUnderlay(scope);
  const setConfig = (more: object) => {
    const config = JSON.stringify({ ...(JSON.parse(usualConfig) as object), ...more });
    return underlay.etcd.ctl('put', '/coreos.com/network/config', config);
  };
  await setConfig({});
  const outside = await createNetns(scope, 'outside');
  const { address: outsideAddress } = await underlay.plugIn(outside);
  await serveTcp(outside, port);
  const [a, b] = await Promise.all([
    startMachine(scope, underlay, 'host-a', 'legacy'),
    startMachine(scope, underlay, 'host-b', 'nft'),
  ]);

  const assertAllWays = async (): Promise<void> => {
    for (const [near, far] of [
      [a, b],
      [b, a],
    ] as const) {
      const url = `http://${far.container.address}:${port}/cgi-bin/who`;
      const tunnel = near.container.address.replace(/\d+$/, '0');
      assert.deepEqual(
        {
          container: plain(await near.container.run(['wget', '-qO-', url])),
          host: await fetchFrom(near.host, url),
          hostByItsOwnAddress: await fetchFrom(near.host, url, near.address),
          outside: plain(await near.container.run(['nc', '-w', '5', outsideAddress, `${port}`])),
        },
        {
          container: near.container.address,
          host: tunnel,
          hostByItsOwnAddress: tunnel,
          outside: near.address,
        },
      );
    }
  };

  await t.test('iptables: every way works, with the right address', assertAllWays);

  await t.test("nftables: no accept of ours helps against Docker's policy, and the log says so", async () => {
    await setConfig({ EnableNFTables: true });
    for (const { weft } of [a, b]) {
      await weft.waitForOutput(
        /packets from other hosts to containers are dropped by .*chain FORWARD: policy of FORWARD: drop/,
      );
    }
    await assert.rejects(a.container.run(['ping', '-c1', '-W1', b.container.address]), /100% packet loss/);
  });

  await t.test(
    "nftables: with the operator's accept in DOCKER-USER every way works, and the log says that too",
    async () => {
      for (const { host } of [a, b]) {
        await host.run('iptables -I DOCKER-USER -s 10.2.0.0/16 -j ACCEPT');
        await host.run('iptables -I DOCKER-USER -d 10.2.0.0/16 -j ACCEPT');
      }
      await assertAllWays();
      // Of its rules iptables-legacy tells nobody, so they are looked at with the next change that is told.
      await a.host.run(['sh', '-c', 'nft add table ip another && nft delete table ip another']);
      for (const { weft } of [a, b]) await weft.waitForOutput(/no longer: packets from other hosts/);
    },
  );
});

async function startMachine(
  scope: Scope,
  underlay: Underlay,
  name: string,
  iptables: 'legacy' | 'nft',
): Promise<Machine> {
  const host = await createDockerHost(scope, name, { iptables });
  const { address } = await underlay.plugIn(host.netns);
  const weft = await host.start(`bin/weft run -etcd-endpoints ${underlay.etcd.url} -iface eth0 -ip-masq`);
  await weft.waitFor('subnet.env', () => existsSync(host.file('/run/flannel/subnet.env')));
  await host.run('bin/weft docker-opts');
  const options = /^DOCKER_OPTS="(.*)"$/m.exec(await host.readFile('/run/docker_opts.env'))?.[1] ?? '';
  assert.match(options, / --ip-masq=false /);
  const docker = await host.startDocker(options.trim().split(' '));
  // As dockerd does by itself where it is the first to switch forwarding on.
  await host.run('iptables -P FORWARD DROP');
  assert.match(
    await host.run(`iptables-${iptables}-save -t filter`),
    /^:FORWARD DROP .*^-A FORWARD .*DOCKER/ms,
  );
  const container = await docker.startContainer('c1', ['sh', '-c', answerWho]);
  await eventually('listening httpd', async () =>
    (await container.run('netstat -ltn')).includes(`:${port} `),
  );
  return { host, address, weft, container, iptables };
}

const answerWho = `
mkdir -p /tmp/www/cgi-bin && cd /tmp/www/cgi-bin
printf '#!/bin/sh\\nprintf "\\\\r\\\\n%%s" "$REMOTE_ADDR"\\n' > who && chmod +x who
exec httpd -f -p ${port} -h /tmp/www`;

/** From `localAddress`, or from whichever the kernel chooses. */
async function fetchFrom(host: DockerHost, url: string, localAddress = ''): Promise<string> {
  return plain(await host.run([process.execPath, '-e', httpGet, url, localAddress]));
}

/** `[::ffff:10.2.7.2]`, as servers of both families name their clients. */
function plain(address: string): string {
  return address.replace('::ffff:', '').replace(/[[\]\n]/g, '');
}

const httpGet = `
const [url, localAddress] = process.argv.slice(1);
require('node:http')
  .get(url, { timeout: 5000, ...(localAddress === '' ? {} : { localAddress }) }, answer => answer.pipe(process.stdout))
  .on('timeout', () => process.exit(1));
`;
