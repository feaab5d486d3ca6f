import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  applyEnvironment,
  type Environment,
  misspeltVariables,
  variableOf,
} from '../../../src/cli/flag-environment.ts';
import { type FlagTable, parseFlags } from '../../../src/cli/go-flags.ts';

const table = {
  'etcd-endpoints': { kind: 'string', default: 'http://here', help: 'a text' },
  'etcd-password': { kind: 'string', default: '', help: 'a secret', secret: true },
  iface: { kind: 'strings', help: 'texts' },
  'healthz-port': { kind: 'int', default: 0, help: 'a number' },
  'ip-masq': { kind: 'bool', default: false, help: 'a switch' },
  v: { kind: 'int', default: 0, help: 'a level' },
  log_backtrace_at: { kind: 'string', default: '', help: 'a text' },
} as const satisfies FlagTable;

function resolve(args: readonly string[], environment: Environment) {
  return applyEnvironment(table, parseFlags(table, args), environment);
}

const names: Readonly<Record<string, string>> = {
  'etcd-endpoints': 'FLANNELD_ETCD_ENDPOINTS',
  'iface-can-reach': 'FLANNELD_IFACE_CAN_REACH',
  v: 'FLANNELD_V',
  log_backtrace_at: 'FLANNELD_LOG_BACKTRACE_AT',
};

test('the variable of a flag is FLANNELD_ and its name in capitals', () => {
  for (const [flag, variable] of Object.entries(names)) assert.equal(variableOf(flag), variable);
});

interface Case {
  readonly args?: readonly string[];
  readonly environment: Environment;
  readonly values: object;
  readonly warnings?: readonly string[];
}

const cases: Readonly<Record<string, Case>> = {
  'a variable fills a flag that was not given': {
    environment: {
      FLANNELD_ETCD_ENDPOINTS: 'http://there',
      FLANNELD_HEALTHZ_PORT: '0x10',
      FLANNELD_IP_MASQ: 'T',
    },
    values: { 'etcd-endpoints': 'http://there', 'healthz-port': 16, 'ip-masq': true },
  },
  'the command line wins, even with the default value': {
    args: ['-ip-masq=false', '-v=0'],
    environment: { FLANNELD_IP_MASQ: 'true', FLANNELD_V: '4' },
    values: { 'ip-masq': false, v: 0 },
  },
  'an empty variable counts as unset': {
    environment: { FLANNELD_ETCD_ENDPOINTS: '', FLANNELD_HEALTHZ_PORT: '' },
    values: { 'etcd-endpoints': 'http://here', 'healthz-port': 0 },
  },
  'a repeatable flag gets one value, commas and all': {
    environment: { FLANNELD_IFACE: 'eth0,eth1' },
    values: { iface: ['eth0,eth1'] },
  },
  'a repeatable flag on the command line shuts its variable out': {
    args: ['-iface', 'eth2'],
    environment: { FLANNELD_IFACE: 'eth0' },
    values: { iface: ['eth2'] },
  },
  'a bad value leaves the default and is told, and the others still count': {
    environment: { FLANNELD_HEALTHZ_PORT: 'http', FLANNELD_IP_MASQ: 'yes', FLANNELD_V: '2' },
    values: { 'healthz-port': 0, 'ip-masq': false, v: 2 },
    warnings: [
      'FLANNELD_HEALTHZ_PORT: expected an integer, got "http"; using the default, 0',
      'FLANNELD_IP_MASQ: expected true or false, got "yes"; using the default, false',
    ],
  },
  'variables in lower case or without the prefix are no variables of ours': {
    environment: { flanneld_v: '4', V: '4', ETCD_ENDPOINTS: 'x' },
    values: {},
  },
};

const defaults = Object.fromEntries(Object.entries(parseFlags(table, []).values));

for (const [title, { args = [], environment, values, warnings = [] }] of Object.entries(cases)) {
  test(title, () => {
    assert.deepEqual(resolve(args, environment), { values: { ...defaults, ...values }, warnings });
  });
}

const spelling: Readonly<Record<string, readonly string[]>> = {
  FLANNELD_ETCD_ENDPOINT: [
    'FLANNELD_ETCD_ENDPOINT belongs to no flag; did you mean FLANNELD_ETCD_ENDPOINTS?',
  ],
  FLANNELD_IFACES: ['FLANNELD_IFACES belongs to no flag; did you mean FLANNELD_IFACE?'],
  FLANNELD_IFACE: [],
  FLANNELD_SERVICE_HOST: [],
  ETCD_ENDPOINT: [],
};

test('a variable that is almost a flag’s is told, and no other', () => {
  for (const [variable, warnings] of Object.entries(spelling)) {
    assert.deepEqual(misspeltVariables(table, { [variable]: 'x' }), warnings);
  }
});
