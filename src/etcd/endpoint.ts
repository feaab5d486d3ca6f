import { isIP } from 'node:net';
import { WeftError } from '../base/errors.ts';

/** One etcd member's client address. */
export interface Endpoint {
  /** `https://etcd1.example:2379`, for messages. */
  readonly url: string;
  /** Name or address; an IPv6 address without brackets. */
  readonly host: string;
  readonly port: number;
  /** True when TLS is spoken there. */
  readonly secure: boolean;
}

/** etcd's registered client port, for an endpoint that names none. */
const defaultPort = 2379;

/**
 * Reads `http://HOST:PORT` (clear text), `https://HOST:PORT` (TLS) or `HOST:PORT` (TLS when certificates are
 * configured). Each endpoint decides for itself; flannel's client lets the first one decide for all.
 * @throws WeftError `etcd-endpoint-invalid`
 */
export function parseEndpoint(text: string, options: { readonly tlsConfigured: boolean }): Endpoint {
  const match = /^(?:(https?):\/\/)?(\[[0-9a-f:.%\w]+\]|[\w.-]+)(?::(\d{1,5}))?\/?$/i.exec(text.trim());
  const bracketed = match?.[2]?.startsWith('[') === true;
  const host = bracketed ? match?.[2]?.slice(1, -1) : match?.[2];
  const port = match?.[3] === undefined ? defaultPort : Number(match[3]);
  if (host === undefined || port < 1 || port > 65535 || (bracketed && isIP(host) !== 6)) throw invalid(text);
  const scheme = match?.[1]?.toLowerCase() ?? (options.tlsConfigured ? 'https' : 'http');
  return {
    url: `${scheme}://${bracketed ? `[${host}]` : host}:${port}`,
    host,
    port,
    secure: scheme === 'https',
  };
}

/** @throws WeftError `etcd-endpoint-invalid` for any of them, or when there is none */
export function parseEndpoints(
  texts: readonly string[],
  options: { readonly tlsConfigured: boolean },
): readonly Endpoint[] {
  const endpoints = texts.filter(text => text.trim() !== '').map(text => parseEndpoint(text, options));
  if (endpoints.length > 0) return endpoints;
  throw new WeftError('etcd-endpoint-invalid', 'expected at least one etcd endpoint, got none', {
    remedy: 'give one, such as http://127.0.0.1:2379',
  });
}

/** A name and password inside the URL would end up in logs: they are refused, and not repeated. */
function invalid(text: string): WeftError {
  const shown = JSON.stringify(text.replace(/^(.*\/\/)?.*@/s, '$1***@'));
  const hint = text.includes('@') ? '; user and password are given apart from it' : '';
  return new WeftError('etcd-endpoint-invalid', `expected an etcd endpoint, got ${shown}${hint}`, {
    remedy: 'write http://HOST:PORT or https://HOST:PORT, an IPv6 address in brackets',
  });
}
