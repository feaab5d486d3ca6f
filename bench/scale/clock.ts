import process from 'node:process';

/** CLOCK_MONOTONIC, which all processes of a machine share: what one saw can be compared with what another did. */
export function sharedMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
