/**
 * An overlay packet as one line:
 *
 *     14:03:25.123456 -> 192.0.2.12 vni 1 10.2.14.2 > 10.2.7.2 echo request seq 1 (id 7, 56 bytes)
 *     14:03:25.123789 <- 192.0.2.12 vni 1 10.2.7.2 > 10.2.14.2 echo reply seq 1 (id 7, 56 bytes)
 */
import type { IpAddress } from '../base/ip.ts';
import { isFragment } from '../wire/packet.ts';
import type { CapturedPacket, CaptureInterface } from '../wire/pcap-record.ts';
import { icmpErrorText, innerText } from './inner-text.ts';
import type { IpHeader } from './layers.ts';
import type { OverlayPacket } from './overlay-packet.ts';
import { timeOfDay } from './packet-time.ts';
import { type LinePart, type Paint, renderLine, type Weight } from './styled-line.ts';

export interface LineStyle {
  readonly columns: number;
  readonly paint: Paint;
}

/** Below, times have milliseconds only. */
const roomyColumns = 100;

export function packetLine(packet: CapturedPacket, overlay: OverlayPacket, style: LineStyle): string {
  const time = timeOfDay(packet.timeNs, style.columns < roomyColumns ? 3 : 6);
  const outer = [outerEnds(overlay.ip, packet.via), ...outerTags(overlay)];
  const parts = [
    part('quiet', time),
    part('quiet', outer.join(' ')),
    ...content(overlay),
    ...(overlay.ip.layer === 'ipv4' && overlay.ip.checksum === 'wrong'
      ? [part('bad', 'outer WRONG CHECKSUM')]
      : []),
  ];
  return renderLine(
    parts.filter(({ text }) => text !== ''),
    style.columns,
    style.paint,
  );
}

/** The other end alone, with an arrow, where one end is the capturing host; else both. */
function outerEnds({ source, destination }: IpHeader, { addresses = [] }: CaptureInterface): string {
  const own = (address: IpAddress) => addresses.includes(address);
  if (own(source) && !own(destination)) return `-> ${destination}`;
  return own(destination) && !own(source) ? `<- ${source}` : `${source} > ${destination}`;
}

function outerTags({ outer }: OverlayPacket): string[] {
  return outer.flatMap(layer => (layer.layer === 'vlan' ? [`vlan ${layer.vlan}`] : []));
}

function content(overlay: OverlayPacket): LinePart[] {
  switch (overlay.kind) {
    case 'fragment':
      return [part('plain', `fragment at ${overlay.offsetBytes} of such a datagram, ${overlay.bytes} bytes`)];
    case 'refused': {
      const { ip, udp } = overlay.about;
      const about = `for udp ${udp.destinationPort}, ${ip.source} > ${ip.destination}`;
      return [part('bad', `icmp ${icmpErrorText(overlay.icmp)}`), part('plain', about)];
    }
    case 'tunnelled': {
      const { vxlan, udp, inner, more, ip } = overlay;
      const { tags, ends, what, aside, bad } = innerText(inner);
      const tunnel = vxlan === undefined ? `udp ${udp.destinationPort}` : `vni ${vxlan.vni}`;
      const group = vxlan?.groupPolicy === undefined ? '' : `group ${vxlan.groupPolicy.id}`;
      return [
        part('quiet', tunnel),
        part('quiet', group),
        part('plain', tags),
        part('strong', ends),
        part(bad ? 'bad' : 'plain', what),
        { ...part('quiet', aside === '' ? '' : `(${aside})`), spare: true },
        part('quiet', more === 0 ? '' : `(and ${more} more)`),
        part('quiet', isFragment(ip) ? '(first fragment)' : ''),
      ];
    }
  }
}

function part(weight: Weight, text: string): LinePart {
  return { text, weight };
}
