/** Questions to a peer door, put by a program on another host: HTTP by hand, so that what comes back is seen as it is. */
import process from 'node:process';
import type { Netns } from './netns.ts';

export interface PeerSaid {
  /** Undefined: the connection was refused, or shut without a word. */
  readonly status: number | undefined;
  readonly body: unknown;
  /** Such as ECONNREFUSED; '' for a connection that was taken. */
  readonly error: string;
}

/** @param from the address to ask from; undefined: the kernel's choice */
export async function askDoor(
  {
    netns,
    address,
    port = 8473,
  }: { readonly netns: Netns; readonly address: string; readonly port?: number },
  question: string,
  from?: string,
): Promise<PeerSaid> {
  const args = [address, String(port), question, ...(from === undefined ? [] : [from])];
  return JSON.parse(await netns.run([process.execPath, '-e', program, ...args])) as PeerSaid;
}

const program = `
const [host, port, path, localAddress] = process.argv.slice(1);
const say = value => process.stdout.write(JSON.stringify(value));
const asked = require('node:http').request({ host, port, path, localAddress, agent: false }, answer => {
  let text = '';
  answer.on('data', part => (text += part)).on('end', () => say({ status: answer.statusCode, body: JSON.parse(text), error: '' }));
});
asked.on('error', error => say({ error: error.code === 'ECONNRESET' ? '' : error.code })).end();
`;
