/** Which packets of a file to show, where no kernel has chosen: the same questions, asked of decoded packets. */
import type { IpAddress } from '../base/ip.ts';
import { type Prefix, prefixContains } from '../base/prefix.ts';
import type { Layer } from '../wire/packet.ts';
import type { OverlayPacket } from './overlay-packet.ts';

export interface PacketChoice {
  /** None: all. */
  readonly vnis: readonly number[];
  /** An end of the packet outside or inside must be in it. */
  readonly peer: Prefix | undefined;
}

export function isChosen(overlay: OverlayPacket, { vnis, peer }: PacketChoice): boolean {
  return (vnis.length === 0 || hasVni(overlay, vnis)) && (peer === undefined || hasEnd(overlay, peer));
}

/** What has no VNI of its own is about a datagram that has one, which is not known. */
function hasVni(overlay: OverlayPacket, vnis: readonly number[]): boolean {
  if (overlay.kind !== 'tunnelled') return true;
  return overlay.vxlan !== undefined && vnis.includes(overlay.vxlan.vni);
}

function hasEnd(overlay: OverlayPacket, peer: Prefix): boolean {
  return endsOf(overlay).some(address => prefixContains(peer, address));
}

function endsOf(overlay: OverlayPacket): IpAddress[] {
  const inside =
    overlay.kind === 'tunnelled' ? overlay.inner : overlay.kind === 'refused' ? [overlay.about.ip] : [];
  const outside: readonly Layer[] = [overlay.ip];
  return [...outside, ...inside].flatMap(layer =>
    layer.layer === 'ipv4' || layer.layer === 'ipv6' ? [layer.source, layer.destination] : [],
  );
}
