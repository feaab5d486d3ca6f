/** What goes wrong on a host beside the network: its settings, its firewall, its daemon, its ports. */
import { readFile } from 'node:fs/promises';
import process from 'node:process';
import { vtep } from '../../support/weft-host.ts';
import type { Fault, GalleryScene } from './fault.ts';

/** Runs lines on `a`, as an operator would. */
async function onA({ a }: GalleryScene, ...lines: readonly string[]): Promise<void> {
  await a.host.run(['sh', '-ec', lines.join('\n')]);
}

const settings: readonly Fault[] = [
  {
    name: 'IP forwarding is off',
    check: 'ip-forward',
    verdict: 'fail',
    says: /^this host forwards no IPv4: net\.ipv4\.ip_forward is 0/,
    inject: scene => onA(scene, 'sysctl -qw net.ipv4.ip_forward=0'),
  },
  {
    name: "forwarding is off for the containers' bridge alone",
    check: 'ip-forward',
    verdict: 'fail',
    says: /^what comes in by cni0 is not forwarded/,
    inject: scene => onA(scene, 'sysctl -qw net/ipv4/conf/cni0/forwarding=0'),
  },
  {
    name: 'the reverse path filter of the tunnel is strict',
    check: 'rp-filter',
    verdict: 'warn',
    says: /^the reverse path filter of flannel\.1 is strict/,
    inject: scene => onA(scene, `sysctl -qw net/ipv4/conf/${vtep}/rp_filter=1`),
    restore: scene => onA(scene, `sysctl -qw net/ipv4/conf/${vtep}/rp_filter=0`),
  },
  {
    name: 'strict reverse path filters, and the way back to the containers leads elsewhere',
    check: 'rp-filter',
    verdict: 'warn',
    says: /^the reverse path filter of cni0 is strict: it drops what comes in by it/,
    also: ['shadowed-routes', 'container-bridge'],
    inject: scene =>
      onA(
        scene,
        'sysctl -qw net/ipv4/conf/cni0/rp_filter=1',
        'ip route add 10.2.0.0/16 dev eth0 table 77',
        'ip rule add priority 77 to "$(sed -n s/FLANNEL_SUBNET=//p /run/flannel/subnet.env)" table 77',
      ),
    restore: scene =>
      onA(
        scene,
        'sysctl -qw net/ipv4/conf/cni0/rp_filter=0',
        'ip rule del priority 77 2>/dev/null || true',
        'ip route flush table 77',
      ),
  },
];

/** What is put into the firewall, what doctor says, and how both are taken away again. */
const forwarded: readonly Fault[] = [
  {
    name: 'the policy of FORWARD is DROP, and our rules are gone',
    check: 'forward-drop',
    verdict: 'fail',
    says: /^iptables FORWARD drops packets between containers and other hosts: its policy is DROP/,
    also: ['firewall-rules'],
    daemon: 'stopped',
    inject: scene => onA(scene, 'iptables -P FORWARD DROP', 'iptables -F FLANNEL-FWD'),
    restore: scene => onA(scene, 'iptables -P FORWARD ACCEPT'),
  },
  {
    name: 'the policy of FORWARD is DROP, and -iptables-forward-rules=false',
    check: 'forward-drop',
    verdict: 'fail',
    says: /^iptables FORWARD drops packets between containers and other hosts: its policy is DROP/,
    also: ['firewall-rules'],
    daemon: 'stopped',
    flags: ['-iptables-forward-rules=false'],
    inject: scene => onA(scene, 'iptables -P FORWARD DROP', 'iptables -F FLANNEL-FWD'),
    restore: scene =>
      onA(
        scene,
        'iptables -P FORWARD ACCEPT',
        ...['-s', '-d'].map(way => `iptables -D FORWARD ${way} 10.2.0.0/16 -j ACCEPT`),
      ),
  },
  droppedBy({
    name: 'a rule of FORWARD drops the network, in front of ours',
    says: /^iptables FORWARD drops packets between containers and other hosts: by -A FORWARD -d 10\.2\.0\.0\/16 -j DROP/,
    rule: '-t filter -I FORWARD -d 10.2.0.0/16 -j DROP',
    accepts: ['-t filter FORWARD -s 10.2.0.0/16', '-t filter FORWARD -d 10.2.0.0/16'],
  }),
  droppedBy({
    name: 'a rule of FORWARD rejects what goes into the tunnel',
    says: /^iptables FORWARD drops packets from containers to other hosts: by -A FORWARD -o flannel\.1/,
    rule: '-t filter -I FORWARD -o flannel.1 -j REJECT --reject-with icmp-port-unreachable',
    accepts: ['-t filter FORWARD -s 10.2.0.0/16'],
  }),
  droppedBy({
    name: 'FORWARD drops all pings',
    says: /^iptables FORWARD drops ICMP packets between containers and other hosts: by -A FORWARD -p icmp -j DROP/,
    rule: '-t filter -I FORWARD -p icmp -j DROP',
    accepts: ['-t filter FORWARD -s 10.2.0.0/16 -p icmp', '-t filter FORWARD -d 10.2.0.0/16 -p icmp'],
  }),
  droppedBy({
    name: 'a rule of PREROUTING in the table raw drops what comes out of the tunnel',
    says: /^iptables raw PREROUTING drops packets from other hosts to containers/,
    also: ['peer-reach', 'peers'],
    rule: '-t raw -A PREROUTING -i flannel.1 -s 10.2.0.0/16 -d 10.2.0.0/16 -j DROP',
    accepts: ['-t raw PREROUTING -s 10.2.0.0/16 -d 10.2.0.0/16'],
  }),
  droppedBy({
    name: 'a rule of FORWARD in the table mangle, in the legacy variant, drops what comes from the containers',
    says: /^iptables mangle FORWARD drops packets from containers on cni0 to other hosts: by -A FORWARD -i cni0/,
    program: 'iptables-legacy',
    rule: '-t mangle -A FORWARD -i cni0 -j DROP',
    accepts: ['-t mangle FORWARD -s 10.2.0.0/16'],
  }),
  {
    name: 'a rule in DOCKER-USER drops what comes out of the tunnel',
    check: 'forward-drop',
    verdict: 'fail',
    says: /^iptables FORWARD drops packets from other hosts to containers: by -A DOCKER-USER -i flannel\.1 -j DROP/,
    inject: scene =>
      onA(
        scene,
        'iptables -N DOCKER-USER',
        'iptables -I FORWARD -j DOCKER-USER',
        'iptables -A DOCKER-USER -i flannel.1 -j DROP',
      ),
    restore: scene =>
      onA(
        scene,
        'iptables -D FORWARD -j DOCKER-USER',
        'iptables -F DOCKER-USER',
        'iptables -X DOCKER-USER',
        'iptables -D FORWARD -d 10.2.0.0/16 -j ACCEPT',
      ),
  },
  {
    name: 'the policy of a chain of nftables is drop, long after ours accepted',
    check: 'forward-drop',
    verdict: 'fail',
    says: /^nft inet fence forward drops packets between containers and other hosts: its policy is DROP/,
    inject: scene =>
      onA(
        scene,
        'nft add table inet fence',
        "nft 'add chain inet fence forward { type filter hook forward priority 300; policy drop; }'",
      ),
    restore: scene => onA(scene, 'nft delete table inet fence'),
  },
  {
    name: 'a rule of nftables drops the network before routing',
    check: 'forward-drop',
    verdict: 'fail',
    says: /^nft ip fence early drops packets from other hosts to containers: by ip saddr 10\.2\.0\.0\/16 drop/,
    also: ['peer-reach', 'peers'],
    inject: scene =>
      onA(
        scene,
        'nft add table ip fence',
        "nft 'add chain ip fence early { type filter hook prerouting priority -400; }'",
        'nft add rule ip fence early ip saddr 10.2.0.0/16 drop',
      ),
    restore: scene => onA(scene, 'nft delete table ip fence'),
  },
  {
    name: 'br_netfilter, and a rule keeps the containers of one bridge apart',
    check: 'br-netfilter',
    verdict: 'fail',
    says: /^iptables FORWARD drops packets between containers on cni0: by -A FORWARD -i cni0 -o cni0 -j DROP/,
    inject: scene =>
      onA(
        scene,
        'sysctl -qw net.bridge.bridge-nf-call-iptables=1',
        'iptables -I FORWARD -i cni0 -o cni0 -j DROP',
      ),
    restore: async scene => {
      const { subnet } = await scene.a.host.subnetEnv();
      await onA(
        scene,
        'iptables -D FORWARD -i cni0 -o cni0 -j DROP',
        `iptables -D FORWARD -i cni0 -o cni0 -s ${subnet} -j ACCEPT`,
      );
    },
  },
];

/** A rule of iptables, which is added (-I, -A) and taken away by the same words. */
function droppedBy({
  program = 'iptables',
  rule,
  accepts,
  ...fault
}: Pick<Fault, 'name' | 'says'> & {
  readonly also?: readonly string[];
  readonly program?: string;
  readonly rule: string;
  /** `-t TABLE CHAIN ...` of what the remedy adds. */
  readonly accepts: readonly string[];
}): Fault {
  const removal = (words: string): string =>
    `${program} ${words.replace(/^(-t \w+) (?:-[IA] )?(\w+)/, '$1 -D $2')}`;
  return {
    ...{ ...fault, check: 'forward-drop', verdict: 'fail' },
    inject: scene => onA(scene, `${program} ${rule}`),
    restore: scene => onA(scene, removal(rule), ...accepts.map(words => removal(`${words} -j ACCEPT`))),
  };
}

const tunnelPort: readonly Fault[] = [
  {
    name: 'the policy of INPUT is DROP, and the tunnel is not let in',
    check: 'input-drop',
    verdict: 'fail',
    says: /^iptables INPUT drops the tunnel's UDP port 8472 that comes in from other hosts: its policy is DROP/,
    also: ['peer-reach', 'peers', 'path-mtu'],
    inject: scene =>
      onA(
        scene,
        'iptables -A INPUT -i lo -j ACCEPT',
        'iptables -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
        'iptables -A INPUT -p icmp -j ACCEPT',
        'iptables -A INPUT -p tcp -j ACCEPT',
        'iptables -A INPUT -p udp -m udp --dport 53 -j ACCEPT',
        'iptables -P INPUT DROP',
      ),
    restore: scene => onA(scene, 'iptables -P INPUT ACCEPT', 'iptables -F INPUT'),
  },
  {
    name: 'a rule of INPUT drops the tunnel of one host',
    check: 'input-drop',
    verdict: 'fail',
    says: /^iptables INPUT drops the tunnel's UDP port 8472 that comes in from 192\.0\.2\.\d+: by -A INPUT -s/,
    also: ['peer-reach', 'peers', 'path-mtu'],
    inject: scene =>
      onA(scene, `iptables -A INPUT -s ${scene.b.host.address} -p udp -m udp --dport 8000:9000 -j DROP`),
    restore: scene => onA(scene, 'iptables -F INPUT'),
  },
  {
    name: 'nftables drops the tunnel on its way out',
    check: 'input-drop',
    verdict: 'fail',
    says: /^nft inet fence out drops the tunnel's UDP port 8472 that goes out to other hosts: by udp dport 8472 drop/,
    also: ['peer-reach', 'peers', 'path-mtu'],
    inject: scene =>
      onA(
        scene,
        'nft add table inet fence',
        "nft 'add chain inet fence out { type filter hook output priority 0; }'",
        'nft add rule inet fence out udp dport 8472 drop',
      ),
    restore: scene => onA(scene, 'nft delete table inet fence'),
  },
  {
    name: 'another program has the UDP port of the tunnel',
    check: 'port-taken',
    verdict: 'fail',
    says: /^another program has UDP port 8472: pid \d+/,
    also: ['device', 'peers', 'peer-reach', 'path-mtu', 'shadowed-routes'],
    daemon: 'stopped',
    inject: async scene => {
      await onA(scene, `ip link set ${vtep} down`);
      const squatter = await scene.a.host.start([process.execPath, '-e', bindPort]);
      await squatter.waitForOutput(/bound/);
    },
  },
  {
    name: 'another VXLAN device has the VNI',
    check: 'port-taken',
    verdict: 'fail',
    says: /^another VXLAN device, old0, has VNI 1 at port 8472/,
    also: ['device', 'peers', 'peer-reach', 'path-mtu', 'shadowed-routes', 'left-over'],
    daemon: 'stopped',
    inject: scene => onA(scene, `ip link set ${vtep} down`, `ip link set ${vtep} name old0`),
  },
  {
    name: 'checksum offload: what comes in has wrong checksums',
    check: 'tx-checksum',
    verdict: 'warn',
    says: /^\d+ of \d+ UDP packets over IPv4 came with a wrong checksum/,
    inject: async ({ a, b }) =>
      void (await b.host.run([process.execPath, '--input-type=module', '-e', sendWrong, a.host.address])),
    // The counts stay, so that the offload has to as it is.
  },
];

const bindPort = "require('node:dgram').createSocket('udp4').bind(8472, () => console.log('bound'))";

/** Datagrams to the tunnel's port, with a checksum that is not theirs. */
const sendWrong = `
import { closeDescriptor, sendDatagramTo, socket } from './src/sys/libc.ts';
import { socketAddress } from './src/sys/udp-socket.ts';
const [raw, udp] = [3, 17];
const fd = socket(2, raw, udp);
const datagram = Uint8Array.of(0x80, 1, 8472 >> 8, 8472 & 0xff, 0, 16, 0xba, 0xad, 8, 0, 0, 0, 0, 0, 1, 0);
for (let count = 0; count < 50; count++) sendDatagramTo(fd, datagram, socketAddress(process.argv[1], 0));
closeDescriptor(fd);
`;

const ownRules: readonly Fault[] = [
  {
    name: 'our rules for masquerading are gone',
    check: 'firewall-rules',
    verdict: 'fail',
    says: /^rules of Weft's in iptables are missing or differ/,
    daemon: 'stopped',
    inject: scene => onA(scene, 'iptables -t nat -F FLANNEL-POSTRTG'),
  },
  {
    name: 'Docker masquerades what its containers send to other hosts',
    check: 'masquerade',
    verdict: 'warn',
    says: /^iptables nat POSTROUTING masquerades packets from containers to other hosts/,
    inject: async scene => {
      const { subnet } = await scene.a.host.subnetEnv();
      await onA(scene, `iptables -t nat -A POSTROUTING -s ${subnet} ! -o docker0 -j MASQUERADE`);
    },
    restore: async scene => {
      const { subnet } = await scene.a.host.subnetEnv();
      await onA(
        scene,
        `iptables -t nat -D POSTROUTING -s ${subnet} ! -o docker0 -j MASQUERADE`,
        `iptables -t nat -D POSTROUTING -s ${subnet} -d 10.2.0.0/16 -j ACCEPT`,
      );
    },
  },
  {
    name: 'nftables masquerades what comes to the containers',
    check: 'masquerade',
    verdict: 'warn',
    says: /^nft ip fence post masquerades packets from other hosts to containers/,
    inject: scene =>
      onA(
        scene,
        'nft add table ip fence',
        "nft 'add chain ip fence post { type nat hook postrouting priority 100; }'",
        'nft add rule ip fence post oifname cni0 masquerade',
      ),
    restore: scene => onA(scene, 'nft delete table ip fence'),
  },
];

const daemons: readonly Fault[] = [
  {
    name: 'the daemon does not run',
    check: 'daemon',
    verdict: 'warn',
    says: /^no daemon runs here/,
    daemon: 'stopped',
    inject: async () => {},
  },
  {
    name: 'the daemon is stopped by a signal',
    check: 'daemon',
    verdict: 'fail',
    says: /^the daemon, pid \d+, is stopped by a signal/,
    also: ['peer-reach', 'peers', 'path-mtu', 'peer-daemon', 'lease'],
    inject: async ({ a }) => void process.kill(a.weft.pid, 'SIGSTOP'),
    // nsenter, through which it was started, stops with its child and does not wake up with it.
    restore: async ({ a }) => void process.kill(await parentOf(a.weft.pid), 'SIGCONT'),
  },
  {
    name: 'flanneld runs beside the daemon',
    check: 'two-daemons',
    verdict: 'fail',
    says: /^two daemons have this host's network in hand: flanneld, pid \d+, beside weft/,
    // Its name is what tells, and it shall not really fight.
    inject: async scene => {
      await onA(scene, 'cp /bin/sleep /run/flanneld');
      await scene.a.host.start(['/run/flanneld', '86400']);
    },
    restore: scene => onA(scene, 'rm /run/flanneld'),
  },
];

async function parentOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^PPid:\s*(\d+)$/m.exec(status)?.[1]);
}

export const hostFaults: readonly Fault[] = [
  ...settings,
  ...forwarded,
  ...tunnelPort,
  ...ownRules,
  ...daemons,
];
