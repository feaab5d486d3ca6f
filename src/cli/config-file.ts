import { readFile } from 'node:fs/promises';
import process from 'node:process';
import { text as readAll } from 'node:stream/consumers';
import { createBackend } from '../backend/backends.ts';
import { describeError, hasCode, WeftError } from '../base/errors.ts';
import type { Subnet } from '../lease/lease.ts';
import { type NetworkConfig, parseNetworkConfig } from '../lease/network-config.ts';
import { overlapWarnings } from '../lease/network-overlap.ts';
import { parseSubnetEnv } from '../lease/subnet-env.ts';
import { readHostRoutes } from './host-routes.ts';
import { runFlags } from './run-flags.ts';

export interface ConfigFile {
  /** As it was written, without white space around it. */
  readonly text: string;
  readonly config: NetworkConfig;
  /** Sentences about what is valid, but most likely not meant. */
  readonly warnings: readonly string[];
}

/**
 * Reads and checks a network config: a file, or stdin for `-`. Warns also of routes of this host that overlap it.
 * @throws WeftError `file-unreadable`, `config-invalid`, `backend-unknown`
 */
export async function readConfigFile(file: string): Promise<ConfigFile> {
  const text = (file === '-' ? await readAll(process.stdin) : await readFileText(file)).trim();
  const { config, warnings } = parseNetworkConfig(text);
  return {
    text,
    config,
    warnings: [...warnings, ...backendWarnings(config), ...(await overlapsHere(config))],
  };
}

/** A backend that only flannel has is no mistake: its hosts may be in the same network. */
function backendWarnings(config: NetworkConfig): readonly string[] {
  try {
    return createBackend(config).warnings;
  } catch (error) {
    if (hasCode(error, 'backend-not-supported')) return [error.message];
    throw error;
  }
}

async function readFileText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new WeftError('file-unreadable', `reading ${file} failed`, { cause });
  }
}

async function overlapsHere(config: NetworkConfig): Promise<readonly string[]> {
  try {
    return overlapWarnings(config, await readHostRoutes(), await ownSubnet());
  } catch (error) {
    return [`whether a route of this host overlaps the network is not known: ${describeError(error)}`];
  }
}

/** This host's own subnet, when it is in the network already: its bridge's route is no conflict. */
async function ownSubnet(): Promise<Subnet | undefined> {
  const text = await readFile(runFlags['subnet-file'].default, 'utf8').catch(() => '');
  return parseSubnetEnv(text).subnet;
}
