/** Captures on links, until told to stop. */
import { PacketSocket } from '../sys/packet-socket.ts';
import { overlayFilter } from '../wire/bpf-overlay.ts';
import {
  type CapturedPacket,
  type CaptureInterface,
  type CaptureStatistics,
  linkTypes,
} from '../wire/pcap-record.ts';
import type { CapturePlan, CapturePoint } from './capture-plan.ts';

export interface LiveCapture {
  /** Bytes to keep of each packet. */
  readonly snapBytes: number;
  /** Aborted: what has come in by then is still given out. */
  readonly signal: AbortSignal;
  /** From now on no packet is missed. */
  onStart(): void;
  /** Bytes are valid during the call. `enough` ends the capture at once. */
  onPacket(packet: CapturedPacket): 'more' | 'enough';
  /** The kernel had no room for so many packets by now; told once a second when there are more of them. */
  onLoss(packets: number): void;
}

/** Chosen: room for bursts while lines are written. */
const receiveBufferBytes = 16 * 1024 * 1024;
const lossCheckMs = 1000;

/** @returns what became of it on each link @throws WeftError `capture-privilege`, `capture-ended`, `syscall-failed` */
export async function captureLive(plan: CapturePlan, capture: LiveCapture): Promise<CaptureStatistics[]> {
  const end = Promise.withResolvers<void>();
  const sockets: Array<{ readonly via: CaptureInterface; readonly socket: PacketSocket }> = [];
  const lost = () => sockets.reduce((sum, { socket }) => sum + socket.counts().dropped, 0);
  const watch = watchLoss(lost, capture);
  const stop = () => end.resolve();
  capture.signal.addEventListener('abort', stop, { once: true });
  try {
    for (const point of plan.points) {
      const via = interfaceOf(point, capture);
      const take = (packet: CapturedPacket) => {
        try {
          if (capture.onPacket(packet) === 'more') return;
          stop();
        } catch (error) {
          // Thrown into the event loop it would end the program without any closing.
          end.reject(error);
        }
        for (const { socket } of sockets) socket.close();
      };
      sockets.push({ via, socket: openSocket(point, via, plan, capture, take, end.reject) });
    }
    if (capture.signal.aborted) stop();
    capture.onStart();
    await end.promise;
    for (const { socket } of sockets) socket.finish();
    return sockets.map(({ via, socket }) => ({ via, ...socket.counts() }));
  } finally {
    capture.signal.removeEventListener('abort', stop);
    clearInterval(watch);
    for (const { socket } of sockets) socket.close();
  }
}

function openSocket(
  { link, carriers }: CapturePoint,
  via: CaptureInterface,
  { hosts }: CapturePlan,
  { snapBytes }: LiveCapture,
  take: (packet: CapturedPacket) => void,
  onEnd: (error: Error) => void,
): PacketSocket {
  const linkHeader = via.linkType === linkTypes.ethernet ? 'ethernet' : 'none';
  return PacketSocket.open({
    ifIndex: link.index,
    name: link.name,
    filter: overlayFilter({ linkHeader, carriers, hosts, snapBytes }),
    snapBytes,
    receiveBufferBytes,
    onFrame: frame => {
      // What goes out by the loopback comes in again.
      if (!link.loopback || frame.direction !== 'out') take({ via, ...frame });
    },
    onEnd,
  });
}

/** As pcapng records it. A link without hardware addresses has no header either: WireGuard, TUN, PPP. */
function interfaceOf(
  { link, addresses, carriers }: CapturePoint,
  { snapBytes }: LiveCapture,
): CaptureInterface {
  return {
    linkType: link.mac === undefined ? linkTypes.raw : linkTypes.ethernet,
    snapBytes,
    name: link.name,
    addresses,
    filter: carriers.map(({ port }) => `udp dst port ${port}`).join(' or '),
  };
}

function watchLoss(lost: () => number, { onLoss }: LiveCapture): NodeJS.Timeout {
  let told = 0;
  return setInterval(() => {
    const now = lost();
    if (now > told) onLoss(now);
    told = now;
  }, lossCheckMs);
}
