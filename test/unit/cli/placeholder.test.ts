import assert from 'node:assert/strict';
import { test } from 'node:test';
import { alternativesOf } from '../../../src/cli/placeholder.ts';

const cases: ReadonlyArray<readonly [placeholder: string, ...alternatives: string[]]> = [
  ['auto|text|json', 'word auto', 'word text', 'word json'],
  ['4|6|46', 'word 4', 'word 6', 'word 46'],
  ['vxlan-direct', 'word vxlan-direct'],
  ['FILE|-', 'name FILE'],
  ['IFACE|IP', 'name IFACE', 'name IP'],
  ['etcd|dir:PATH', 'word etcd', 'name PATH behind dir:'],
  ['URL,URL'],
  ['FILE:LINE'],
  [''],
];

test('a placeholder says what can be typed in its place', () => {
  for (const [placeholder, ...expected] of cases) {
    const found = alternativesOf(placeholder).map(alternative => {
      if (alternative.kind === 'word') return `word ${alternative.text}`;
      return `name ${alternative.name}${alternative.prefix === '' ? '' : ` behind ${alternative.prefix}`}`;
    });
    assert.deepEqual(found, expected, placeholder);
  }
});
