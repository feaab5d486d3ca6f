import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WeftError } from '../../../src/base/errors.ts';
import { readOptions } from '../../../src/lease/backend-options.ts';
import type { FieldSpecs } from '../../../src/lease/fields.ts';
import type { Json } from '../../../src/lease/lease.ts';

const spec = {
  VNI: { type: 'integer', default: 1, min: 1, max: 0xffffff },
  Port: { type: 'integer', default: 0, max: 65535 },
  MTU: { type: 'integer', example: 1450 },
  GBP: { type: 'boolean', default: false },
  Mode: { type: 'string', default: 'separate' },
  PSK: { type: 'string', secret: true },
  MacPrefix: { type: 'ignored', because: 'only Windows has it' },
} as const satisfies FieldSpecs;

const defaults = { VNI: 1, Port: 0, MTU: undefined, GBP: false, Mode: 'separate', PSK: undefined };

test("options are read in any case, null and absence give the default, Type is nobody's option", () => {
  const cases: ReadonlyArray<readonly [Record<string, Json>, object]> = [
    [{}, {}],
    [{ Type: 'vxlan', type: 'vxlan' }, {}],
    [
      { VNI: 7, Port: 4789, MTU: 1400, GBP: true, Mode: 'auto', PSK: 's' },
      { VNI: 7, Port: 4789, MTU: 1400, GBP: true, Mode: 'auto', PSK: 's' },
    ],
    [
      { vni: 0xffffff, PORT: 65535, gbp: true },
      { VNI: 0xffffff, Port: 65535, GBP: true },
    ],
    [{ VNI: null, MTU: null, GBP: null, Mode: null }, {}],
    [{ VNI: 3, vni: 4 }, { VNI: 4 }],
  ];
  for (const [options, expected] of cases) {
    assert.deepEqual(readOptions(options, spec).values, { ...defaults, ...expected });
  }
});

test('an option of the wrong type or out of bounds is an error with the key, the value and the bounds', () => {
  const cases: ReadonlyArray<readonly [Record<string, Json>, string, string]> = [
    [{ VNI: '1' }, 'Backend.VNI: expected a whole number from 1 to 16777215, found "1"', '"VNI": 1'],
    [{ vni: 0 }, 'Backend.VNI: expected a whole number from 1 to 16777215, found 0', '"VNI": 1'],
    [
      { VNI: 0x1000000 },
      'Backend.VNI: expected a whole number from 1 to 16777215, found 16777216',
      '"VNI": 1',
    ],
    [{ Port: 70000 }, 'Backend.Port: expected a whole number from 0 to 65535, found 70000', '"Port": 0'],
    [{ MTU: 1e300 }, 'Backend.MTU: expected a whole number, 0 or more, found 1e+300', '"MTU": 1450'],
    [{ GBP: 'false' }, 'Backend.GBP: expected true or false, found "false"', '"GBP": true'],
    [{ GBP: 0 }, 'Backend.GBP: expected true or false, found 0', '"GBP": true'],
    [{ Mode: {} }, 'Backend.Mode: expected a string, found {}', '"Mode": "..."'],
    [
      { Mode: 'x'.repeat(99).split('') },
      `Backend.Mode: expected a string, found ["x",${'"x",'.repeat(13)}...`,
      '"Mode": "..."',
    ],
    [{ PSK: [1, 2, 3] }, 'Backend.PSK: expected a string, found something else', '"PSK": "..."'],
  ];
  for (const [options, message, example] of cases) {
    assert.throws(
      () => readOptions(options, spec),
      (error: unknown) => {
        assert.ok(error instanceof WeftError);
        assert.deepEqual(
          [error.code, error.message, error.remedy],
          ['config-invalid', message, `write ${example}, or leave the key out`],
        );
        return true;
      },
    );
  }
});

test('an option that is unknown, ignored or given twice is a warning', () => {
  assert.deepEqual(
    readOptions({ VNID: 1, MacPrefix: '0E-2A', colour: 'red', VNI: 1, vni: 2 }, spec).warnings,
    [
      'unknown key "VNID" in Backend (did you mean "VNI"?)',
      'unknown key "colour" in Backend',
      'key "VNI" in Backend is given more than once: the last one counts',
      'Backend.MacPrefix is ignored: only Windows has it',
    ],
  );
  assert.deepEqual(readOptions({ Type: 'vxlan', VNI: 1 }, spec).warnings, []);
});

test('a secret is in no message, even when it has the wrong type', () => {
  assert.throws(
    () => readOptions({ PSK: 4711 }, spec),
    (error: unknown) => error instanceof WeftError && !`${error.message}${error.remedy}`.includes('4711'),
  );
});
