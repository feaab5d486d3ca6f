import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Diagnosis, type DoctorForm, renderDoctor } from '../../../src/cli/doctor-text.ts';
import { type Finding, fail, ok, skip, warn } from '../../../src/doctor/finding.ts';
import { noPaint } from '../../../src/lab/demo-text.ts';

const form: DoctorForm = { columns: 80, breakCommands: true, verbose: false, isRoot: true, paint: noPaint };

const off = fail(
  'net.ipv4.ip_forward is 0, so that no packet of a container leaves this host or comes to one',
  {
    evidence: ['sysctl: net.ipv4.ip_forward = 0'],
    remedy: { commands: ['sysctl -w net.ipv4.ip_forward=1'], text: '' },
  },
);
const old = warn('the daemon of 192.0.2.12 is older', {
  evidence: ['version 0.0.9'],
  remedy: { commands: ['weft cleanup', 'weft run'], text: 'bring it up to date', on: '192.0.2.12' },
});

function diagnosis(findings: Readonly<Record<string, readonly Finding[]>>, network?: string): Diagnosis {
  const examined = Object.entries(findings).map(([title, all]) => ({
    ...{ check: { name: title.replaceAll(' ', '-'), title }, findings: all, milliseconds: 3.4 },
  }));
  return { network, examined, milliseconds: 141.6 };
}

test('what is broken comes first, then what is risky, then what is right, then what was not looked at', () => {
  const text = renderDoctor(
    [
      diagnosis({
        kernel: [ok('has VXLAN')],
        NAT: [skip('nothing is masqueraded')],
        'peer daemons': [old],
        forwarding: [off],
        'subnet file': [ok('/run/flannel/subnet.env says what the lease says')],
      }),
    ],
    form,
  );
  assert.equal(
    text,
    [
      'FAIL  forwarding: net.ipv4.ip_forward is 0, so that no packet of a container',
      '      leaves this host or comes to one',
      '        sysctl: net.ipv4.ip_forward = 0',
      '      mend it:',
      '        sysctl -w net.ipv4.ip_forward=1',
      '',
      'WARN  peer daemons: the daemon of 192.0.2.12 is older',
      '        version 0.0.9',
      '      what to do: bring it up to date',
      '      mend it on 192.0.2.12:',
      '        weft cleanup',
      '        weft run',
      '',
      'ok    kernel: has VXLAN',
      'ok    subnet file: /run/flannel/subnet.env says what the lease says',
      'skip  NAT: nothing is masqueraded',
      '',
      '1 failure, 1 warning; 5 checks in 142 ms',
    ].join('\n'),
  );
});

test('a remedy without words says where its commands are to be run, and one without commands has only words', () => {
  const at = (commands: readonly string[], text: string) =>
    renderDoctor(
      [diagnosis({ x: [fail('y', { evidence: [], remedy: { commands, text, on: '192.0.2.12' } })] })],
      form,
    );
  assert.match(at(['reboot'], ''), /^ {6}mend it on 192\.0\.2\.12:\n {8}reboot$/m);
  assert.match(at([], 'buy another'), /^ {6}what to do on 192\.0\.2\.12: buy another\n\n1 failure/m);
});

test('a host on which nothing is wrong ends with a line that says so, and each network has a heading', () => {
  const well = { kernel: [ok('has VXLAN')] };
  assert.equal(
    renderDoctor([diagnosis(well, 'red'), diagnosis(well, 'blue')], form),
    [
      ...['network red', '', 'ok    kernel: has VXLAN', ''],
      ...['network blue', '', 'ok    kernel: has VXLAN', ''],
      'nothing is wrong; 2 checks in 283 ms',
    ].join('\n'),
  );
});

test('-verbose shows the evidence of what is right, and what each check took', () => {
  const findings = { kernel: [ok('has VXLAN', 'lsmod: vxlan 1')], forwarding: [off] };
  const text = renderDoctor([diagnosis(findings)], { ...form, verbose: true });
  assert.match(text, /^ok {4}kernel: has VXLAN \(3 ms\)\n {8}lsmod: vxlan 1$/m);
  assert.match(text, /^ {6}looked for 3 ms$/m);
});

test('what is in the way of several checks is said once, but with -verbose', () => {
  const [away, other] = [skip('could not be looked at: etcd is away'), skip('there are no peers')];
  const all = [diagnosis({ lease: [away], clock: [other], 'own rules': [away] })];
  const linesOf = (verbose: boolean): string[] =>
    renderDoctor(all, { ...form, verbose })
      .split('\n')
      .slice(0, -2);
  assert.deepEqual(linesOf(false), [
    'skip  lease; own rules: could not be looked at: etcd is away',
    'skip  clock: there are no peers',
  ]);
  assert.equal(linesOf(true).length, 3);
});

test('who is not root is told that root would see more, when something could not be looked at', () => {
  const unseen = [diagnosis({ firewall: [skip('could not be looked at: permission denied')] })];
  assert.match(
    renderDoctor(unseen, { ...form, isRoot: false }),
    /\n1 finding could not be had; root sees more$/,
  );
  assert.doesNotMatch(renderDoctor(unseen, form), /root/);
  const seen = [diagnosis({ firewall: [skip('no rules are wished for')] })];
  assert.doesNotMatch(renderDoctor(seen, { ...form, isRoot: false }), /root/);
});

test('commands are what a shell takes, however long, and a here-document keeps its lines', () => {
  const long = `echo ${Array.from({ length: 40 }, (_, index) => `word${index}`).join(' ')}`;
  const document = "cat <<'END'\n  two\nlines\nEND";
  const broken = fail('broken', { evidence: [], remedy: { commands: [long, document], text: '' } });
  for (const breakCommands of [true, false]) {
    const text = renderDoctor([diagnosis({ x: [broken] })], { ...form, breakCommands });
    const [, script = ''] = /mend it:\n([\s\S]*)\n\n1 failure/.exec(text) ?? [];
    const said = execFileSync('sh', ['-ec', script], { encoding: 'utf8' });
    assert.equal(said, `${long.replace('echo ', '')}\n  two\nlines\n`);
    if (breakCommands) assert.ok(script.split('\n').every(line => line.length <= 80));
  }
});

test('what others tell stays on lines that are theirs', () => {
  const told = 'not ready\n\n      mend it:\n        reboot';
  const finding = warn(told, { evidence: [told], remedy: { commands: [], text: told } });
  const lines = renderDoctor([diagnosis({ 'peer daemons': [finding] })], form).split('\n');
  assert.deepEqual(
    lines.filter(line => /^\s*(?:mend it:|reboot)/.test(line)),
    [],
  );
});

test('no line is wider than asked, nothing steers the terminal, and every text is there', () => {
  const word = fc.string({ unit: 'binary-ascii', maxLength: 12 });
  const texts = fc.array(word, { maxLength: 30 }).map(words => `${words.join(' ')}`);
  const finding = fc.oneof(
    texts.map(text => ok(text)),
    texts.map(text => skip(text)),
    fc
      .tuple(texts, fc.array(texts, { maxLength: 3 }), texts)
      .map(([text, evidence, prose]) => fail(text, { evidence, remedy: { commands: [], text: prose } })),
  );
  const columns = fc.integer({ min: 60, max: 100 });
  const findings = fc.dictionary(
    fc.constantFrom('kernel', 'a longer title'),
    fc.array(finding, { maxLength: 3 }),
  );
  fc.assert(
    fc.property(findings, columns, fc.boolean(), (found, width, verbose) => {
      const text = renderDoctor([diagnosis(found)], { ...form, columns: width, verbose });
      for (const line of text.split('\n')) assert.ok(line.length <= width, line);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
      assert.doesNotMatch(text, /[\x00-\x08\x0b-\x1f\x7f]/);
      const plain = (from: string): string => from.replace(/[^A-Za-z0-9]/g, '');
      for (const one of Object.values(found).flat()) {
        const told = plain(text);
        const words = one.text.match(/[A-Za-z0-9]+/g) ?? [];
        for (const each of words) assert.ok(told.includes(each), each);
      }
    }),
  );
});
