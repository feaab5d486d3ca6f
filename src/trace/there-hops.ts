/** The other host's half, which nobody sees from here: as its lease, and ours, say that it should be. */
import { publicIpOf, subnetOf } from '../backend/family.ts';
import { tryVtepData } from '../backend/vtep.ts';
import type { IpAddress } from '../base/ip.ts';
import { prefixBase, prefixContains } from '../base/prefix.ts';
import type { Carriage } from './hop.ts';
import { isOwnAddress } from './view.ts';
import { backThere, meet, outThere, type Walk } from './walk.ts';

export function arriveThere(walk: Walk, carriage: Carriage, source: IpAddress | undefined): void {
  const { wish, network, family, destination } = walk;
  if (wish === undefined) {
    const why = network.unread ?? 'no lease says which host it is';
    meet(walk, outThere, { kind: 'host', verdict: 'unknown', text: `the other half is not known: ${why}` });
    return;
  }
  const { lease, peer, backend } = wish;
  const [port] = backend.udpPorts;
  const subnet = subnetOf(lease.subnet, family);
  const mac = tryVtepData(lease.attrs, family)?.mac;
  if (carriage === 'vxlan')
    meet(walk, outThere, {
      kind: 'device',
      verdict: 'told',
      text: `its VTEP ${mac} takes it out of UDP ${port}`,
    });
  else if (carriage === 'udp')
    meet(walk, outThere, { kind: 'daemon', verdict: 'told', text: `its daemon takes it out of UDP ${port}` });
  else
    meet(walk, outThere, {
      kind: 'host',
      verdict: 'told',
      text: `${peer} forwards it to its own subnet ${subnet}`,
    });
  const isVtep = subnet !== undefined && destination === prefixBase(subnet);
  const text =
    isVtep && carriage !== 'direct'
      ? `${destination}, its own on the tunnel's device`
      : `${destination}, on that host's bridge`;
  meet(walk, outThere, { kind: isVtep ? 'address' : 'container', verdict: 'told', text });
  if (source !== undefined) answer(walk, carriage, source);
}

function answer(walk: Walk, carriage: Carriage, source: IpAddress): void {
  const { wish, network, family, view } = walk;
  const subnet = network.own === undefined ? undefined : subnetOf(network.own.subnet, family);
  const own = network.own === undefined ? undefined : publicIpOf(network.own.attrs, family);
  if (wish === undefined || own === undefined || subnet === undefined) return;
  if (!prefixContains(subnet, source)) {
    const text = `to ${source}, by that host's routes on the underlay`;
    meet(walk, backThere, { kind: 'route', verdict: 'told', text });
    return;
  }
  const mac = network.own === undefined ? undefined : tryVtepData(network.own.attrs, family)?.mac;
  const by =
    carriage === 'vxlan'
      ? ` in UDP ${wish.backend.udpPorts[0]}, VTEP ${mac}`
      : carriage === 'udp'
        ? ` in UDP ${wish.backend.udpPorts[0]}`
        : '';
  const text = `our lease ${subnet}: to ${own}${by}`;
  if (isOwnAddress(view, own)) meet(walk, backThere, { kind: 'lease', verdict: 'told', text });
  else
    meet(walk, backThere, {
      kind: 'lease',
      verdict: 'unknown',
      text: `${text}, which no device here has: a NAT must lead it here`,
    });
}
