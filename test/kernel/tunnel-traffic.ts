/** Traffic through a tunnel, by small Node programs that run inside the namespaces. */
import assert from 'node:assert/strict';
import process from 'node:process';
import type { Daemon } from '../support/daemon.ts';
import type { Netns } from '../support/netns.ts';

/** Sends pseudo-random bytes by TCP; fails unless what arrives has the same SHA-256. */
export async function assertTransfer(
  from: Netns,
  to: Netns,
  address: string,
  megabytes: number,
): Promise<void> {
  const sink = await to.start([process.execPath, '-e', hashingSink, address]);
  await sink.waitForOutput(/port (\d+)/);
  const port = /port (\d+)/.exec(sink.stdout)?.[1] ?? '';
  const sent = await from.run([process.execPath, '-e', hashingSource, address, port, `${megabytes}`]);
  await sink.waitForOutput(/received/);
  assert.equal(/received (\S+)/.exec(sink.stdout)?.[1], sent.trim(), `${megabytes} MB to ${address}`);
}

/** A transfer that goes on until it is killed. */
export async function transferForEver(from: Netns, to: Netns, address: string): Promise<Daemon> {
  const sink = await to.start([process.execPath, '-e', hashingSink, address]);
  await sink.waitForOutput(/port (\d+)/);
  const port = /port (\d+)/.exec(sink.stdout)?.[1] ?? '';
  return await from.start([process.execPath, '-e', hashingSource, address, port, '1000000']);
}

/** Sends a datagram of each size and has each answered with its hash; again what was lost. */
export async function assertDatagrams(
  from: Netns,
  to: Netns,
  address: string,
  sizes: readonly number[],
): Promise<void> {
  const echo = await to.start([process.execPath, '-e', hashingEcho, address]);
  await echo.waitForOutput(/port (\d+)/);
  const port = /port (\d+)/.exec(echo.stdout)?.[1] ?? '';
  const said = await from.run([process.execPath, '-e', datagrams, address, port, sizes.join()]);
  assert.equal(said.trim(), `${sizes.length} right`);
  await echo.kill();
}

/** TCP segments with wrong checksums, and UDP datagrams, that the namespace's kernel has seen. */
export async function checksumErrors(netns: Netns): Promise<number> {
  const text = await netns.run('cat /proc/self/net/snmp /proc/self/net/snmp6');
  const lines = text.split('\n').map(line => line.split(/\s+/));
  let errors = 0;
  for (const [index, names] of lines.entries()) {
    const values = lines[index + 1] ?? [];
    for (const [at, name] of names.entries()) {
      if (name === 'InCsumErrors') errors += Number(values[at]);
      if (/^(?:Udp|Icmp)6InCsumErrors$/.test(name)) errors += Number(names[at + 1]);
    }
  }
  return errors;
}

const hashingSink = `
const hash = require('node:crypto').createHash('sha256');
const server = require('node:net').createServer(socket => {
  socket.on('data', bytes => hash.update(bytes));
  socket.on('error', () => {});
  socket.on('end', () => { const hex = hash.digest('hex'); console.log('received', hex); socket.end(hex); server.close(); });
}).listen(0, process.argv[1], () => console.log('port', server.address().port));
`;

/** ChaCha20 of zeros: fast, and no two blocks alike. Ends when the other side has heard all. */
const hashingSource = `
const { createCipheriv, createHash } = require('node:crypto');
const [address, port, megabytes] = process.argv.slice(1);
const cipher = createCipheriv('chacha20', Buffer.alloc(32, 7), Buffer.alloc(16));
const hash = createHash('sha256');
const zeros = Buffer.alloc(1 << 20);
let left = Number(megabytes);
const socket = require('node:net').connect(Number(port), address, send);
socket.on('error', error => { throw error; });
socket.on('drain', send);
socket.resume().on('end', () => { console.log(hash.digest('hex')); });
function send() {
  while (left-- > 0) {
    const block = cipher.update(zeros);
    hash.update(block);
    if (!socket.write(block)) return;
  }
  socket.end();
}
`;

const hashingEcho = `
const six = process.argv[1].includes(':');
const socket = require('node:dgram').createSocket({ type: six ? 'udp6' : 'udp4', recvBufferSize: 4 << 20 });
socket.on('message', (bytes, from) => {
  const answer = bytes.length + ' ' + require('node:crypto').createHash('sha256').update(bytes).digest('hex');
  socket.send(answer, from.port, from.address);
});
socket.bind(0, process.argv[1], () => console.log('port', socket.address().port));
`;

const datagrams = `
const { createHash } = require('node:crypto');
const [address, port, sizes] = process.argv.slice(1);
const socket = require('node:dgram').createSocket({ type: address.includes(':') ? 'udp6' : 'udp4', sendBufferSize: 4 << 20 });
const waiting = new Map();
for (const size of sizes.split(',').map(Number)) {
  const bytes = Buffer.alloc(size);
  for (let at = 0; at < size; at++) bytes[at] = (at * 31 + size) >> (at % 3);
  waiting.set(size, { bytes, hash: createHash('sha256').update(bytes).digest('hex') });
}
let right = 0;
socket.on('message', answer => {
  const [size, hash] = String(answer).split(' ');
  if (waiting.get(Number(size))?.hash !== hash) return;
  waiting.delete(Number(size));
  right++;
  if (waiting.size === 0) { console.log(right, 'right'); socket.close(); clearInterval(again); }
});
const send = () => { for (const { bytes } of [...waiting.values()].slice(0, 64)) socket.send(bytes, Number(port), address); };
send();
const again = setInterval(send, 50);
`;
