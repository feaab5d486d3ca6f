import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LookSchedule } from '../../../src/daemon/look-schedule.ts';
import { systemClock } from '../../../src/sys/clock.ts';

interface Case {
  readonly title: string;
  readonly objects: number;
  readonly looksMs: readonly number[];
  readonly auditInMs: number;
}

const cases: readonly Case[] = [
  { title: 'a kernel without peers is looked at each minute', objects: 0, looksMs: [], auditInMs: 60_000 },
  { title: 'so is that of a small network', objects: 400, looksMs: [3], auditInMs: 60_000 },
  {
    title: 'that of ten thousand peers every 400 s, before a first look has told how long one takes',
    ...{ objects: 40_000, looksMs: [], auditInMs: 400_000 },
  },
  {
    title: 'looks of a second are so seldom that they take a thousandth of the time',
    ...{ objects: 40_000, looksMs: [1000], auditInMs: 900_000 },
  },
  { title: 'the last look counts', objects: 0, looksMs: [1000, 5], auditInMs: 60_000 },
];

for (const { title, objects, looksMs, auditInMs } of cases) {
  test(title, () => {
    const { signal } = new AbortController();
    const schedule = new LookSchedule({ clock: systemClock, signal, random: Math.random });
    for (const tookMs of looksMs) schedule.looked(tookMs);
    assert.equal(schedule.auditInMs(objects), auditInMs);
  });
}
