/** An overlay packet as several lines, for `-v`: every header with its addresses. */
import type { Layer } from '../wire/packet.ts';
import { describePacket } from '../wire/packet-text.ts';
import type { CapturedPacket } from '../wire/pcap-record.ts';
import { arpText, icmpErrorText, tcpBehind, tcpText } from './inner-text.ts';
import type { OverlayPacket } from './overlay-packet.ts';
import { dateAndTime } from './packet-time.ts';
import type { Paint } from './styled-line.ts';

/** Such as {@link CapturedPacket.direction} says. */
const directions = { in: 'in by', out: 'out by' } as const;

/** The first line tells when and where; then a block for what is outside, the tunnel and what is inside. */
export function packetDetails(packet: CapturedPacket, overlay: OverlayPacket, paint: Paint): string[] {
  const { via, lengthBytes, bytes, direction } = packet;
  const where = `${direction === undefined ? 'on' : directions[direction]} ${via.name ?? 'an unnamed interface'}`;
  const cut = bytes.length < lengthBytes ? `, the first ${bytes.length} captured` : '';
  return [
    `${paint('strong', dateAndTime(packet.timeNs))} ${where}, ${lengthBytes} bytes${cut}`,
    ...block('outer', [...layerLines(overlay.outer), ...transportLines(overlay)]),
    ...contentBlocks(overlay),
  ];
}

function transportLines(overlay: OverlayPacket): string[] {
  if (overlay.kind === 'tunnelled') return layerLines([overlay.udp]);
  return overlay.kind === 'refused' ? [`icmp ${icmpErrorText(overlay.icmp)}`] : [];
}

function contentBlocks(overlay: OverlayPacket): string[] {
  switch (overlay.kind) {
    case 'fragment':
      return block('', [
        `${overlay.bytes} bytes from byte ${overlay.offsetBytes} on, of a datagram seen before`,
      ]);
    case 'refused':
      return block('about', layerLines([overlay.about.ip, overlay.about.udp]));
    case 'tunnelled': {
      const { vxlan, inner, part, more } = overlay;
      const { number, of } = part;
      return [
        ...(vxlan === undefined ? [] : block('vxlan', [describePacket([vxlan]).replace(/^vxlan /, '')])),
        ...block('inner', layerLines(inner)),
        ...(of === 1
          ? []
          : block('', [`packet ${number} of ${of} in one, which the kernel cuts apart later`])),
        ...(more === 0 ? [] : block('', [`and ${more} more, of which nothing was captured`])),
      ];
    }
  }
}

function layerLines(layers: readonly Layer[]): string[] {
  return layers.map((layer, index) => {
    const before = layers[index - 1];
    const tcp = tcpBehind(before, layer);
    if (tcp !== undefined) {
      const { sourcePort, destinationPort, sequence, acknowledgement, window } = tcp.header;
      const numbers = `seq ${sequence} ack ${acknowledgement} win ${window}`;
      const flags = tcpText(tcp).replace(/^tcp ?/, '');
      return `tcp ${sourcePort} > ${destinationPort} ${numbers} ${flags}, ${tcp.payload.length} bytes`;
    }
    const [text = ''] = describePacket(before === undefined ? [layer] : [before, layer])
      .split(' | ')
      .slice(-1);
    return arpText(before, layer) ?? text;
  });
}

function block(title: string, lines: readonly string[]): string[] {
  return lines.map((line, index) => `  ${(index === 0 ? title : '').padEnd(5)}  ${line}`);
}
