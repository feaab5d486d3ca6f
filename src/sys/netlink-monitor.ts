import { decodeMessages, type NetlinkMessage } from '../wire/netlink.ts';
import { NetlinkEndpoint } from './netlink-endpoint.ts';

export interface NetlinkMonitorOptions {
  /** Multicast groups (RTNLGRP_*). */
  readonly groups: readonly number[];
  readonly netns?: string | undefined;
  /** Room for bursts that come while JavaScript is busy. Default 4 MiB. */
  readonly receiveBufferBytes?: number | undefined;
  /** One changed object; the bytes are only valid during the call. */
  onMessage(message: NetlinkMessage): void;
  /** Messages were lost: whatever was known of the kernel is stale, take a snapshot. */
  onOverrun(): void;
}

/** Listens to what changes in the kernel (`ip monitor`), on a socket of its own. */
export class NetlinkMonitor implements Disposable {
  readonly #endpoint: NetlinkEndpoint;

  private constructor(options: NetlinkMonitorOptions) {
    const { groups, netns, receiveBufferBytes = 4 * 1024 * 1024 } = options;
    this.#endpoint = NetlinkEndpoint.open(
      { netns, groups, receiveBufferBytes },
      {
        onDatagram: bytes => {
          for (const message of understand(bytes, options)) options.onMessage(message);
        },
        onOverrun: () => options.onOverrun(),
        // Whatever it was, notices are lost.
        onFailure: () => options.onOverrun(),
      },
    );
  }

  /** @throws WeftError `netns-missing`, `syscall-failed`, `netlink-group` */
  static open(options: NetlinkMonitorOptions): NetlinkMonitor {
    return new NetlinkMonitor(options);
  }

  close(): void {
    this.#endpoint.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** A datagram that makes no sense is lost; an error here would end the program, because nobody could catch it. */
function understand(datagram: Uint8Array, options: NetlinkMonitorOptions): readonly NetlinkMessage[] {
  try {
    return [...decodeMessages(datagram)];
  } catch {
    options.onOverrun();
    return [];
  }
}
