import type { Backend } from '../../backend/backend.ts';
import { familyOf, isUnspecified } from '../../base/ip.ts';
import { shellWord } from '../../base/shell-word.ts';
import { tunnelsOf } from '../../host/tunnel-claims.ts';
import { processStatus } from '../../sys/process-status.ts';
import { type UdpBinding, udpBindings } from '../../sys/udp-bindings.ts';
import type { KernelView, ViewLink } from '../../trace/view.ts';
import type { Vxlan } from '../../wire/vxlan-link.ts';
import type { Check } from '../check.ts';
import { commandsIn } from '../commands-in.ts';
import { commandLineText, findDaemon, flanneldsHere, processLine } from '../daemons.ts';
import { type Finding, fail, ok, skip } from '../finding.ts';
import type { Scene } from '../scene.ts';

/**
 * Who else has the tunnel's UDP port, or the tunnel's VNI: the kernel then refuses to set our device up, or to make it
 * (EADDRINUSE, EEXIST), and a daemon of the udp backend cannot open its socket.
 */
export const portTaken: Check = {
  name: 'port-taken',
  title: 'tunnel port',
  look: async scene => {
    const { config } = await scene.view();
    const { backend } = (await scene.member()).membership;
    const tunnels = tunnelsOf(backend, config);
    if (tunnels.length === 0) return skip(`${backend.type} has no tunnel port`);
    const kernel = await scene.kernel();
    const daemon = await findDaemon(scene, backend.devices);
    // A flanneld that has no place here is the word of another check.
    const daemons = [daemon, ...flanneldsHere()].map(one => one?.pid);
    const wrong = tunnels.flatMap(tunnel => [
      ...takenByPrograms(tunnel.port, backend, daemons),
      ...(tunnel.type === 'vxlan' ? takenByDevices(tunnel, backend, kernel, scene) : []),
    ]);
    const ports = tunnels.map(({ port }) => port).join(' and ');
    return wrong.length > 0 ? wrong : ok(`UDP port ${ports} is nobody else's`);
  },
};

/** A VXLAN device has the port at all addresses, the udp backend at that of the interface alone. */
function takenByPrograms(
  port: number,
  { type }: Backend,
  daemons: readonly (number | undefined)[],
): Finding[] {
  const others = udpBindings(port).filter(({ pid }) => pid !== undefined && !daemons.includes(pid));
  return others.map(binding => programFinding(port, type, binding));
}

function programFinding(port: number, type: string, { address, pid = 0 }: UdpBinding): Finding {
  const status = processStatus(pid);
  const command = status === undefined ? 'which has ended meanwhile' : commandLineText(status.argv, 60);
  const where = isUnspecified(address) ? `all IPv${familyOf(address)} addresses` : address;
  const harm = type === 'vxlan' ? 'the kernel cannot set the VXLAN device up' : 'the daemon cannot open it';
  return fail(`another program has UDP port ${port}: pid ${pid}, ${command}, so that ${harm}`, {
    evidence: [`ss -ulpn sport = ${port}: ${where}, pid=${pid}`, ...(status ? [processLine(status)] : [])],
    remedy: {
      commands: [`kill ${pid}`],
      text: 'or give it another port; or give the network one, "Port" in the Backend of its config, on all hosts',
    },
  });
}

type VxlanLink = ViewLink & { readonly kind: Vxlan<string> };

function takenByDevices(
  { port, vni, gbp }: { readonly port: number; readonly vni: number; readonly gbp: boolean },
  { devices }: Backend,
  { links }: KernelView,
  { netns }: Scene,
): Finding[] {
  const isVxlan = (link: ViewLink): link is VxlanLink => link.kind.kind === 'vxlan';
  const atPort = links.filter(isVxlan).filter(({ kind }) => kind.port === port);
  const isOurs = ({ name }: VxlanLink): boolean => devices.includes(name);
  // What came first has the port; the later one is refused.
  if (atPort.some(link => isOurs(link) && link.up)) return [];
  return atPort
    .filter(link => !isOurs(link))
    .flatMap(link => {
      const { name, kind, up } = link;
      const sameVni = kind.external !== true && kind.vni === vni;
      if (!sameVni && !(up && differsInExtensions(kind, gbp))) return [];
      const what = sameVni ? `VNI ${vni} at port ${port}` : `port ${port} with other extensions of VXLAN`;
      return [
        fail(`another VXLAN device, ${name}, has ${what}, so that the kernel refuses ours`, {
          evidence: [`ip -d link show ${name}: vxlan ${idText(kind)} dstport ${port}${up ? '' : ', down'}`],
          remedy: {
            commands: commandsIn(netns, [`ip link delete ${shellWord(name)}`]),
            text: 'unless somebody needs it: then choose another VNI or Port for the network, on all hosts',
          },
        }),
      ];
    });
}

/** Devices share a port when they read packets the same way (drivers/net/vxlan VXLAN_F_RCV_FLAGS). */
function differsInExtensions(kind: Vxlan<string>, gbp: boolean): boolean {
  const { external, gpe, remoteChecksumRx } = kind;
  return external === true || gpe === true || remoteChecksumRx === true || (kind.gbp === true) !== gbp;
}

function idText({ external, vni }: Vxlan<string>): string {
  return external === true ? 'external' : `id ${vni}`;
}
