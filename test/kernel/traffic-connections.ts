/** TCP between namespaces, by small Node programs that run inside. */
import process from 'node:process';
import type { Daemon } from '../support/daemon.ts';
import type { Netns } from '../support/netns.ts';

/** Answers every connection with the address that it came from. */
export async function serveTcp(at: Netns, port: number): Promise<Daemon> {
  const daemon = await at.start([process.execPath, '-e', server, `${port}`]);
  await daemon.waitForOutput(/listening/);
  return daemon;
}

/** Connects again and again; a line for each answer, `failed` and the reason for each that failed. */
export async function connectForEver(from: Netns, to: { address: string; port: number }): Promise<Daemon> {
  return await from.start([process.execPath, '-e', client, to.address, `${to.port}`]);
}

const server = `
require('node:net')
  .createServer(socket => socket.on('error', () => {}).end(socket.remoteAddress + '\\n'))
  .listen(Number(process.argv[1]), () => console.log('listening'));
`;

const client = `
const [address, port] = process.argv.slice(1);
const once = () => {
  const socket = require('node:net').connect(Number(port), address);
  let heard = '';
  socket.setTimeout(5000, () => socket.destroy(new Error('no answer')));
  socket.on('data', bytes => (heard += bytes));
  socket.on('error', error => console.log('failed ' + error.message));
  socket.on('close', () => { if (heard !== '') console.log(heard.trim()); setTimeout(once, 1); });
};
once();
`;
