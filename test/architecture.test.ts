import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

/**
 * The floors of docs/architecture.md: for each folder, the folders it may import. Whatever is not listed is
 * forbidden.
 */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  base: [],
  wire: ['base'],
  state: ['base', 'wire'],
  lease: ['base'],
  control: ['base'],
  metrics: ['base'],
  backend: ['base', 'lease', 'state', 'wire'],
  traffic: ['base', 'lease', 'state', 'wire'],
  sys: ['base', 'wire'],
  kernel: ['base', 'wire', 'state', 'sys'],
  etcd: ['base'],
  firewall: ['base', 'wire', 'state', 'lease', 'traffic', 'sys', 'kernel'],
  registry: ['base', 'lease', 'sys', 'etcd'],
  tunnel: ['base', 'wire', 'state', 'lease', 'sys'],
  host: ['base', 'wire', 'state', 'lease', 'backend', 'traffic', 'sys', 'kernel'],
  daemon: [
    'base',
    'wire',
    'state',
    'lease',
    'backend',
    'traffic',
    'sys',
    'kernel',
    'registry',
    'tunnel',
    'firewall',
    'host',
    'control',
    'metrics',
  ],
  doctor: [
    'base',
    'wire',
    'state',
    'lease',
    'backend',
    'traffic',
    'sys',
    'kernel',
    'registry',
    'firewall',
    'host',
    'control',
    'view',
    'trace',
  ],
  view: [
    'base',
    'wire',
    'state',
    'lease',
    'backend',
    'traffic',
    'sys',
    'kernel',
    'registry',
    'firewall',
    'host',
    'control',
  ],
  capture: ['base', 'wire', 'state', 'sys', 'kernel'],
  trace: [
    'base',
    'wire',
    'state',
    'lease',
    'backend',
    'traffic',
    'sys',
    'kernel',
    'registry',
    'firewall',
    'host',
    'control',
  ],
  lab: ['base', 'wire', 'state', 'lease', 'backend', 'sys', 'kernel', 'registry'],
  cli: [
    'base',
    'wire',
    'state',
    'lease',
    'backend',
    'traffic',
    'sys',
    'kernel',
    'registry',
    'firewall',
    'host',
    'control',
    'daemon',
    'doctor',
    'view',
    'capture',
    'trace',
    'lab',
  ],
};

const knowledge = ['base', 'wire', 'state', 'lease', 'metrics', 'backend', 'traffic'];

interface SourceFile {
  readonly path: string;
  readonly folder: string;
  readonly text: string;
  readonly imports: readonly string[];
}

const files: SourceFile[] = globSync('src/**/*.ts').map(file => {
  const text = readFileSync(file, 'utf8');
  const imports = [...text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*'([^']+)'/g)].map(match => match[1] ?? '');
  return { path: file, folder: file.split(path.sep)[1] ?? '', text, imports };
});

function importsOf(file: SourceFile): string[] {
  return file.imports
    .filter(name => name.startsWith('.'))
    .map(name => path.join(path.dirname(file.path), name).split(path.sep)[1] ?? '')
    .filter(folder => folder !== file.folder);
}

function offenders(rule: (file: SourceFile) => readonly string[]): string[] {
  return files.flatMap(file => rule(file).map(what => `${file.path}: ${what}`));
}

test('every folder imports only the folders below it', () => {
  assert.ok(files.length > 10, 'the sources were found');
  assert.deepEqual(
    offenders(file => importsOf(file).filter(folder => !mayImport[file.folder]?.includes(folder))),
    [],
  );
});

test('floors 0 and 1 touch no node module, clock, randomness, process or logger', () => {
  const impure =
    /\b(?:Date\.now|new Date\(\)|Math\.random|process\.|performance\.|setTimeout|setInterval|crypto\.|console\.)/g;
  assert.deepEqual(
    offenders(file => {
      if (!knowledge.includes(file.folder)) return [];
      const code = file.text.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
      const modules = file.imports.filter(name => name.startsWith('node:') || name === 'pino');
      return [...modules, ...(code.match(impure) ?? [])];
    }),
    [],
  );
});

test('only sys calls FFI or starts programs', () => {
  assert.deepEqual(
    offenders(file =>
      file.folder === 'sys'
        ? []
        : file.imports.filter(name => name === 'koffi' || name === 'node:child_process'),
    ),
    [],
  );
});

test('one planner, check or command never imports another', () => {
  const shared: Readonly<Record<string, RegExp>> = {
    backend: /\/backend\/(backend|backends|family|vtep|direct-route|next-hop-routes|[a-z-]+-options)\.ts$/,
    'doctor/checks': /$^/,
    'cli/commands': /$^/,
  };
  assert.deepEqual(
    offenders(file =>
      Object.entries(shared).flatMap(([folder, exempt]) => {
        const inside = `src/${folder}/`;
        if (!file.path.startsWith(inside) || exempt.test(`/${file.path}`)) return [];
        return file.imports
          .filter(name => name.startsWith('./'))
          .filter(name => !exempt.test(`/${path.join(path.dirname(file.path), name)}`));
      }),
    ),
    [],
  );
});
