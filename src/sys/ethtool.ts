/** Device features by ioctl (linux/ethtool.h, linux/sockios.h), without the program of that name. */
import { closeDescriptor, ioctl, pointerOf, socket } from './libc.ts';

const AF_INET = 2;
const SOCK_DGRAM_CLOEXEC = 2 | 0x80000;
const SIOCETHTOOL = 0x8946;
const ETHTOOL_GTXCSUM = 0x16;
/** struct ifreq: a name of at most 15 bytes, and a union of which the pointer is used here. */
const [ifreqBytes, nameBytes] = [40, 16];

/**
 * `ethtool -k DEVICE`, tx-checksumming: whether checksums of what is sent are left to the device, or to the one below it.
 * In the network namespace of the calling thread; undefined for a device that is not there or cannot tell.
 */
export function leavesChecksums(device: string): boolean | undefined {
  const name = new TextEncoder().encode(device);
  if (name.length >= nameBytes) return undefined;
  // struct ethtool_value { u32 cmd; u32 data; }, where V8 does not move it: the request holds its address.
  const value = new DataView(new ArrayBuffer(4096));
  value.setUint32(0, ETHTOOL_GTXCSUM, true);
  const request = new DataView(new ArrayBuffer(ifreqBytes));
  const bytes = new Uint8Array(request.buffer);
  bytes.set(name);
  request.setBigUint64(nameBytes, BigInt(pointerOf(new Uint8Array(value.buffer))), true);
  const fd = socket(AF_INET, SOCK_DGRAM_CLOEXEC, 0);
  try {
    ioctl(fd, SIOCETHTOOL, bytes);
    return value.getUint32(4, true) !== 0;
  } catch {
    return undefined;
  } finally {
    closeDescriptor(fd);
  }
}
