import assert from 'node:assert/strict';
import { test } from 'node:test';
import { paintFor, wantsColour } from '../../../src/cli/colour.ts';

const cases: ReadonlyArray<readonly [environment: Record<string, string>, terminal: boolean, pipe: boolean]> =
  [
    [{}, true, false],
    [{ TERM: 'xterm' }, true, false],
    [{ TERM: 'dumb' }, false, false],
    [{ NO_COLOR: '1' }, false, false],
    [{ NO_COLOR: '0' }, false, false],
    [{ NO_COLOR: '' }, true, false],
    [{ NO_COLOR: '1', FORCE_COLOR: '1', CLICOLOR_FORCE: '1' }, false, false],
    [{ FORCE_COLOR: '1' }, true, true],
    [{ FORCE_COLOR: '' }, true, true],
    [{ FORCE_COLOR: '3', TERM: 'dumb' }, true, true],
    [{ FORCE_COLOR: '0' }, false, false],
    [{ FORCE_COLOR: 'false', CLICOLOR_FORCE: '1' }, false, false],
    [{ CLICOLOR_FORCE: '1' }, true, true],
    [{ CLICOLOR_FORCE: '0' }, true, false],
    [{ CLICOLOR_FORCE: '' }, true, false],
    [{ CLICOLOR: '0' }, false, false],
    [{ CLICOLOR: '1' }, true, false],
    [{ CLICOLOR: '0', CLICOLOR_FORCE: '1' }, true, true],
  ];

test('colours are for terminals, and for whom the environment says', () => {
  for (const [environment, terminal, pipe] of cases) {
    const found = [{ isTTY: true }, {}].map(stream => wantsColour(stream, environment));
    assert.deepEqual(found, [terminal, pipe], JSON.stringify(environment));
  }
});

test('paint sets text off where colours are wanted, and leaves it alone elsewhere', () => {
  const { heading, quiet, good, bad } = paintFor({ isTTY: true }, {});
  assert.deepEqual(
    [heading, quiet, good, bad].map(paint => paint('x')),
    ['\x1b[1mx\x1b[22m', '\x1b[2mx\x1b[22m', '\x1b[32mx\x1b[39m', '\x1b[31mx\x1b[39m'],
  );
  for (const paint of Object.values(paintFor({}, {}))) assert.equal(paint('x'), 'x');
});
