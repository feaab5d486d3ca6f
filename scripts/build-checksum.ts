/**
 * `node scripts/build-checksum.ts` makes src/tunnel/checksum-wasm.ts of checksum.wat: the same bytes on any machine, and a
 * test says so.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import wabt from 'wabt';

const folder = path.join(import.meta.dirname, '../src/tunnel');
const source = path.join(folder, 'checksum.wat');

/** The file that it makes. */
export const checksumFile = path.join(folder, 'checksum-wasm.ts');

/** What the file shall say. @throws Error where the source is wrong */
export async function buildChecksum(): Promise<string> {
  const { parseWat } = await wabt();
  const module = parseWat(source, readFileSync(source, 'utf8'), { simd: true });
  try {
    module.validate();
    const base64 = Buffer.from(module.toBinary({}).buffer).toString('base64');
    const lines = base64.match(/.{1,100}/g) ?? [];
    return [
      '/** Made of checksum.wat by `node scripts/build-checksum.ts`: not to be edited. */',
      'export const checksumWasm =',
      `${lines.map(line => `  '${line}'`).join(' +\n')};\n`,
    ].join('\n');
  } finally {
    module.destroy();
  }
}

if (import.meta.main) writeFileSync(checksumFile, await buildChecksum());
