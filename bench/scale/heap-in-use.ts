/** Prints how many bytes the Node process that listens for a debugger in this network namespace has in use, garbage gone. */
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';

const inspector = 'http://127.0.0.1:9229/json/list';

interface Target {
  readonly webSocketDebuggerUrl: string;
}

interface Answer {
  readonly id?: number;
  readonly result?: { readonly usedSize?: number };
}

const socket = new WebSocket(await debuggerUrl());
await new Promise((resolve, reject) => {
  socket.onopen = resolve;
  socket.onerror = reject;
});
await call('HeapProfiler.collectGarbage');
process.stdout.write(String((await call('Runtime.getHeapUsage')).result?.usedSize));
socket.close();

/** The process opens its inspector in its own time after SIGUSR1. */
async function debuggerUrl(): Promise<string> {
  for (let tries = 1; ; tries++) {
    try {
      const [target] = (await (await fetch(inspector)).json()) as Target[];
      if (target !== undefined) return target.webSocketDebuggerUrl;
    } catch (error) {
      if (tries > 100) throw error;
    }
    await sleep(50);
  }
}

function call(method: string): Promise<Answer> {
  const { promise, resolve } = Promise.withResolvers<Answer>();
  socket.onmessage = ({ data }) => resolve(JSON.parse(String(data)) as Answer);
  socket.send(JSON.stringify({ id: 1, method }));
  return promise;
}
