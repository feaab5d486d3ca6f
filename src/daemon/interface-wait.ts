/** Choosing the interface while the kernel still makes sure that an IPv6 address is nobody else's. */
import type { Clock } from '../base/clock.ts';
import type { Family } from '../base/ip.ts';
import { familyOf } from '../base/ip.ts';
import { type ChosenInterface, chooseInterface, type UnderlayView } from '../host/external-interface.ts';
import type { InterfaceChoice } from '../host/interface-choice.ts';

/** Duplicate address detection takes a second or two (RFC 4862 5.4); one that never ends has found a duplicate. */
const patienceMs = 5000;
const lookAgainMs = 100;

/**
 * The choice of {@link chooseInterface}, which at boot is made when addresses are no longer tentative: a host that starts
 * a second earlier shall not go without IPv6 for it.
 * @throws WeftError as {@link chooseInterface}
 */
export async function awaitInterface(
  choice: InterfaceChoice,
  families: readonly Family[],
  {
    read,
    clock,
    signal,
  }: {
    read(): Promise<UnderlayView>;
    readonly clock: Clock;
    readonly signal: AbortSignal;
  },
): Promise<{ readonly chosen: ChosenInterface; readonly view: UnderlayView }> {
  const untilMs = clock.monotonicMs() + patienceMs;
  for (;;) {
    const view = await read();
    const hopeful = clock.monotonicMs() < untilMs && mayGetBetter(view, families);
    const chosen = await chooseInterface(choice, view, families).catch(error => {
      if (!hopeful) throw error;
    });
    if (chosen !== undefined && (chosen.missing.length === 0 || !hopeful)) return { chosen, view };
    await clock.sleep(lookAgainMs, { signal });
  }
}

function mayGetBetter({ addresses }: UnderlayView, families: readonly Family[]): boolean {
  return addresses.some(
    ({ local, scope, flags }) =>
      families.includes(familyOf(local)) && scope === 'global' && flags?.tentative === true,
  );
}
