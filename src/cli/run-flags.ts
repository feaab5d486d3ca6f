import { defaultPeerPort } from '../control/peer-questions.ts';
import type { FlagTable } from './go-flags.ts';
import { registryFlags } from './registry-flags.ts';

/**
 * The flags of `weft run`: all of flanneld's, with its names, types and defaults (v0.28.9), and our own: registry
 * and log-format.
 */
export const runFlags = {
  ...registryFlags,
  iface: {
    kind: 'strings',
    placeholder: 'IFACE|IP',
    help: 'interface that carries traffic between hosts, tried in the order given',
  },
  'iface-regex': {
    kind: 'strings',
    placeholder: 'REGEX',
    help: "matched against interfaces' addresses, then names, after all -iface",
  },
  'iface-can-reach': {
    kind: 'string',
    default: '',
    placeholder: 'IP',
    help: 'use the interface and source address by which the kernel reaches this address, after all -iface-regex',
  },
  'public-ip': {
    kind: 'string',
    default: '',
    placeholder: 'IP',
    help: 'IPv4 address published to other hosts',
  },
  'public-ipv6': {
    kind: 'string',
    default: '',
    placeholder: 'IP',
    help: 'IPv6 address published to other hosts',
  },
  'subnet-file': {
    kind: 'string',
    default: '/run/flannel/subnet.env',
    placeholder: 'PATH',
    help: "file for this host's subnet and MTU, written when the network works",
  },
  networks: {
    kind: 'string',
    default: '',
    placeholder: 'NAME[@NETNS],...',
    help: 'serve several networks, each with its own <prefix>/NAME/config; with @NETNS its device lives in that network namespace (a name of /run/netns, or a path)',
  },
  'subnet-dir': {
    kind: 'string',
    default: '/run/flannel/networks',
    placeholder: 'PATH',
    help: 'with -networks: folder of the subnet files, NAME.env',
  },
  'networks-allow': {
    kind: 'strings',
    placeholder: 'NAME:NAME',
    help: 'with -networks: these two may send each other packets, where they are in one namespace; all others may not',
  },
  'subnet-lease-renew-margin': {
    kind: 'int',
    default: 60,
    placeholder: 'MINUTES',
    help: 'renew the lease this long before it expires, 1 to 1439',
  },
  'ip-masq': { kind: 'bool', default: false, help: 'masquerade traffic that leaves the network' },
  'ip-masq-fully-random-disable': {
    kind: 'bool',
    default: false,
    help: 'masquerade without fully random source ports',
  },
  'ip-masq-exclude': {
    kind: 'strings',
    placeholder: 'CIDR',
    help: 'do not masquerade what goes there; not in flannel',
  },
  'route-next-hops': {
    kind: 'string',
    default: 'auto',
    placeholder: 'auto|always|never',
    help: "peers' routes by next-hop objects, which the kernel takes faster; auto is in networks of over 1024 subnets (not in flannel)",
    check: text => (/^(auto|always|never)$/.test(text) ? undefined : 'auto, always or never'),
  },
  'vtep-filter': {
    kind: 'string',
    default: 'auto',
    placeholder: 'auto|true|false',
    help: "accept tunnel packets only from peers' addresses; auto is true with nftables (not in flannel)",
    check: text => (/^(auto|true|false)$/.test(text) ? undefined : 'auto, true or false'),
  },
  'iptables-forward-rules': { kind: 'bool', default: true, help: 'accept forwarded traffic of the network' },
  'iptables-resync': {
    kind: 'int',
    default: 5,
    placeholder: 'SECONDS',
    help: 'how often the firewall rules are checked',
  },
  'ip-blackhole-route': {
    kind: 'bool',
    default: false,
    help: "blackhole route for this host's own subnet (not supported yet)",
  },
  'healthz-ip': {
    kind: 'string',
    default: '127.0.0.1',
    placeholder: 'IP',
    help: 'address of the health listener',
  },
  'healthz-port': {
    kind: 'int',
    default: 0,
    placeholder: 'PORT',
    help: 'port of the health listener (/healthz, /readyz); 0 is off',
  },
  'metrics-addr': {
    kind: 'string',
    default: '',
    placeholder: 'HOST:PORT',
    help: 'serve metrics for Prometheus at http://HOST:PORT/metrics; off unless given (not in flannel)',
  },
  'peer-probing': {
    kind: 'bool',
    default: true,
    help: 'ask each peer now and then whether it answers, with how large packets, and how soon (not in flannel)',
  },
  'peer-probe-interval': {
    kind: 'int',
    default: 5,
    placeholder: 'SECONDS',
    help: 'how often each peer is asked, 1 to 3600; beyond 2,500 peers less often (not in flannel)',
  },
  'peer-port': {
    kind: 'int',
    default: defaultPeerPort,
    placeholder: 'PORT',
    help: "TCP port on the underlay at which the network's other hosts may ask this one, to trace and diagnose; 0 is none (not in flannel)",
  },
  'kube-subnet-mgr': {
    kind: 'bool',
    default: false,
    help: 'take leases from the Kubernetes API instead of etcd (not supported yet)',
  },
  'kube-api-url': { kind: 'string', default: '', placeholder: 'URL', help: 'only with -kube-subnet-mgr' },
  'kube-annotation-prefix': {
    kind: 'string',
    default: 'flannel.alpha.coreos.com',
    placeholder: 'TEXT',
    help: 'only with -kube-subnet-mgr',
  },
  'kubeconfig-file': { kind: 'string', default: '', placeholder: 'PATH', help: 'only with -kube-subnet-mgr' },
  'net-config-path': {
    kind: 'string',
    default: '/etc/kube-flannel/net-conf.json',
    placeholder: 'PATH',
    help: 'only with -kube-subnet-mgr',
  },
  'set-node-network-unavailable': { kind: 'bool', default: true, help: 'only with -kube-subnet-mgr' },
  'log-format': {
    kind: 'string',
    default: 'auto',
    placeholder: 'auto|text|json',
    help: 'auto is text, with colours on a terminal',
    check: text => (/^(auto|text|json)$/.test(text) ? undefined : 'auto, text or json'),
  },
  v: {
    kind: 'int',
    default: 0,
    placeholder: 'LEVEL',
    help: 'log level: 0 is normal, 1 or more adds details',
  },
  vmodule: {
    kind: 'string',
    default: '',
    placeholder: 'TEXT',
    help: "accepted for flanneld's sake, no effect",
  },
  log_backtrace_at: {
    kind: 'string',
    default: '',
    placeholder: 'FILE:LINE',
    help: "accepted for flanneld's sake, no effect",
  },
  version: { kind: 'bool', default: false, help: 'print the version to stderr and exit' },
} as const satisfies FlagTable;
