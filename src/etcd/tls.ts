import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import tls from 'node:tls';
import { WeftError } from '../base/errors.ts';

/** PEM files; an empty text is the same as undefined. They are read anew for every connection. */
export interface TlsFiles {
  /** The authorities that may sign the server; those of Node and of the system when undefined. */
  readonly caFile?: string | undefined;
  /** Our own certificate, for servers that want one; needs `keyFile`. */
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
}

export function isTlsConfigured(files: TlsFiles): boolean {
  return [files.caFile, files.certFile, files.keyFile].some(isGiven);
}

/**
 * Reads the files into what a TLS connection needs; TLS 1.2 is the least, as flannel has it. Unlike there, the
 * authorities count also without a client certificate.
 * @throws WeftError `etcd-tls` for a file that is missing or holds something else, or a half of the pair
 */
export async function readSecureContext(files: TlsFiles): Promise<tls.SecureContext> {
  if (isGiven(files.certFile) !== isGiven(files.keyFile)) {
    const [given, missing] = isGiven(files.certFile) ? ['certificate', 'key'] : ['key', 'certificate'];
    throw new WeftError('etcd-tls', `a TLS client ${given} for etcd is given without its ${missing}`, {
      remedy: 'give both -etcd-certfile and -etcd-keyfile, or neither',
    });
  }
  const ca = await readPem(files.caFile, 'CA bundle', pem => new X509Certificate(pem));
  const cert = await readPem(files.certFile, 'client certificate', pem => new X509Certificate(pem));
  const key = await readPem(files.keyFile, 'client key', createPrivateKey);
  try {
    return tls.createSecureContext({
      ca: ca ?? [...tls.getCACertificates('default'), ...tls.getCACertificates('system')],
      ...(cert === undefined || key === undefined ? {} : { cert, key }),
      minVersion: 'TLSv1.2',
    });
  } catch (cause) {
    const message = `the TLS client certificate ${files.certFile} and the key ${files.keyFile} do not go together`;
    throw new WeftError('etcd-tls', message, {
      cause,
      remedy: 'give the key that the certificate was made for',
    });
  }
}

async function readPem(
  file: string | undefined,
  what: string,
  check: (pem: Buffer) => unknown,
): Promise<Buffer | undefined> {
  if (file === undefined || file === '') return undefined;
  try {
    const pem = await readFile(file);
    check(pem);
    return pem;
  } catch (cause) {
    const message = `expected a readable PEM file with the TLS ${what} for etcd at ${file}`;
    throw new WeftError('etcd-tls', message, { cause, remedy: 'correct the path or the file' });
  }
}

function isGiven(file: string | undefined): boolean {
  return file !== undefined && file !== '';
}
