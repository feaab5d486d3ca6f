import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DrawingPaint, drawTrace } from '../../../src/trace/drawing.ts';
import type { Trace } from '../../../src/trace/hop.ts';
import { pictureOf } from '../../../src/trace/picture.ts';
import { trace, view } from './views.ts';

const plain: DrawingPaint = { heading: same, quiet: same, good: same, bad: same };

function same(text: string): string {
  return text;
}

/** The same way with the longest addresses and names there are. */
function stretched(found: Trace): Trace {
  const long = '2001:db8:1111:2222:3333:4444:5555:6666';
  return JSON.parse(
    JSON.stringify(found)
      .replace(/\b(?:10|192)\.\d+\.\d+\.\d+\b/g, long)
      .replace(/flannel\.1|docker0/g, 'flannel-v6.1677'),
  ) as Trace;
}

test('no line is wider than it may be, however long the addresses are', () => {
  const found = [trace(view(), '10.2.14.3', '10.2.1.2'), trace(view({ neighbours: [] }), '10.2.14.3')];
  for (const one of found.flatMap(whole => [whole, stretched(whole)]))
    for (const width of [80, 100])
      for (const line of drawTrace(one, { width, paint: plain }).split('\n'))
        assert.ok(line.length <= width, `${line.length}: ${line}`);
});

test('colours say nothing that the text without them does not', () => {
  const marked: DrawingPaint = {
    heading: text => `<h>${text}</h>`,
    quiet: text => `<q>${text}</q>`,
    good: text => `<g>${text}</g>`,
    bad: text => `<b>${text}</b>`,
  };
  for (const found of [trace(view(), '10.2.14.3'), trace(view({ fdb: [] }), '10.2.14.3')]) {
    const coloured = drawTrace(found, { width: 80, paint: marked });
    assert.match(coloured, found.verdict === 'broken' ? /<b>✖<\/b> <b>FDB entry {3}<\/b>/ : /<g>●<\/g> /);
    assert.equal(coloured.replace(/<\/?[hqgb]>/g, ''), drawTrace(found, { width: 80, paint: plain }));
  }
});

test('the picture is well formed, holds every entry, and what anybody calls a device is only text in it', () => {
  const links = view().links.map(one =>
    one.name === 'eth0' ? { ...one, kind: { kind: 'other', name: '<a href="x">&' } as const } : one,
  );
  const found = trace(view({ links }), '10.2.14.3', '10.2.1.2');
  const picture = pictureOf(found);
  assert.ok(picture.includes('&lt;a href=&quot;x&quot;&gt;&amp;'));
  assertBalanced(picture);
  const words = picture.replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' ');
  for (const { line } of found.hops
    .flatMap(({ entries }) => entries)
    .filter(entry => !/[<>]/.test(entry.line)))
    for (const word of line.split(' ')) assert.ok(words.includes(word), word);
  assertBalanced(pictureOf(stretched(found)));
  assertBalanced(pictureOf(trace(view({ neighbours: [] }), '10.2.14.3')));
});

/** Every element that begins ends, in order. */
function assertBalanced(xml: string): void {
  const open: string[] = [];
  for (const [, close, name = '', empty] of xml.matchAll(/<(\/?)([a-z]+)[^>]*?(\/?)>/g)) {
    if (close === '/') assert.equal(open.pop(), name);
    else if (empty !== '/') open.push(name);
  }
  assert.deepEqual(open, []);
  assert.doesNotMatch(xml.replace(/<[^<>]*>/g, ''), /[<>]|&(?!(?:amp|lt|gt|quot);)/);
}
