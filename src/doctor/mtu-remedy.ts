/** How containers come to send packets no larger than the way takes. */
import type { ExternalInterface } from '../backend/backend.ts';
import { shellWord } from '../base/shell-word.ts';
import { configKey } from '../registry/subnet-manager.ts';
import type { Remedy } from './finding.ts';
import { placeOf } from './registry-place.ts';
import type { Scene } from './scene.ts';

export interface NarrowWay {
  /** Of the largest packet of a container that passes. */
  readonly passesBytes: number;
  /** The containers' MTU over an underlay of that MTU. */
  containerMtu(underlayMtuBytes: number): number;
  readonly external: ExternalInterface;
}

const afterwards =
  'the daemon and subnet.env follow; restart Docker and the containers, whose interfaces keep the MTU that they were made with; do the same on every host whose way leads through the narrow place';

/** A config that names the MTU rules over that of the interface. */
export async function mtuRemedy(scene: Scene, way: NarrowWay): Promise<Remedy> {
  const { name, mtuBytes } = way.external;
  const narrower = mtuBytes - (way.containerMtu(mtuBytes) - way.passesBytes);
  if (way.containerMtu(narrower) === way.passesBytes)
    return {
      commands: [`ip link set dev ${shellWord(name)} mtu ${narrower}`],
      text: `widen the narrow place, or lower the MTU of ${name}; ${afterwards}`,
    };
  return await configRemedy(scene, way);
}

async function configRemedy({ registry, signal }: Scene, way: NarrowWay): Promise<Remedy> {
  const entry = await registry.get(configKey, { signal });
  const config = configWith(entry?.value ?? '', way);
  const put = `weft config put ${placeOf(registry.name).flags.join(' ')} -`;
  return {
    commands: config === undefined ? [] : [`printf %s ${shellWord(config)} | ${put}`],
    text: `widen the narrow place, or lower Backend.MTU in the network config, which every host follows; ${afterwards}`,
  };
}

/** Undefined for a config that has no such option. */
function configWith(text: string, { passesBytes, containerMtu, external }: NarrowWay): string | undefined {
  try {
    const config = JSON.parse(text) as { Backend?: { MTU?: unknown } };
    const { MTU } = config.Backend ?? {};
    if (typeof MTU !== 'number') return undefined;
    const narrower = MTU - (containerMtu(external.mtuBytes) - passesBytes);
    return JSON.stringify({ ...config, Backend: { ...config.Backend, MTU: narrower } });
  } catch {
    return undefined;
  }
}
