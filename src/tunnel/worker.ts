/** The worker thread of a tunnel: the data path on this thread's event loop. The descriptors are the main thread's. */
import process from 'node:process';
import { parentPort, workerData } from 'node:worker_threads';
import { ReadableWatch } from '../sys/readable.ts';
import type { AttachedTun } from '../sys/tun.ts';
import { DataPath } from './data-path.ts';
import type { FromWorker, ToWorker, WorkerSetup } from './worker-messages.ts';

/** How often a peer's path gets another chance to take many datagrams in one message. */
const forgetLimitsMs = 30_000;

const setup = workerData as WorkerSetup;
const port = parentPort ?? fail();
const path = new DataPath(setup);
const sockets = [setup.sockets.ipv4, setup.sockets.ipv6].filter(socket => socket !== undefined);
const socketWatches = sockets.map(({ fd }) => new ReadableWatch(fd, wake));
let serving: NodeJS.Immediate | undefined;
let deviceWatch: ReadableWatch | undefined;
let abilities = '';

const limits = setInterval(() => {
  path.peers.forgetLimits();
  tellAbilities();
}, forgetLimitsMs);

port.on('message', (message: ToWorker) => {
  switch (message.type) {
    case 'change':
      for (const dst of message.change.unset) path.peers.unset(dst);
      for (const { dst, peer } of message.change.set) path.peers.set(dst, peer);
      tell({ type: 'changed', id: message.id });
      break;
    case 'attach':
      attach(message.device);
      break;
    case 'stop':
      stop();
      port.close();
      break;
  }
});
if (setup.device !== undefined) attach(setup.device);
tellAbilities();

process.on('uncaughtException', error => {
  stop();
  tell({ type: 'broke', error });
  port.close();
});

/**
 * Not in here: a thread that is ended inside a callback of koffi 3.3, or with a watch that is open, takes the process with
 * it (napi_throw fails, and Node calls abort(3)).
 */
function wake(): void {
  serving ??= setImmediate(serve);
}

function serve(): void {
  serving = undefined;
  path.serve();
  if (deviceWatch !== undefined && path.device === undefined) {
    deviceWatch.close();
    deviceWatch = undefined;
    tell({ type: 'device-lost' });
    tellAbilities();
  }
}

function attach(device: AttachedTun): void {
  path.attach(device);
  deviceWatch = new ReadableWatch(device.fd, wake);
  tellAbilities();
}

/** Nothing but the port is left then that keeps the thread alive. */
function stop(): void {
  clearInterval(limits);
  clearImmediate(serving);
  deviceWatch?.close();
  for (const watch of socketWatches) watch.close();
  Atomics.store(setup.stopped, 0, 1);
  Atomics.notify(setup.stopped, 0);
}

function tellAbilities(): void {
  const now = path.abilities;
  if (now.join() === abilities) return;
  abilities = now.join();
  tell({ type: 'abilities', abilities: now });
}

function tell(message: FromWorker): void {
  port.postMessage(message);
}

function fail(): never {
  throw new Error('worker.ts runs only as a worker of a tunnel');
}
