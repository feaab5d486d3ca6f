import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIp } from '../../../src/base/ip.ts';
import { parsePrefix } from '../../../src/base/prefix.ts';
import {
  checkSubnetNotRouted,
  type DockerOptsOptions,
  renderDockerOpts,
} from '../../../src/lease/docker-opts.ts';
import { parseEnv } from '../../../src/lease/env-text.ts';

const env = parseEnv(
  'FLANNEL_NETWORK=10.1.0.0/16\nFLANNEL_SUBNET=10.1.74.1/24\nFLANNEL_MTU=1472\nFLANNEL_IPMASQ=false\n',
);
const usual = { individual: false, combined: false, combinedKey: 'DOCKER_OPTS', ipMasq: true };

const individual = [
  'DOCKER_OPT_BIP="--bip=10.1.74.1/24"',
  'DOCKER_OPT_IPMASQ="--ip-masq=true"',
  'DOCKER_OPT_MTU="--mtu=1472"',
];
const combined = 'DOCKER_OPTS=" --bip=10.1.74.1/24 --ip-masq=true --mtu=1472"';

function render(options: Partial<DockerOptsOptions>, variables: Record<string, string> = {}): string[] {
  const text = renderDockerOpts({ ...env, ...variables }, { ...usual, ...options });
  assert.ok(text === '' || text.endsWith('\n'));
  return text.split('\n').slice(0, -1);
}

test('every combination of options gives the text of mk-docker-opts.sh', () => {
  const cases: ReadonlyArray<readonly [Partial<DockerOptsOptions>, readonly string[]]> = [
    [{}, [...individual, combined]],
    [{ individual: true, combined: true }, [...individual, combined]],
    [{ individual: true }, individual],
    [{ combined: true }, [combined]],
    [{ combinedKey: 'CUSTOM_KEY' }, [...individual, combined.replace('DOCKER_OPTS', 'CUSTOM_KEY')]],
    [{ combined: true, ipMasq: false }, ['DOCKER_OPTS=" --bip=10.1.74.1/24 --mtu=1472"']],
    [
      { individual: true, ipMasq: false },
      ['DOCKER_OPT_BIP="--bip=10.1.74.1/24"', 'DOCKER_OPT_MTU="--mtu=1472"'],
    ],
    [
      { combined: true, existing: '--debug -H fd://' },
      ['DOCKER_OPTS="--debug -H fd://  --bip=10.1.74.1/24 --ip-masq=true --mtu=1472"'],
    ],
    [{ combined: true, existing: '' }, [combined]],
  ];
  for (const [options, lines] of cases) assert.deepEqual(render(options), lines, JSON.stringify(options));
});

test('what the file says or leaves out decides which options there are', () => {
  const cases: ReadonlyArray<readonly [Record<string, string>, readonly string[]]> = [
    [{ FLANNEL_IPMASQ: 'true' }, ['--bip=10.1.74.1/24', '--ip-masq=false', '--mtu=1472']],
    [{ FLANNEL_IPMASQ: '' }, ['--bip=10.1.74.1/24', '--mtu=1472']],
    [{ FLANNEL_MTU: '' }, ['--bip=10.1.74.1/24', '--ip-masq=true']],
    [{ FLANNEL_SUBNET: '' }, ['--ip-masq=true', '--mtu=1472']],
    [{ FLANNEL_IPV6_SUBNET: 'fd00::1/64' }, ['--bip=10.1.74.1/24', '--ip-masq=true', '--mtu=1472']],
    [{ DOCKER_OPT_DEBUG: '--debug' }, ['--bip=10.1.74.1/24', '--debug', '--ip-masq=true', '--mtu=1472']],
    [{ DOCKER_OPT_BIP: '--bip=1.2.3.4/8' }, ['--bip=10.1.74.1/24', '--ip-masq=true', '--mtu=1472']],
  ];
  for (const [variables, options] of cases) {
    assert.deepEqual(render({ combined: true }, variables), [`DOCKER_OPTS=" ${options.join(' ')}"`]);
  }
  assert.deepEqual(
    render({ combined: true, existing: 'of the environment' }, { DOCKER_OPTS: 'of the file' }),
    [combined.replace('" ', '"of the file  ')],
  );
});

test('an empty or missing file gives an empty result', () => {
  assert.equal(renderDockerOpts({}, usual), 'DOCKER_OPTS=""\n');
  assert.equal(renderDockerOpts({}, { ...usual, individual: true }), '');
  assert.equal(renderDockerOpts({}, { ...usual, existing: '--debug' }), 'DOCKER_OPTS="--debug "\n');
});

test('masquerading that is neither true nor false is an error, unless it is left out', () => {
  for (const value of ['maybe', 'TRUE', '1']) {
    assert.throws(() => render({}, { FLANNEL_IPMASQ: value }), {
      code: 'docker-opts-invalid',
      message: `Invalid value of FLANNEL_IPMASQ: ${value}, expected true or false`,
    });
    assert.deepEqual(render({ combined: true, ipMasq: false }, { FLANNEL_IPMASQ: value }), [
      'DOCKER_OPTS=" --bip=10.1.74.1/24 --mtu=1472"',
    ]);
  }
});

test('a subnet that the host reaches through a gateway is refused', () => {
  const gateway = parseIp('192.168.50.3');
  const dst = parsePrefix('10.1.74.0/24');
  assert.throws(() => checkSubnetNotRouted(env, [{ dst, gateway, dev: 'eth0' }]), {
    code: 'docker-opts-routed',
    message: 'the routing table already contains the subnet: 10.1.74.0/24 via 192.168.50.3 dev eth0',
    remedy: 'remove it with: ip route del 10.1.74.0/24',
  });
  const harmless = [
    { dst, dev: 'docker0' },
    { dst: parsePrefix('10.1.75.0/24'), gateway },
    { dst: parsePrefix('0.0.0.0/0'), gateway },
  ];
  assert.doesNotThrow(() => checkSubnetNotRouted(env, harmless));
  assert.doesNotThrow(() => checkSubnetNotRouted({}, [{ dst, gateway }]));
});
