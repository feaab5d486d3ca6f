import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { WeftError } from '../../../src/base/errors.ts';
import { parseGoBool, parseGoInt } from '../../../src/cli/flag-value.ts';
import { type FlagTable, parseFlags } from '../../../src/cli/go-flags.ts';

const table = {
  name: { kind: 'string', default: 'none', help: 'a text' },
  list: { kind: 'strings', help: 'texts' },
  count: { kind: 'int', default: 7, help: 'a number' },
  on: { kind: 'bool', default: false, help: 'a switch' },
  off: { kind: 'bool', default: true, help: 'a switch that is on' },
  'etcd-endpoints': { kind: 'string', default: '', help: 'a text' },
  'etcd-password': { kind: 'string', default: '', help: 'a secret', secret: true },
  colour: {
    kind: 'string',
    default: 'red',
    help: 'one of two',
    check: text => (/^(red|blue)$/.test(text) ? undefined : 'red or blue'),
  },
} as const satisfies FlagTable;

const defaults = {
  name: 'none',
  list: [],
  count: 7,
  on: false,
  off: true,
  'etcd-endpoints': '',
  'etcd-password': '',
  colour: 'red',
};

test('without arguments every flag holds its default and none is given', () => {
  const parsed = parseFlags(table, []);
  assert.deepEqual(parsed, { values: defaults, given: new Set(), rest: [], help: false });
});

interface Accepted {
  readonly args: readonly string[];
  readonly values?: object;
  readonly given?: readonly string[];
  readonly rest?: readonly string[];
  readonly help?: boolean;
}

const accepted: Readonly<Record<string, Accepted>> = {
  'a single dash with the value after it': { args: ['-name', 'x'], values: { name: 'x' } },
  'a double dash with the value after it': { args: ['--name', 'x'], values: { name: 'x' } },
  'a single dash with =': { args: ['-name=x'], values: { name: 'x' } },
  'a double dash with =': { args: ['--name=x'], values: { name: 'x' } },
  'only the first = as a separator': { args: ['-name=a=b'], values: { name: 'a=b' } },
  'an empty value after =': { args: ['-name='], values: { name: '' } },
  'an empty value as an argument': { args: ['-name', ''], values: { name: '' } },
  'a value that looks like a flag': { args: ['-name', '-on'], values: { name: '-on' } },
  'a value that is two dashes': { args: ['-name', '--', '-on'], values: { name: '--', on: true } },
  'the last of several values': { args: ['-name=a', '-name', 'b'], values: { name: 'b' } },
  'all values of a repeatable flag in their order': {
    args: ['-list', 'a', '--list=b,c', '-list', 'a'],
    values: { list: ['a', 'b,c', 'a'] },
  },
  'a boolean without value as true': { args: ['-on'], values: { on: true } },
  'a boolean with = and false': { args: ['-on', '--off=false'], values: { on: true, off: false } },
  'a boolean switched off again': { args: ['-on', '-on=0'], values: { on: false } },
  'a boolean followed by a word, which ends the flags': {
    args: ['-on', 'false', '-name', 'x'],
    values: { on: true },
    rest: ['false', '-name', 'x'],
  },
  'integers as Go writes them': { args: ['-count=0x1F'], values: { count: 31 } },
  'a negative integer': { args: ['-count', '-3'], values: { count: -3 } },
  'a checked text': { args: ['-colour', 'blue'], values: { colour: 'blue' } },
  'two dashes as the end of the flags': {
    args: ['-on', '--', '-name', 'x'],
    values: { on: true },
    rest: ['-name', 'x'],
  },
  'one dash as a positional argument': { args: ['-', '-on'], rest: ['-', '-on'] },
  'an empty argument as a positional one': { args: ['', '-on'], rest: ['', '-on'] },
  '-h as help': { args: ['-h'], help: true },
  '-help as help': { args: ['-help'], help: true },
  '--help as help': { args: ['--help'], help: true },
  '--h as help': { args: ['--h'], help: true },
  'help before a mistake': { args: ['-on', '-h', '-nonsense'], values: { on: true }, help: true },
};

for (const [what, { args, values = {}, given, rest = [], help = false }] of Object.entries(accepted)) {
  test(`parseFlags takes ${what}`, () => {
    const parsed = parseFlags(table, args);
    assert.deepEqual(parsed.values, { ...defaults, ...values });
    assert.deepEqual([...parsed.given].sort(), [...(given ?? Object.keys(values))].sort());
    assert.deepEqual(parsed.rest, rest);
    assert.equal(parsed.help, help);
  });
}

const refused: Readonly<Record<string, readonly [args: readonly string[], message: string]>> = {
  'an unknown flag, with the nearest': [
    ['-etcd-endpoint', 'x'],
    '-etcd-endpoint: unknown flag; did you mean -etcd-endpoints?',
  ],
  'an unknown flag with a value': [['--nam=x'], '-nam: unknown flag; did you mean -name?'],
  'an unknown letter, where everything is near': [['-x'], '-x: unknown flag'],
  'an unknown flag with nothing near': [['-zzzzzzzzzz'], '-zzzzzzzzzz: unknown flag'],
  'a name that every object has': [['-constructor'], '-constructor: unknown flag'],
  'another case of a name': [['-Name', 'x'], '-Name: unknown flag; did you mean -name?'],
  'three dashes': [['---name', 'x'], '---name: expected a flag, -name or --name'],
  'a dash and =': [['-=x'], '-=x: expected a flag, -name or --name'],
  'two dashes and =': [['--=x'], '--=x: expected a flag, -name or --name'],
  'a missing value': [['-on', '-name'], '-name: needs a value, and none follows'],
  'a boolean that is neither': [['-on=yes'], '-on: expected true or false, got "yes"'],
  'a boolean with an empty value': [['-on='], '-on: expected true or false, got ""'],
  'a number that is none': [['-count', 'ten'], '-count: expected an integer, got "ten"'],
  'a number with a fraction': [['-count=1.5'], '-count: expected an integer, got "1.5"'],
  'an empty number': [['-count='], '-count: expected an integer, got ""'],
  'a text that its check refuses': [['-colour=green'], '-colour: expected red or blue, got "green"'],
  'help with a value for a flag before it': [['-count=x', '-h'], '-count: expected an integer, got "x"'],
};

for (const [what, [args, message]] of Object.entries(refused)) {
  test(`parseFlags refuses ${what}`, () => {
    assert.throws(
      () => parseFlags(table, args),
      (error: unknown) =>
        error instanceof WeftError && error.code === 'flag-invalid' && error.message === message,
    );
  });
}

test('the text of a secret is in no error', () => {
  const secret = { pin: { kind: 'int', default: 0, help: 'a secret number', secret: true } } as const;
  assert.throws(
    () => parseFlags(secret, ['-pin=hunter2']),
    (error: unknown) => error instanceof WeftError && error.message === '-pin: expected an integer',
  );
});

test('interspersed flags are found after positional arguments, up to two dashes', () => {
  const parsed = parseFlags(table, ['file', '-on', 'other', '--', '-off=false'], { interspersed: true });
  assert.deepEqual(parsed.values, { ...defaults, on: true });
  assert.deepEqual(parsed.rest, ['file', 'other', '-off=false']);
});

test('whatever text a flag holds, writing it with = or apart gives it back unchanged', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.boolean(), fc.boolean(), (text, double, apart) => {
      const flag = double ? '--name' : '-name';
      const parsed = parseFlags(table, apart ? [flag, text] : [`${flag}=${text}`]);
      assert.equal(parsed.values.name, text);
      assert.deepEqual(parsed.rest, []);
    }),
  );
});

test('whatever the arguments, the parser returns or throws flag-invalid', () => {
  const word = fc.oneof(
    fc.constantFrom('-', '--', '-on', '-name', '--list', '-count', '-h', '=', '-on=', '5', 'x'),
    fc.string(),
  );
  fc.assert(
    fc.property(fc.array(word), fc.boolean(), (args, interspersed) => {
      try {
        const { rest } = parseFlags(table, args, { interspersed });
        assert.ok(rest.every(argument => args.includes(argument)));
      } catch (error) {
        assert.ok(error instanceof WeftError && error.code === 'flag-invalid', String(error));
      }
    }),
  );
});

/** By the rules of strconv.ParseInt(text, 0, 64); beyond 2^53 we refuse what Go takes. */
const integers: Readonly<Record<string, number | undefined>> = {
  '0': 0,
  '60': 60,
  '-1': -1,
  '+5': 5,
  '-0': 0,
  '0x3c': 60,
  '0X3C': 60,
  '-0x10': -16,
  '0x_3c': 60,
  '0b101': 5,
  '0B1': 1,
  '0o74': 60,
  '0O74': 60,
  '074': 60,
  '0_74': 60,
  '00': 0,
  '1_000': 1000,
  '9007199254740991': Number.MAX_SAFE_INTEGER,
  '9007199254740993': undefined,
  '': undefined,
  '+': undefined,
  '--1': undefined,
  '+-1': undefined,
  '08': undefined,
  '0x': undefined,
  '0xg': undefined,
  '0b2': undefined,
  '0o8': undefined,
  '1__0': undefined,
  _1: undefined,
  '1_': undefined,
  '0x1_': undefined,
  ' 1': undefined,
  '1 ': undefined,
  '1e3': undefined,
  '1.0': undefined,
  '5s': undefined,
  Infinity: undefined,
};

test('integers read as in Go', () => {
  for (const [text, value] of Object.entries(integers))
    assert.equal(parseGoInt(text), value, JSON.stringify(text));
});

test('every safe integer reads back from its decimal and hexadecimal form', () => {
  fc.assert(
    fc.property(fc.maxSafeInteger(), value => {
      const sign = value < 0 ? '-' : '';
      assert.equal(parseGoInt(String(value)), value === 0 ? 0 : value);
      assert.equal(parseGoInt(`${sign}0x${Math.abs(value).toString(16)}`), value === 0 ? 0 : value);
    }),
  );
});

test('booleans read as in Go, in exactly these spellings', () => {
  for (const text of ['1', 't', 'T', 'true', 'TRUE', 'True']) assert.equal(parseGoBool(text), true, text);
  for (const text of ['0', 'f', 'F', 'false', 'FALSE', 'False']) assert.equal(parseGoBool(text), false, text);
  for (const text of ['', 'yes', 'no', 'tRUE', 'on', '2', ' true'])
    assert.equal(parseGoBool(text), undefined, text);
});
