import type { Family } from '../../base/ip.ts';
import type { Check } from '../check.ts';
import { type Finding, fail, ok, skip } from '../finding.ts';
import { type OverlayPart, overlayParts } from '../overlay-parts.ts';
import { dotted, lasting, readSettings, type Settings, setCommand, settingLine } from '../settings.ts';

/**
 * A host that forwards nothing reaches other hosts itself, and its containers do not. In IPv4 each device that packets come
 * in by has a switch of its own, which the one for all sets; in IPv6 only that for all counts (net/ipv6/ip6_output.c
 * ip6_forward).
 */
export const ipForward: Check = {
  name: 'ip-forward',
  title: 'forwarding',
  look: async scene => {
    const parts = await overlayParts(scene);
    if (parts.length === 0) return skip('nothing tells which network this host is in');
    const settings = readSettings(scene.netns, parts.flatMap(keysOf));
    return parts.map(part => judgeForwarding(part, settings, scene.netns));
  },
};

const general: Readonly<Record<Family, string>> = {
  4: 'net/ipv4/ip_forward',
  6: 'net/ipv6/conf/all/forwarding',
};

function keysOf(part: OverlayPart): string[] {
  return [general[part.family], ...devicesOf(part).map(deviceKey)];
}

/** Those that packets to be forwarded come in by. */
function devicesOf({ family, tunnel, containers }: OverlayPart): string[] {
  return family === 4 ? [tunnel, ...containers] : [];
}

function deviceKey(device: string): string {
  return `net/ipv4/conf/${device}/forwarding`;
}

export function judgeForwarding(part: OverlayPart, settings: Settings, netns?: string | undefined): Finding {
  const { family } = part;
  const key = general[family];
  if (settings.get(key) !== '1') {
    const text = `this host forwards no IPv${family}: ${dotted(key)} is ${settings.get(key) ?? 'not there'}, so its containers reach no other host and are not reached`;
    return fail(text, {
      evidence: [settingLine(settings, key)],
      remedy: { commands: [setCommand(netns, key, 1)], text: lasting },
    });
  }
  const off = devicesOf(part).filter(device => settings.get(deviceKey(device)) === '0');
  if (off.length === 0) return ok(`${dotted(key)} is 1`, settingLine(settings, key));
  return fail(`what comes in by ${off.join(' and ')} is not forwarded, though ${dotted(key)} is 1`, {
    evidence: off.map(device => settingLine(settings, deviceKey(device))),
    remedy: { commands: off.map(device => setCommand(netns, deviceKey(device), 1)), text: lasting },
  });
}
