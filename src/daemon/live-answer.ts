/** What a daemon answers about one of its networks: see src/control/live-status.ts. */
import process from 'node:process';
import { type LiveStatus, statusQuestion } from '../control/live-status.ts';
import { type ControlSocket, type ControlSocketOptions, openControlSocket } from './control-socket.ts';
import type { Readiness } from './health.ts';
import type { NetworkService } from './serve.ts';
import type { TroubleBook } from './trouble-book.ts';

export interface LiveSource {
  readonly version: string;
  readonly troubles: TroubleBook;
  readiness(): Readiness;
  /** Undefined while there is no lease. */
  service(): Pick<NetworkService, 'live'> | undefined;
}

/** Answers at `path` for as long as it is open. */
export function answerLive(
  source: LiveSource,
  { path, log, clock }: Omit<ControlSocketOptions, 'answers'>,
): ControlSocket {
  const startedMs = clock.wallMs();
  const answers = { [statusQuestion]: () => liveStatus(source, startedMs) };
  return openControlSocket({ path, answers, log, clock });
}

function liveStatus({ version, troubles, readiness, service }: LiveSource, startedMs: number): LiveStatus {
  const live = service()?.live;
  return {
    ...{ version, pid: process.pid, startedMs, ...readiness() },
    waiting: live === undefined ? troubles.last[0] : undefined,
    network: live && { ...live, troubles: troubles.last },
  };
}
