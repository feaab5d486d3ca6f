import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import { testScope } from '../support/leaks.ts';
import { createNetns } from '../support/netns.ts';

const folder = path.join(import.meta.dirname, '../../examples/netlink');

/** What each example prints. */
const outputs: Readonly<Record<string, string>> = {
  'addresses.ts': `10.2.14.1/24 scope global
ip address add 10.2.14.1/24 dev if2 failed: EEXIST (File exists), the kernel says: ipv4: Address already assigned
`,
  'fdb.ts': `0a:00:00:00:00:0e dst 192.0.2.15 self permanent
`,
  'links.ts': `vx1: vni 1 port 8472 mtu 1350 up true
lo
`,
  'monitor.ts': `br0 is present
br0 is gone
`,
  'neighbours.ts': `10.2.14.0 is at 0a:00:00:00:00:0f, permanent
`,
  'next-hops.ts': `10.2.14.0/24 nhid 77 via 10.2.99.0
10.2.15.0/24 nhid 77 via 10.2.99.0
0
`,
  'routes.ts': `added
ip route add 10.2.14.0/24 via 192.0.2.15 proto static failed: EEXIST (File exists)
added
10.2.14.0/24 via 192.0.2.14 mtu 1400
10.2.15.0/24 via 192.0.2.15
10.2.16.0/24 via 192.0.2.15
10.2.14.3 goes via 192.0.2.14 from 192.0.2.1
0
`,
};

test('every example is known here', () => {
  assert.deepEqual(readdirSync(folder).sort(), Object.keys(outputs).sort());
});

for (const [file, output] of Object.entries(outputs)) {
  test(`the example ${file} prints what it should, and leaves nothing behind`, async t => {
    const netns = await createNetns(testScope(t), 'example');
    const listing = 'ip -brief link; ip address show scope global; ip route; ip neigh; ip nexthop';
    const before = await netns.run(['sh', '-c', listing]);
    const printed = await netns.run([process.execPath, '--conditions=weft-source', path.join(folder, file)]);
    // What the kernel adds to its refusals differs from version to version.
    const plain = (text: string) => text.replace(/, the kernel says: .*/g, '');
    assert.equal(plain(printed), plain(output));
    assert.equal(await netns.run(['sh', '-c', listing]), before);
  });
}

test('every piece of code in docs/netlink.md runs as it stands there, and prints what stands below it', async t => {
  const page = readFileSync(path.join(import.meta.dirname, '../../docs/netlink.md'), 'utf8');
  const pieces = [...page.matchAll(/```ts\n(.*?)```(?:\n\n```text\n(.*?)```)?/gs)];
  assert.ok(pieces.length >= 3);
  const scope = testScope(t);
  for (const [, code = '', output] of pieces) {
    const netns = await createNetns(scope, 'docs');
    // From the folder of the tests, whose package is the one that the code imports by name.
    const node = [process.execPath, '--conditions=weft-source', '--input-type=module-typescript', '-'];
    const printed = await netns.run(node, { input: code });
    if (output !== undefined) assert.equal(printed, output, code);
  }
});
