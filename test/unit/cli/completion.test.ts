import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Command } from 'commander';
import fc from 'fast-check';
import { type Completion, complete, type ValueSources } from '../../../src/cli/completion.ts';
import { describeCommand, explain } from '../../../src/cli/describe.ts';
import type { CommandDescription } from '../../../src/cli/description.ts';
import { manPages } from '../../../src/cli/man-page.ts';
import { registerWithOwnArguments } from '../../../src/cli/own-arguments.ts';
import { describeWeft } from '../../../src/cli/program.ts';

const weft = await describeWeft();

/** A host with two interfaces, and a lab beside the usual one. */
const sources: ValueSources = {
  IFACE: async () => ['eth0', 'wlan0'].map(value => ({ value, about: '' })),
  LAB: async () => ['lab', 'other'].map(value => ({ value, about: '' })),
  PLACE: async flag => [`${flag('--name') ?? 'lab'}-host1`, 'switch'].map(value => ({ value, about: '' })),
};

/** Completes behind the last blank. */
function completed(line: string, of: CommandDescription = weft): Promise<Completion> {
  return complete(of, line.split(' '), sources);
}

async function values(line: string, of?: CommandDescription): Promise<string[]> {
  return (await completed(line, of)).candidates.map(({ value }) => value);
}

const exact: ReadonlyArray<
  readonly [line: string, prefix: string, values: string, also?: Completion['also']]
> = [
  ['ru', '', 'run'],
  ['co', '', 'config completion'],
  ['nonsense ', '', ''],
  ['config ', '', 'check get put'],
  ['config p', '', 'put'],
  ['config put config ', '', ''],
  ['help con', '', 'config'],
  ['help lab ', '', 'up ls exec down demo'],
  ['help run ', '', ''],
  ['completion ', '', 'bash zsh fish'],
  ['completion bash ', '', ''],
  ['version ', '', '-h'],
  ['-', '', '--version -h'],
  ['--', '', '--version --help'],
  // Flags in either form, as begun.
  ['run -log-', '', '-log-format'],
  ['run --log-', '', '--log-format'],
  ['run --he', '', '--healthz-ip --healthz-port --help'],
  ['run -etcd-k', '', '-etcd-keyfile'],
  ['lab up --re', '', '--registry'],
  ['lab up -', '', '--name --hosts --containers --registry --backend --family --no-probing -h'],
  ['docker-opts -', '', '-f -d -i -c -k -m -h'],
  ['docker-opts --', '', '--help'],
  // A flag is offered once, in whatever form it was given, unless it may be repeated.
  ['run -log-format=json --log-', '', ''],
  ['run --log-format json -log-', '', ''],
  ['run -iface eth0 -ifa', '', '-iface -iface-regex -iface-can-reach'],
  ['run -iface-can-reach 192.0.2.1 -iface-c', '', ''],
  ['run -ip-masq -ip-masq', '', '-ip-masq-fully-random-disable -ip-masq-exclude'],
  ['lab up --hosts 3 --ho', '', ''],
  ['docker-opts -i -', '', '-f -d -c -k -m -h'],
  ['docker-opts -fx -', '', '-d -i -c -k -m -h'],
  // Values.
  ['run -log-format ', '', 'auto text json'],
  ['run --log-format=', '--log-format=', 'auto text json'],
  ['run -log-format=j', '-log-format=', 'json'],
  ['run -ip-masq=', '-ip-masq=', 'true false'],
  ['run --ip-masq=t', '--ip-masq=', 'true'],
  ['run -iface ', '', 'eth0 wlan0'],
  ['run -iface=w', '-iface=', 'wlan0'],
  ['run -registry ', '', 'etcd dir:'],
  ['run -registry d', '', 'dir:'],
  ['run -registry dir:', 'dir:', '', 'files'],
  ['run -registry=dir:/v', '-registry=dir:', '', 'files'],
  ['run -subnet-file ', '', '', 'files'],
  ['run --subnet-file=/r', '--subnet-file=', '', 'files'],
  ['run -etcd-endpoints ', '', ''],
  ['run -etcd-username ', '', ''],
  ['run -etcd-username -log-', '', ''],
  ['run -nonsense=', '', ''],
  ['docker-opts -f ', '', '', 'files'],
  ['docker-opts -k ', '', ''],
  ['lab up --backend ', '', 'vxlan vxlan-direct host-gw udp'],
  ['lab up --family=4', '--family=', '4 46'],
  ['lab up --hosts ', '', ''],
  ['lab down --name ', '', 'lab other'],
  // Operands.
  ['config put ', '', '', 'files'],
  ['config put -registry etcd ', '', '', 'files'],
  ['config put net.json ', '', ''],
  ['config put -- -', '', '', 'files'],
  ['lab exec ', '', 'lab-host1 switch'],
  ['lab exec --name other ', '', 'other-host1 switch'],
  ['lab exec host1 ', '', '', 'commands'],
  ['lab exec host1 -- ', '', '', 'commands'],
  ['lab exec host1 ip ', '', '', 'files'],
  ['lab exec host1 ip -', '', '', 'files'],
];

test('a command line is completed with exactly what fits', async () => {
  for (const [line, prefix, candidates, also = 'nothing'] of exact) {
    const found = await completed(line);
    const expected = { prefix, values: candidates, also };
    const got = { prefix: found.prefix, values: (await values(line)).join(' '), also: found.also };
    assert.deepEqual(got, expected, line);
  }
});

test('an empty word offers every command, each with its summary', async () => {
  const { candidates } = await completed('');
  assert.deepEqual(
    candidates.map(({ value, about }) => [value, about]),
    weft.commands.map(({ path, summary }) => [path[0], summary]),
  );
});

test('behind a command without operands an empty word offers its flags', async () => {
  assert.deepEqual(await values('run '), await values('run -'));
  assert.ok((await values('run ')).includes('-iface'));
});

test('whatever is typed, completion answers, and with what fits behind the word', async () => {
  const words = withAllBelow(weft).flatMap(({ path, flags }) => [
    ...path,
    ...flags.flatMap(({ forms }) => forms.flatMap(form => [form, `${form}=`])),
  ]);
  const word = fc.oneof(fc.constantFrom(...words, '--', '-', '', '='), fc.string());
  await fc.assert(
    fc.asyncProperty(fc.array(word, { maxLength: 6 }), async line => {
      const { prefix, candidates } = await complete(weft, line, sources);
      const last = line.at(-1) ?? '';
      assert.ok(last.startsWith(prefix));
      for (const { value } of candidates) assert.ok((prefix + value).startsWith(last), value);
      assert.equal(new Set(candidates.map(({ value }) => value)).size, candidates.length);
    }),
  );
});

test('a command that is new needs no change of completion or manual pages', async () => {
  const program = new Command('weft');
  const probe = registered(program);
  assert.deepEqual(await values('', probe), ['probe', 'tool']);
  assert.deepEqual(await values('probe -', probe), ['-far', '-to', '-help']);
  assert.deepEqual(await values('probe -far ', probe), ['near', 'far']);
  assert.equal((await completed('probe -to a ', probe)).also, 'folders');
  assert.deepEqual(await values('tool --kind=', probe), ['one', 'two']);
  assert.deepEqual(await values('tool ', probe), ['eth0', 'wlan0']);
  const pages = new Map(manPages(probe, '1').map(({ file, text }) => [file, text]));
  assert.deepEqual([...pages.keys()], ['weft.1', 'weft-probe.1', 'weft-tool.1']);
  assert.ok(pages.get('weft-probe.1')?.includes('\\fB\\-far\\fR \\fInear|far\\fR\nhow far'));
});

function registered(program: Command): CommandDescription {
  const help = {
    usage: 'weft probe [flags] FOLDER',
    summary: 'probe',
    about: [],
    examples: [['weft probe /', 'all']],
    flags: {
      far: { kind: 'string', default: '', placeholder: 'near|far', help: 'how far' },
      to: { kind: 'strings', help: 'whom' },
    },
  } as const;
  registerWithOwnArguments(program, 'probe', help, async () => {});
  const tool = program.command('tool').description('tool').argument('<iface>');
  explain(tool.option('--kind <one|two>', 'which'), { examples: [['weft tool eth0', 'one']] });
  return describeCommand(program.helpCommand(false));
}

function withAllBelow(command: CommandDescription): CommandDescription[] {
  return [command, ...command.commands.flatMap(withAllBelow)];
}
