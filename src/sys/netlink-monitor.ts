import { decodeMessages, type NetlinkMessage } from '../wire/netlink.ts';
import { type EndpointOptions, NetlinkEndpoint } from './netlink-endpoint.ts';

export interface NetlinkMonitorOptions {
  /** Multicast groups (RTNLGRP_*). */
  readonly groups: readonly number[];
  readonly netns?: string | undefined;
  /**
   * Room for bursts that come while JavaScript is busy, taken only while notices wait. Default 16 MiB, of which the kernel
   * makes twice that, room for some 40,000: all entries of 10,000 peers flushed at once. Of more it is cheaper to lose some
   * and read the kernel once.
   */
  readonly receiveBufferBytes?: number | undefined;
  /** See {@link EndpointOptions.filter}. */
  readonly filter?: EndpointOptions['filter'];
  /** One changed object; the bytes are only valid during the call. */
  onMessage(message: NetlinkMessage): void;
  /** Messages were lost: whatever was known of the kernel is stale, take a snapshot. */
  onOverrun(): void;
}

/** Listens to what changes in the kernel (`ip monitor`), on a socket of its own. */
export class NetlinkMonitor implements Disposable {
  readonly #endpoint: NetlinkEndpoint;

  private constructor(options: NetlinkMonitorOptions) {
    const { groups, netns, filter, receiveBufferBytes = 16 * 1024 * 1024 } = options;
    this.#endpoint = NetlinkEndpoint.open(
      { netns, groups, filter, receiveBufferBytes },
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

  /** Until {@link resume} notices wait, as many as there is room for: of more some are lost, and that is told. */
  pause(): void {
    this.#endpoint.pause();
  }

  resume(): void {
    this.#endpoint.resume();
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
