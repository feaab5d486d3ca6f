/** Times and sizes as people say them. */

/** `12:03:04` of today, `2026-11-23 12:03` of another day; in the time zone of whoever reads. */
export function clockText(atMs: number, nowMs: number): string {
  const [day = '', time = ''] = localText(atMs).split(' ');
  return localText(nowMs).startsWith(day) ? time : `${day} ${time.slice(0, 5)}`;
}

/** `45 s`, `3 min`, `23 h`, `12 d`: one unit, as exact as it matters. */
export function durationText(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 90) return `${seconds} s`;
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

/** `12:03:04 (3 min)`: since when, and how long that is. */
export function sinceText(atMs: number, nowMs: number): string {
  return `${clockText(atMs, nowMs)} (${durationText(nowMs - atMs)})`;
}

const units = ['kB', 'MB', 'GB', 'TB', 'PB'];

/** `980 B`, `1.2 kB`, `34 MB`: powers of 1000, two digits or more. */
export function bytesText(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  let value = bytes;
  let unit = '';
  for (const name of units) {
    if (value < 999.5) break;
    value /= 1000;
    unit = name;
  }
  return `${value.toFixed(value < 9.95 ? 1 : 0)} ${unit}`;
}

function localText(atMs: number): string {
  const at = new Date(atMs);
  const two = (number: number): string => `${number}`.padStart(2, '0');
  const day = [at.getFullYear(), two(at.getMonth() + 1), two(at.getDate())].join('-');
  return `${day} ${[at.getHours(), at.getMinutes(), at.getSeconds()].map(two).join(':')}`;
}
