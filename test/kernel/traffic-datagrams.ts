/** UDP from and to namespaces, by small Node programs that run inside. */
import process from 'node:process';
import type { Daemon } from '../support/daemon.ts';
import type { Netns } from '../support/netns.ts';

/** Sends one datagram from inside the namespace. */
export async function sendDatagram(
  from: Netns,
  to: { address: string; port: number },
  payload: Uint8Array,
): Promise<void> {
  await from.run([
    process.execPath,
    '-e',
    sender,
    to.address,
    `${to.port}`,
    Buffer.from(payload).toString('base64'),
  ]);
}

/** Prints each datagram that arrives as a line of text; the first line is "listening". */
export async function listenForDatagrams(at: Netns, port: number): Promise<Daemon> {
  const daemon = await at.start([process.execPath, '-e', listener, `${port}`]);
  await daemon.waitFor('a listener', () => daemon.output.includes('listening'));
  return daemon;
}

const sender = `
const [address, port, payload] = process.argv.slice(1);
const socket = require('node:dgram').createSocket(address.includes(':') ? 'udp6' : 'udp4');
socket.send(Buffer.from(payload, 'base64'), Number(port), address, error => { socket.close(); if (error) throw error; });
`;

const listener = `
const socket = require('node:dgram').createSocket('udp6');
socket.on('message', message => console.log(String(message)));
socket.bind(Number(process.argv[1]), () => console.log('listening'));
`;
