/** Times of packets, as this machine's clock on the wall shows them. */

/** `14:03:25.123456`, or to the millisecond where there is little room; dashes where the time is not known. */
export function timeOfDay(timeNs: bigint | undefined, digits: 3 | 6): string {
  const date = dateOf(timeNs);
  if (date === undefined || timeNs === undefined) return `--:--:--.${'-'.repeat(digits)}`;
  const [hours, minutes, seconds] = [date.getHours(), date.getMinutes(), date.getSeconds()].map(twoDigits);
  return `${hours}:${minutes}:${seconds}.${fraction(timeNs, digits)}`;
}

/** `2026-11-24 14:03:25.123456` */
export function dateAndTime(timeNs: bigint | undefined): string {
  const date = dateOf(timeNs);
  if (date === undefined) return 'at an unknown time';
  const [month, day] = [date.getMonth() + 1, date.getDate()].map(twoDigits);
  return `${date.getFullYear()}-${month}-${day} ${timeOfDay(timeNs, 6)}`;
}

/** Undefined also for a time beyond what a date can be (a file may hold any). */
function dateOf(timeNs: bigint | undefined): Date | undefined {
  if (timeNs === undefined) return undefined;
  const date = new Date(Number(timeNs / 1_000_000n));
  return Number.isNaN(date.getTime()) ? undefined : date;
}

function fraction(timeNs: bigint, digits: number): string {
  const nanoseconds = ((timeNs % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  return String(nanoseconds).padStart(9, '0').slice(0, digits);
}

function twoDigits(value: number): string {
  return String(value).padStart(2, '0');
}
