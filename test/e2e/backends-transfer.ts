/** A TCP transfer that lasts as long as it is wanted, and whether what arrived is what was sent. */
import process from 'node:process';
import type { Daemon } from '../support/daemon.ts';
import type { Netns } from '../support/netns.ts';

export interface Transfer {
  /** Waits until so many megabytes more have arrived. */
  more(megabytes: number): Promise<void>;
  /** Ends it. @throws Error when it broke, or when something else arrived than what was sent */
  end(): Promise<string>;
}

let ports = 7000;

/** From one namespace to another, whose address is `address`. */
export async function startTransfer(from: Netns, to: Netns, address: string): Promise<Transfer> {
  const port = ports++;
  const receiver = await to.start([process.execPath, '-e', receive, `${port}`]);
  await receiver.waitForOutput(/listening/);
  const sender = await from.start([process.execPath, '-e', send, address, `${port}`]);
  const more = async (megabytes: number): Promise<void> => {
    const goal = arrived(receiver) + megabytes;
    await receiver.waitFor(`${megabytes} MB more`, () => arrived(receiver) >= goal);
  };
  await more(1);
  return {
    more,
    end: async () => {
      sender.signal('SIGUSR2');
      const [sent] = await sender.waitForOutput(/sent \d+ \w+/);
      const [received] = await receiver.waitForOutput(/received \d+ \w+/);
      await Promise.all([sender.kill(), receiver.kill()]);
      if (received.slice(9) !== sent.slice(5)) throw new Error(`${sent}, but ${received}`);
      return received;
    },
  };
}

/** Megabytes, as the receiver tells them. */
function arrived(receiver: Daemon): number {
  return receiver.stdout.match(/^MB$/gm)?.length ?? 0;
}

/** Not as fast as it can, so that tests beside it have something of the machine; `SIGUSR2` ends it. */
const send = `
const { createHash, randomBytes } = require('node:crypto');
const [address, port] = process.argv.slice(1);
const hash = createHash('sha256');
const socket = require('node:net').connect(Number(port), address);
socket.on('error', error => { console.error(error.message); process.exit(1); });
let bytes = 0;
let ending = false;
process.on('SIGUSR2', () => { ending = true; });
const step = () => {
  if (ending) { socket.end(); console.log('sent', bytes, hash.digest('hex')); return; }
  const piece = randomBytes(131072);
  bytes += piece.length;
  hash.update(piece);
  socket.write(piece, () => setTimeout(step, 2));
};
socket.on('connect', step);
`;

const receive = `
const hash = require('node:crypto').createHash('sha256');
const server = require('node:net').createServer(socket => {
  let bytes = 0;
  let told = 0;
  socket.on('error', error => { console.error(error.message); process.exit(1); });
  socket.on('data', piece => {
    hash.update(piece);
    bytes += piece.length;
    for (; told + 1e6 <= bytes; told += 1e6) console.log('MB');
  });
  socket.on('end', () => { console.log('received', bytes, hash.digest('hex')); socket.end(); });
});
server.listen(Number(process.argv[1]), '::', () => console.log('listening'));
`;
