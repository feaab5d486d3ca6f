/** docs/doctor.md lists the checks and the faults that there are. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { checks } from '../../../src/doctor/checks.ts';
import type { Fault } from '../../e2e/gallery/fault.ts';
import { doctorDocument, readExhibits } from '../../e2e/gallery/gallery-table.ts';
import { hostFaults } from '../../e2e/gallery/host-faults.ts';
import { networkFaults } from '../../e2e/gallery/network-faults.ts';
import { pathFaults } from '../../e2e/gallery/path-faults.ts';

const sections: Readonly<Record<string, readonly Fault[]>> = {
  host: hostFaults,
  network: networkFaults,
  path: pathFaults,
};

test('every check is listed, in the order in which they are shown', () => {
  const rows = readFileSync(doctorDocument, 'utf8').matchAll(/^\| `([a-z-]+)` \| ([^|]+) \| [^|]+ \|$/gm);
  assert.deepEqual(
    Array.from(rows, ([, name, title]) => [name, title]),
    checks.map(({ name, title }) => [name, title]),
  );
});

test('no two checks have the same name or title, and names fit JSON and the manual', () => {
  for (const words of [checks.map(({ name }) => name), checks.map(({ title }) => title)])
    assert.equal(new Set(words).size, words.length, words.join(', '));
  for (const { name } of checks) assert.match(name, /^[a-z]+(-[a-z]+)*$/);
});

for (const [section, faults] of Object.entries(sections)) {
  test(`the gallery of the ${section} lists exactly the faults that are tried, with the checks that find them`, () => {
    assert.deepEqual(
      readExhibits(section),
      faults.map(({ name, check, verdict }) => ({ name, check, verdict })),
    );
  });
}

test('at least 30 faults are tried, each of another name, and each is to be found by a check that there is', () => {
  const faults = Object.values(sections).flat();
  assert.ok(faults.length >= 30, `${faults.length} faults`);
  assert.equal(new Set(faults.map(({ name }) => name)).size, faults.length);
  const names = checks.map(({ name }) => name);
  for (const { name, check, also = [] } of faults)
    for (const one of [check, ...also]) assert.ok(names.includes(one), `${name}: ${one}`);
});
