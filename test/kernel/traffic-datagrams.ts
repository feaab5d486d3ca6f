/** UDP from and to namespaces, by small Node programs that run inside. */
import process from 'node:process';
import { parseIp } from '../../src/base/ip.ts';
import { parseMac } from '../../src/base/mac.ts';
import { encodeEthernet, etherTypes } from '../../src/wire/ethernet.ts';
import { encodeIpv4, ipProtocols } from '../../src/wire/ipv4.ts';
import { encodeUdp } from '../../src/wire/udp.ts';
import { encodeVxlanHeader } from '../../src/wire/vxlan.ts';
import type { Daemon } from '../support/daemon.ts';
import type { Netns } from '../support/netns.ts';

export interface Forged {
  /** Of the device that shall take it. */
  readonly mac: string;
  readonly source: string;
  readonly destination: string;
  readonly port: number;
  readonly text: string;
}

/** A datagram inside the network as it travels through the tunnel, VNI 1. */
export function vxlanPacket({ mac, port, text, ...inner }: Forged): Uint8Array {
  const ends = { source: parseIp(inner.source), destination: parseIp(inner.destination) };
  const ports = { sourcePort: 1000, destinationPort: port };
  const datagram = encodeUdp(ports, new TextEncoder().encode(text), ends);
  const packet = encodeIpv4({ ...ends, protocol: ipProtocols.udp }, datagram);
  const addresses = { destination: parseMac(mac), source: parseMac('02:00:00:00:00:99') };
  return encodeVxlanHeader({ vni: 1 }, encodeEthernet({ ...addresses, etherType: etherTypes.ipv4 }, packet));
}

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
