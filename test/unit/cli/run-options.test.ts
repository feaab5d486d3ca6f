import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WeftError } from '../../../src/base/errors.ts';
import { printableOptions } from '../../../src/cli/printable-options.ts';
import { runFlags } from '../../../src/cli/run-flags.ts';
import { type RunOptions, readRunOptions } from '../../../src/cli/run-options.ts';
import { weftVersion } from '../../../src/cli/version.ts';

function options(args: readonly string[], environment = {}): RunOptions {
  const request = readRunOptions(args, environment);
  assert.equal(request.action, 'run');
  return request.options;
}

/** flanneld's own flags and defaults (v0.28.9); a change here breaks drop-in users. */
const flanneld: Readonly<Record<string, string | number | boolean | undefined>> = {
  'etcd-endpoints': 'http://127.0.0.1:4001,http://127.0.0.1:2379',
  'etcd-prefix': '/coreos.com/network',
  'etcd-keyfile': '',
  'etcd-certfile': '',
  'etcd-cafile': '',
  'etcd-username': '',
  'etcd-password': '',
  iface: undefined,
  'iface-regex': undefined,
  'iface-can-reach': '',
  'subnet-file': '/run/flannel/subnet.env',
  'public-ip': '',
  'public-ipv6': '',
  'subnet-lease-renew-margin': 60,
  'ip-masq': false,
  'ip-masq-fully-random-disable': false,
  'kube-subnet-mgr': false,
  'kube-api-url': '',
  'kube-annotation-prefix': 'flannel.alpha.coreos.com',
  'kubeconfig-file': '',
  version: false,
  // Loopback unless told otherwise: docs/adr/0013.
  'healthz-ip': '127.0.0.1',
  'healthz-port': 0,
  'iptables-resync': 5,
  'iptables-forward-rules': true,
  'ip-blackhole-route': false,
  'net-config-path': '/etc/kube-flannel/net-conf.json',
  'set-node-network-unavailable': true,
  v: 0,
  vmodule: '',
  log_backtrace_at: '',
};

test('every flag of flanneld is there with its default, and a few of our own', () => {
  const known = Object.fromEntries(
    Object.entries(runFlags).map(([name, spec]) => [name, 'default' in spec ? spec.default : undefined]),
  );
  assert.deepEqual(known, {
    ...flanneld,
    registry: 'etcd',
    'log-format': 'auto',
    networks: '',
    'subnet-dir': '/run/flannel/networks',
    'networks-allow': undefined,
    'ip-masq-exclude': undefined,
    'route-next-hops': 'auto',
    'vtep-filter': 'auto',
    'metrics-addr': '',
    'peer-probing': true,
    'peer-probe-interval': 5,
    'peer-port': 8473,
  });
});

test('the options of an empty command line are flanneld’s defaults', () => {
  assert.deepEqual(options([]), {
    registry: {
      type: 'etcd',
      endpoints: ['http://127.0.0.1:4001', 'http://127.0.0.1:2379'],
      prefix: '/coreos.com/network',
      keyFile: '',
      certFile: '',
      caFile: '',
      username: '',
      password: '',
    },
    several: undefined,
    registryEndpoints: ['http://127.0.0.1:4001', 'http://127.0.0.1:2379'],
    iface: [],
    ifaceRegex: [],
    ifaceCanReach: undefined,
    publicIp: undefined,
    publicIpv6: undefined,
    subnetFile: '/run/flannel/subnet.env',
    renewMarginMinutes: 60,
    ipMasq: false,
    ipMasqFullyRandom: true,
    ipMasqExclude: [],
    vtepFilter: undefined,
    iptablesForwardRules: true,
    iptablesResyncSeconds: 5,
    healthz: undefined,
    metrics: undefined,
    peerProbeSeconds: 5,
    peerPort: 8473,
    routeNextHops: 'auto',
    notifySocket: undefined,
    logFormat: 'auto',
    verbosity: 0,
  });
});

interface Taken {
  readonly args: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly options: Partial<RunOptions>;
}

const taken: Readonly<Record<string, Taken>> = {
  'a directory as the registry': {
    args: ['-registry', 'dir:/srv/weft'],
    options: { registry: { type: 'dir', path: '/srv/weft' }, registryEndpoints: [] },
  },
  'interfaces in their order': {
    args: ['-iface', 'eth1', '--iface=10.0.0.1', '-iface-regex', '^10\\.'],
    options: { iface: ['eth1', '10.0.0.1'], ifaceRegex: [/^10\./] },
  },
  "Go's flags in front of a regular expression": {
    args: ['-iface-regex', '(?i)ETH'],
    options: { ifaceRegex: [/ETH/i] },
  },
  'addresses in canonical form': {
    args: ['-public-ip=192.0.2.1', '-public-ipv6=FD00:0::1', '-iface-can-reach=2001:db8::0'],
    options: { publicIp: ip('192.0.2.1'), publicIpv6: ip('fd00::1'), ifaceCanReach: ip('2001:db8::') },
  },
  'the smallest margin': { args: ['-subnet-lease-renew-margin=1'], options: { renewMarginMinutes: 1 } },
  'no peer door': { args: ['-peer-port=0'], options: { peerPort: 0 } },
  'an interval of probes': { args: ['-peer-probe-interval', '60'], options: { peerProbeSeconds: 60 } },
  'no probes': { args: ['-peer-probing=false'], options: { peerProbeSeconds: undefined } },
  'the largest margin': { args: ['-subnet-lease-renew-margin=1439'], options: { renewMarginMinutes: 1439 } },
  'a health port': {
    args: ['-healthz-port', '8080', '-healthz-ip', '127.0.0.1'],
    options: { healthz: { ip: '127.0.0.1', port: 8080 } },
  },
  'an address for metrics': {
    args: ['-metrics-addr', '127.0.0.1:9469'],
    options: { metrics: { host: '127.0.0.1', port: 9469, version: weftVersion() } },
  },
  'an IPv6 address for metrics': {
    args: ['-metrics-addr=[fd00::1]:9469'],
    options: { metrics: { host: 'fd00::1', port: 9469, version: weftVersion() } },
  },
  'masquerading without random ports': {
    args: ['-ip-masq', '-ip-masq-fully-random-disable'],
    options: { ipMasq: true, ipMasqFullyRandom: false },
  },
  'firewall flags': {
    args: ['-iptables-forward-rules=false', '-iptables-resync=60'],
    options: { iptablesForwardRules: false, iptablesResyncSeconds: 60 },
  },
  'Kubernetes flags that change nothing without the Kubernetes subnet manager': {
    args: ['-kube-api-url=http://x', '-kubeconfig-file=/x', '-net-config-path=/y', '-kube-subnet-mgr=false'],
    options: {},
  },
  "klog's flags": {
    args: ['-v=6', '-vmodule=a=1', '-log_backtrace_at', 'x.go:1'],
    options: { verbosity: 6 },
  },
  variables: {
    args: ['-iface=eth0'],
    environment: { FLANNELD_IFACE: 'eth9', FLANNELD_SUBNET_FILE: '/tmp/s', FLANNELD_REGISTRY: 'dir:r' },
    options: {
      iface: ['eth0'],
      subnetFile: '/tmp/s',
      registry: { type: 'dir', path: 'r' },
      registryEndpoints: [],
    },
  },
  'several networks': {
    args: ['-networks', 'red,blue.2', '-networks-allow=red:blue.2', '-subnet-dir=/run/n'],
    options: {
      several: {
        networks: [
          { name: 'red', netns: undefined },
          { name: 'blue.2', netns: undefined },
        ],
        subnetDir: '/run/n',
        allowed: [['red', 'blue.2']],
      },
    },
  },
  'networks in namespaces, by name and by path, from a variable': {
    args: [],
    environment: { FLANNELD_NETWORKS: 'red@tenant-red,blue@/proc/1/ns/net' },
    options: {
      several: {
        networks: [
          { name: 'red', netns: '/run/netns/tenant-red' },
          { name: 'blue', netns: '/proc/1/ns/net' },
        ],
        ...{ subnetDir: '/run/flannel/networks', allowed: [] },
      },
    },
  },
  'no networks as one': { args: ['-networks='], options: { several: undefined } },
  "systemd's socket": {
    args: [],
    environment: { NOTIFY_SOCKET: '@ready' },
    options: { notifySocket: '@ready' },
  },
  'FLANNELD_VERSION without any effect': { args: [], environment: { FLANNELD_VERSION: 'true' }, options: {} },
};

function ip(text: string): NonNullable<RunOptions['publicIp']> {
  return text as NonNullable<RunOptions['publicIp']>;
}

for (const [what, { args, environment = {}, options: expected }] of Object.entries(taken)) {
  test(`weft run takes ${what}`, () => {
    const request = readRunOptions(args, environment);
    assert.deepEqual(request, { action: 'run', options: { ...options([]), ...expected }, warnings: [] });
  });
}

const refused: ReadonlyArray<readonly [args: readonly string[], code: string, message: string]> = [
  [['-registry', 'consul'], 'flag-invalid', '-registry: expected etcd or dir:PATH, got "consul"'],
  [['-registry', 'dir:'], 'flag-invalid', '-registry: expected etcd or dir:PATH, got "dir:"'],
  [['-log-format=xml'], 'flag-invalid', '-log-format: expected auto, text or json, got "xml"'],
  [
    ['-subnet-lease-renew-margin=0'],
    'option-invalid',
    '-subnet-lease-renew-margin: expected 1 to 1439, got "0"',
  ],
  [
    ['-subnet-lease-renew-margin=1440'],
    'option-invalid',
    '-subnet-lease-renew-margin: expected 1 to 1439, got "1440"',
  ],
  [['-peer-probe-interval=0'], 'option-invalid', '-peer-probe-interval: expected 1 to 3600, got "0"'],
  [['-peer-probe-interval=3601'], 'option-invalid', '-peer-probe-interval: expected 1 to 3600, got "3601"'],
  [['-peer-port=65536'], 'option-invalid', '-peer-port: expected 0 to 65535, got "65536"'],
  [['-healthz-port=65536'], 'option-invalid', '-healthz-port: expected 0 to 65535, got "65536"'],
  ...['9469', ':9469', '127.0.0.1', '127.0.0.1:0', '127.0.0.1:65536', 'fd00::1:9469', 'http://a:1', 'a:'].map(
    text =>
      [
        ['-metrics-addr', text],
        'option-invalid',
        `-metrics-addr: expected HOST:PORT such as 127.0.0.1:9469 or [::1]:9469, got ${JSON.stringify(text)}`,
      ] as const,
  ),
  [['-iptables-resync=0'], 'option-invalid', '-iptables-resync: expected 1 to 86400, got "0"'],
  [['-public-ip=fd00::1'], 'option-invalid', '-public-ip: expected an IPv4 address, got "fd00::1"'],
  [['-public-ip=10.0.0'], 'option-invalid', '-public-ip: expected an IPv4 address, got "10.0.0"'],
  [['-public-ipv6=10.0.0.1'], 'option-invalid', '-public-ipv6: expected an IPv6 address, got "10.0.0.1"'],
  [['-iface-can-reach=host'], 'option-invalid', '-iface-can-reach: expected an IP address, got "host"'],
  [['-iface-regex=('], 'option-invalid', '-iface-regex: expected a regular expression, got "("'],
  ...[',', 'red,', 'red,/etc', 'red@', '-red', 'a b', `${'x'.repeat(64)}`].map(text => {
    const bad = text === 'red@' ? text : (text.split(',').findLast(name => name !== 'red') ?? '');
    const expected =
      text === 'red@'
        ? 'expected NAME@NETNS with a name of /run/netns or a path from /'
        : 'expected names of letters, digits, dots, dashes and underscores, at most 63, first a letter or digit';
    const message = `-networks: ${expected}, got ${JSON.stringify(bad)}`;
    return [['-networks', text], 'option-invalid', message] as const;
  }),
  [['-networks=red,red@x'], 'option-invalid', '-networks: expected each name once, got "red"'],
  [
    ['-networks=red,subnets'],
    'option-invalid',
    '-networks: expected a name other than config and subnets, got "subnets"',
  ],
  [
    ['-networks=red@../x'],
    'option-invalid',
    '-networks: expected NAME@NETNS with a name of /run/netns or a path from /, got "red@../x"',
  ],
  ...['red', 'red:green', 'red:red', 'red:blue:red'].map(
    pair =>
      [
        ['-networks=red,blue', '-networks-allow', pair],
        'option-invalid',
        `-networks-allow: expected two names of -networks, as in red:blue, got ${JSON.stringify(pair)}`,
      ] as const,
  ),
  [['-kube-subnet-mgr'], 'not-supported', '-kube-subnet-mgr: not supported yet'],
  [['-ip-blackhole-route'], 'not-supported', '-ip-blackhole-route: not supported yet'],
];

for (const [args, code, message] of refused) {
  test(`weft run refuses ${args.join(' ')} as ${code}`, () => {
    assert.throws(
      () => readRunOptions(args, {}),
      (error: unknown) => error instanceof WeftError && error.code === code && error.message === message,
    );
  });
}

test('a refused feature says what to do instead, also when a variable asks for it', () => {
  assert.throws(
    () => readRunOptions([], { FLANNELD_KUBE_SUBNET_MGR: 'true' }),
    (error: unknown) => error instanceof WeftError && /etcd/.test(error.remedy ?? ''),
  );
});

test('help and version come before variables and checks', () => {
  const environment = { FLANNELD_KUBE_SUBNET_MGR: 'true' };
  assert.deepEqual(readRunOptions(['-h'], environment), { action: 'help' });
  assert.deepEqual(readRunOptions(['-healthz-port=99999', '--version'], environment), { action: 'version' });
  assert.equal(readRunOptions(['-version=false'], {}).action, 'run');
});

test('arguments after the flags are ignored with a warning, which tells of flags lost among them', () => {
  const request = readRunOptions(['-ip-masq', 'false', '-iface', 'eth0'], {});
  assert.equal(request.action, 'run');
  assert.equal(request.options.ipMasq, true);
  assert.deepEqual(request.warnings, [
    'ignored, as flanneld does: false, the first argument that is no flag, and with it -iface; flags must come before it',
  ]);
});

test('flags of one network beside those of several, and the reverse, are ignored with a warning', () => {
  const warningsOf = (...args: string[]) => {
    const request = readRunOptions(args, {});
    return request.action === 'run' ? request.warnings : [];
  };
  assert.deepEqual(warningsOf('-networks=red', '-subnet-file=/tmp/s'), [
    '-subnet-file has no effect with -networks, whose files are in -subnet-dir',
  ]);
  assert.deepEqual(warningsOf('-networks-allow=red:blue'), [
    '-networks-allow has no effect without -networks',
  ]);
});

test('what is ignored is told without values, for one may be a password', () => {
  const request = readRunOptions(['typo', '-etcd-password=hunter2', '-etcd-username', 'weft'], {});
  assert.equal(request.action, 'run');
  assert.doesNotMatch(request.warnings.join(), /hunter2|weft/);
  assert.match(request.warnings.join(), /-etcd-password -etcd-username/);
});

test('printable options tell networks as they are given', () => {
  const { networks, networksAllow, subnetDir, subnetFile } = printableOptions(
    options(['-networks=red@r,blue', '-networks-allow=red:blue']),
  );
  assert.deepEqual([networks, networksAllow], [['red@/run/netns/r', 'blue'], ['red:blue']]);
  assert.deepEqual([subnetDir, subnetFile], ['/run/flannel/networks', undefined]);
});

test('printable options hide passwords, keep the user, and leave out what was not given', () => {
  const printable = printableOptions(
    options([
      '-etcd-username=weft',
      '-etcd-password=hunter2',
      '-etcd-endpoints=https://u:hunter2@10.0.0.1:2379,u:hunter2@10.0.0.2:2379,http://10.0.0.3:2379',
      '-iface-regex=^eth',
      '-healthz-port=80',
    ]),
  );
  assert.deepEqual(printable, {
    registry: 'etcd',
    etcdEndpoints: ['https://u:***@10.0.0.1:2379', 'u:***@10.0.0.2:2379', 'http://10.0.0.3:2379'],
    etcdPrefix: '/coreos.com/network',
    etcdUsername: 'weft',
    etcdPassword: '***',
    ifaceRegex: ['/^eth/'],
    subnetFile: '/run/flannel/subnet.env',
    renewMarginMinutes: 60,
    ipMasq: false,
    ipMasqFullyRandom: true,
    iptablesForwardRules: true,
    iptablesResyncSeconds: 5,
    healthz: '127.0.0.1:80',
    peerProbeSeconds: 5,
    peerPort: 8473,
    routeNextHops: 'auto',
    logFormat: 'auto',
    verbosity: 0,
  });
});

test('printable options of a directory registry tell its path only', () => {
  const printable = printableOptions(options(['-registry=dir:/srv/weft', '-etcd-password=hunter2']));
  assert.equal(printable['registry'], 'dir:/srv/weft');
  assert.ok(!JSON.stringify(printable).includes('hunter2'));
});
