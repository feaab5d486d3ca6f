/**
 * Frames of an AF_PACKET socket in batches, by recvmmsg(2), each with what travels beside it: when it came (SO_TIMESTAMPNS),
 * a VLAN tag that the kernel took off (PACKET_AUXDATA), and which way it went (its sockaddr_ll). Layouts of 64-bit Linux:
 *
 *     mmsghdr          0 name   8 name length   16 iovec   24 1   32 control   40 its length   48 flags   56 received
 *     sockaddr_ll      0 family   2 protocol   4 interface   8 hardware type   10 packet type   11 address length
 *     tpacket_auxdata  0 status   4 length   8 captured   12 mac   14 net   16 VLAN control   18 VLAN protocol
 */
import { pointerOf, receiveMessages } from './libc.ts';

export interface BatchFrame {
  /** In the batch's memory, with room for a VLAN tag in front. */
  readonly offset: number;
  readonly capturedBytes: number;
  readonly lengthBytes: number;
  /** PACKET_HOST, ..., PACKET_OUTGOING (linux/if_packet.h). */
  readonly packetType: number;
  readonly timeNs: bigint;
  /** Protocol and control (802.1Q) of the tag that is missing in the bytes. */
  readonly tag: { readonly protocol: number; readonly control: number } | undefined;
}

export const vlanTagBytes = 4;

const SOL_SOCKET = 1;
const SO_TIMESTAMPNS = 35;
const SOL_PACKET = 263;
const PACKET_AUXDATA = 8;
const TP_STATUS = { VLAN_VALID: 0x10, VLAN_TPID_VALID: 0x40 } as const;
const MSG_DONTWAIT_TRUNC = 0x40 | 0x20;
const defaultTagProtocol = 0x8100;

const [headerBytes, nameBytes, vectorBytes, controlBytes] = [64, 32, 16, 96];
const controlHeaderBytes = 16;

/** Memory for a number of frames, and the structures around it. */
export class PacketBatch {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;
  readonly #pointer: number;
  readonly #count: number;
  readonly #snapBytes: number;
  readonly #slotBytes: number;

  constructor(count: number, snapBytes: number) {
    this.#count = count;
    this.#snapBytes = snapBytes;
    this.#slotBytes = (snapBytes + vlanTagBytes + 7) & ~7;
    const each = headerBytes + nameBytes + vectorBytes + controlBytes + this.#slotBytes;
    // V8 does not move an ArrayBuffer of this size, whose address the kernel gets.
    this.bytes = new Uint8Array(new ArrayBuffer(Math.max(4096, count * each)));
    this.#view = new DataView(this.bytes.buffer);
    this.#pointer = pointerOf(this.bytes);
    for (let index = 0; index < count; index++) this.#prepare(index);
  }

  /** @returns frames received, or -1 with `lastErrno` */
  receive(fd: number): number {
    for (let index = 0; index < this.#count; index++) this.#renew(index);
    return receiveMessages(fd, this.#pointer, this.#count, MSG_DONTWAIT_TRUNC);
  }

  frame(index: number): BatchFrame {
    const lengthBytes = this.#view.getUint32(this.#header(index) + 56, true);
    const name = this.#name(index);
    return {
      offset: this.#slot(index),
      capturedBytes: Math.min(lengthBytes, this.#snapBytes),
      packetType: this.#view.getUint8(name + 10),
      ...this.#besides(index, lengthBytes),
    };
  }

  /** What the control messages tell: struct cmsghdr { length (8), level (4), type (4) }, data, padded to 8. */
  #besides(index: number, received: number): Pick<BatchFrame, 'lengthBytes' | 'timeNs' | 'tag'> {
    const view = this.#view;
    const start = this.#control(index);
    const end = start + view.getUint32(this.#header(index) + 40, true);
    let [lengthBytes, timeNs] = [received, 0n];
    let tag: BatchFrame['tag'];
    for (let at = start; at + controlHeaderBytes <= end; ) {
      const [length, level, type] = [0, 8, 12].map(part => view.getUint32(at + part, true)) as [
        number,
        number,
        number,
      ];
      const data = at + controlHeaderBytes;
      if (level === SOL_SOCKET && type === SO_TIMESTAMPNS) {
        timeNs = view.getBigInt64(data, true) * 1_000_000_000n + view.getBigInt64(data + 8, true);
      } else if (level === SOL_PACKET && type === PACKET_AUXDATA) {
        lengthBytes = view.getUint32(data + 4, true);
        tag = this.#tag(data);
      }
      at += Math.max(controlHeaderBytes, (length + 7) & ~7);
    }
    return { lengthBytes, timeNs, tag };
  }

  #tag(auxdata: number): BatchFrame['tag'] {
    const status = this.#view.getUint32(auxdata, true);
    if ((status & TP_STATUS.VLAN_VALID) === 0) return undefined;
    const told = (status & TP_STATUS.VLAN_TPID_VALID) !== 0;
    return {
      protocol: told ? this.#view.getUint16(auxdata + 18, true) : defaultTagProtocol,
      control: this.#view.getUint16(auxdata + 16, true),
    };
  }

  #prepare(index: number): void {
    const view = this.#view;
    const [header, vector] = [this.#header(index), this.#vector(index)];
    this.#setPointer(header, this.#name(index));
    this.#setPointer(header + 16, vector);
    view.setUint32(header + 24, 1, true);
    this.#setPointer(header + 32, this.#control(index));
    this.#setPointer(vector, this.#slot(index));
    view.setUint32(vector + 8, this.#snapBytes, true);
  }

  /** The kernel has written how much it used. */
  #renew(index: number): void {
    const header = this.#header(index);
    this.#view.setUint32(header + 8, nameBytes, true);
    this.#view.setUint32(header + 40, controlBytes, true);
    this.#view.setUint32(header + 48, 0, true);
  }

  #setPointer(at: number, offset: number): void {
    this.#view.setBigUint64(at, BigInt(this.#pointer + offset), true);
  }

  #header(index: number): number {
    return index * headerBytes;
  }

  #name(index: number): number {
    return this.#count * headerBytes + index * nameBytes;
  }

  #vector(index: number): number {
    return this.#count * (headerBytes + nameBytes) + index * vectorBytes;
  }

  #control(index: number): number {
    return this.#count * (headerBytes + nameBytes + vectorBytes) + index * controlBytes;
  }

  /** Behind the room for a tag. */
  #slot(index: number): number {
    const others = headerBytes + nameBytes + vectorBytes + controlBytes;
    return this.#count * others + index * this.#slotBytes + vlanTagBytes;
  }
}
