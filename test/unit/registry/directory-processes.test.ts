import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openDirectoryRegistry } from '../../../src/registry/directory.ts';
import { parseFile } from '../../../src/registry/directory-entry.ts';
import type { Registry } from '../../../src/registry/registry.ts';
import { outline, readWatch } from '../../contract/watch-reader.ts';
import { systemClock } from './clocks.ts';

interface Worker {
  readonly child: ChildProcess;
  /** Lines said after `ready`. */
  readonly lines: string[];
  /** Resolves when it is ready to begin. */
  readonly ready: Promise<void>;
  begin(): void;
  /** Resolves when it has ended by itself, and fails unless that was well. */
  finish(): Promise<void>;
  kill(): Promise<void>;
}

/** @param namespaces in network and mount namespaces of its own */
function start(folder: string, role: string, argument: string, namespaces = false): Worker {
  const program = [
    process.execPath,
    path.join(import.meta.dirname, 'directory-process.ts'),
    folder,
    role,
    argument,
  ];
  const [command = '', ...args] = namespaces ? ['unshare', '--net', '--mount', ...program] : program;
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  const lines: string[] = [];
  const reader = createInterface({ input: child.stdout });
  const ready = new Promise<void>((resolve, reject) => {
    reader.on('line', line => (line === 'ready' ? resolve() : void lines.push(line)));
    void exited.then(([code]) => reject(new Error(`ended with ${code} before it was ready`)));
  });
  return {
    child,
    lines,
    ready,
    begin: () => void child.stdin.write('\n'),
    async finish() {
      const [code, signal] = await exited;
      assert.equal(signal ?? code, 0);
    },
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

async function inFolder(body: (folder: string, registry: Registry) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), 'weft-registry-'));
  const registry = await openDirectoryRegistry({ path: folder, clock: systemClock, random: Math.random });
  try {
    await body(folder, registry);
  } finally {
    await registry.close();
    rmSync(folder, { recursive: true });
  }
}

/** Begins all at one instant, waits for all; none is left over, even when something failed. */
async function runTogether(workers: readonly Worker[]): Promise<void> {
  try {
    await Promise.all(workers.map(worker => worker.ready));
    for (const worker of workers) worker.begin();
    await Promise.all(workers.map(worker => worker.finish()));
  } finally {
    await Promise.all(workers.map(worker => worker.kill()));
  }
}

test('eight processes in namespaces of their own lease eight different subnets of eight', () =>
  inFolder(async (folder, registry) => {
    const config = {
      Network: '10.2.0.0/16',
      SubnetMin: '10.2.1.0',
      SubnetMax: '10.2.8.0',
      Backend: { Type: 'vxlan' },
    };
    await registry.put('config', JSON.stringify(config));
    const watch = readWatch(registry, 'subnets/');
    await watch.first(1);
    const workers = Array.from({ length: 8 }, (_, index) =>
      start(folder, 'lease', `192.168.3.${index + 1}`, true),
    );
    await runTogether(workers);
    const keys = workers.map(worker => worker.lines[0] ?? '');
    const expected = Array.from({ length: 8 }, (_, index) => `subnets/10.2.${index + 1}.0-24`);
    assert.deepEqual(keys.toSorted(), expected);
    const told = await watch.first(9);
    assert.deepEqual(
      told
        .slice(1)
        .map(event => (event.type === 'put' ? event.entry.key : event.type))
        .toSorted(),
      expected,
      'another network namespace is told each of them',
    );
    await watch.stop();
  }));

test('four processes that count by compare-and-swap lose no count, and a watcher is told each', () =>
  inFolder(async (folder, registry) => {
    const watch = readWatch(registry, '');
    await watch.first(1);
    await runTogether(Array.from({ length: 4 }, () => start(folder, 'count', '50')));
    assert.equal((await registry.get('counter'))?.value, '200');
    await watch.first(201);
    const counts = Array.from({ length: 200 }, (_, index) => `put counter=${index + 1}`);
    assert.deepEqual(outline(watch.told), ['snapshot', ...counts]);
    await watch.stop();
  }));

test('a process killed at any instant leaves the old or the new, and nobody else has to wait', () =>
  inFolder(async (folder, registry) => {
    const watch = readWatch(registry, 'subnets/a');
    await watch.first(1);
    let next = 0;
    for (let round = 0; round < 12; round++) {
      const worker = start(folder, 'scribble', `${next}`);
      await worker.ready;
      worker.begin();
      while (worker.lines.length < 3) {
        if (round > 0) assertWhole(folder, 'subnets/a');
        await sleep(0);
      }
      await sleep(Math.random() * 15);
      await worker.kill();
      assertWhole(folder, 'subnets/a');
      const said = Number(worker.lines.at(-1));
      const entry = await registry.get('subnets/a');
      const { number } = JSON.parse(entry?.value ?? '{}') as { number: number };
      assert.ok(number === said || number === said + 1, `said ${said}, found ${number}`);
      next = number + 1;
    }
    const last = await registry.put('subnets/a', JSON.stringify({ number: next }));
    assert.ok(last.written);
    await watch.upTo(last.revision);
    const numbers = watch.told
      .slice(1)
      .map(event =>
        event.type === 'put' ? (JSON.parse(event.entry.value) as { number: number }).number : -1,
      );
    assert.deepEqual(
      numbers,
      Array.from({ length: next + 1 }, (_, index) => index),
      'a watcher is told each number once, those of the killed too',
    );
    await watch.stop();
  }));

/** Reads without the lock, as a person would. */
function assertWhole(folder: string, name: string): void {
  const { revision } = parseFile(readFileSync(path.join(folder, name)));
  assert.notEqual(revision, undefined, `${name} is whole`);
}
