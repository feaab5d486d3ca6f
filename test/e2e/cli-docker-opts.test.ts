import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { testScope } from '../support/leaks.ts';
import { createNetns } from '../support/netns.ts';
import { type CallOptions, type Said, temporaryFolder, weft } from './cli-weft.ts';

const subnetEnv = `FLANNEL_NETWORK=10.5.0.0/16
FLANNEL_SUBNET=10.5.72.1/24
FLANNEL_MTU=1450
FLANNEL_IPMASQ=true
`;

const individual = `DOCKER_OPT_BIP="--bip=10.5.72.1/24"
DOCKER_OPT_IPMASQ="--ip-masq=false"
DOCKER_OPT_MTU="--mtu=1450"
`;

const options = '--bip=10.5.72.1/24 --ip-masq=false --mtu=1450';

interface Case {
  readonly args?: string;
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly output: string;
}

const cases: Readonly<Record<string, Case>> = {
  'both forms by default': { output: `${individual}DOCKER_OPTS=" ${options}"\n` },
  'only single variables for -i': { args: '-i', output: individual },
  'only the combined variable for -c': { args: '-c', output: `DOCKER_OPTS=" ${options}"\n` },
  'both for -ic': { args: '-ic', output: `${individual}DOCKER_OPTS=" ${options}"\n` },
  'another name for -k': { args: '-c -k EXTRA', output: `EXTRA=" ${options}"\n` },
  'no ip-masq for -m': { args: '-cm', output: 'DOCKER_OPTS=" --bip=10.5.72.1/24 --mtu=1450"\n' },
  'ip-masq turned round': {
    args: '-c',
    input: 'FLANNEL_IPMASQ=false\n',
    output: 'DOCKER_OPTS=" --ip-masq=true"\n',
  },
  'what the environment holds in front': {
    args: '-c',
    env: { DOCKER_OPTS: '-H fd://' },
    output: `DOCKER_OPTS="-H fd://  ${options}"\n`,
  },
};

/** Runs `weft docker-opts` with `input` as subnet.env; the text that it wrote, or undefined. */
async function dockerOpts(
  folder: string,
  args: readonly string[],
  { input = subnetEnv, ...call }: CallOptions = {},
): Promise<Said & { written: string | undefined }> {
  const [from, to] = [path.join(folder, 'subnet.env'), path.join(folder, 'docker_opts.env')];
  await writeFile(from, input);
  const said = await weft(['docker-opts', '-f', from, '-d', to, ...args], call);
  return { ...said, written: await readFile(to, 'utf8').catch(() => undefined) };
}

test('docker-opts writes what mk-docker-opts.sh writes', async t => {
  const folder = await temporaryFolder(testScope(t));
  for (const [what, { args, output, ...call }] of Object.entries(cases)) {
    const said = await dockerOpts(folder, args?.split(' ') ?? [], call);
    assert.deepEqual(said, { code: 0, stdout: '', stderr: '', written: output }, what);
  }
});

test('docker-opts without a subnet.env writes an empty result', async t => {
  const folder = await temporaryFolder(testScope(t));
  const output = path.join(folder, 'out');
  assert.equal((await weft(['docker-opts', '-f', `${folder}/none`, '-d', output])).code, 0);
  assert.equal(await readFile(output, 'utf8'), 'DOCKER_OPTS=""\n');
});

test('docker-opts writes into a pipe as well', async t => {
  const folder = await temporaryFolder(testScope(t));
  await writeFile(`${folder}/env`, subnetEnv);
  const args = ['docker-opts', '-c', '-f', `${folder}/env`, '-d', '/dev/stdout'];
  const said = await weft(args, { enter: ['sh', '-c', '"$0" "$@" | cat'] });
  assert.deepEqual(said, { code: 0, stdout: `DOCKER_OPTS=" ${options}"\n`, stderr: '' });
});

test('docker-opts refuses a FLANNEL_IPMASQ of neither kind with 1 and writes nothing', async t => {
  const folder = await temporaryFolder(testScope(t));
  const { code, stderr, written } = await dockerOpts(folder, [], { input: 'FLANNEL_IPMASQ=maybe\n' });
  assert.equal(code, 1);
  assert.match(stderr, /FLANNEL_IPMASQ: maybe/);
  assert.equal(written, undefined);
});

test('docker-opts ends with 1 for -h and for wrong usage, as the script does', async () => {
  for (const args of [['-h'], ['-x'], ['-f'], ['--nonsense']]) {
    const { code, stdout, stderr } = await weft(['docker-opts', ...args]);
    assert.equal(code, 1, args.join(' '));
    assert.equal(stdout, '');
    assert.match(stderr, /Usage: weft docker-opts /);
  }
});

test('docker-opts ends with 1, after it has written, when the subnet lies behind a gateway', async t => {
  const scope = testScope(t);
  const folder = await temporaryFolder(scope);
  const host = await createNetns(scope, 'host');
  await host.ipBatch([
    'link add near type veth peer name far',
    'address add 192.0.2.1/24 dev near',
    'link set near up',
    'link set far up',
    'route add 10.5.73.0/24 via 192.0.2.2',
  ]);
  assert.equal(
    (await dockerOpts(folder, ['-i'], { enter: host.enter })).code,
    0,
    'another subnet is no matter',
  );
  await host.ipBatch(['route add 10.5.72.0/24 via 192.0.2.2']);
  const { code, stderr, written } = await dockerOpts(folder, ['-c'], { enter: host.enter });
  assert.equal(code, 1);
  assert.match(stderr, /10\.5\.72\.0\/24 via 192\.0\.2\.2 dev near/);
  assert.equal(written, `DOCKER_OPTS=" ${options}"\n`);
});
