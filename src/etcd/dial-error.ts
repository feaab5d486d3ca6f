import { WeftError } from '../base/errors.ts';
import { isTlsAlert, type Stage } from './dial.ts';
import type { Endpoint } from './endpoint.ts';

/** What is known about a connection that did not come about. */
export interface DialFailure {
  readonly endpoint: Endpoint;
  readonly stage: Stage;
  readonly cause: unknown;
  /** Whether clear text was answered by somebody who speaks TLS. */
  readonly speaksTls: boolean;
}

/** Says why there is no connection: nobody there, not the right one, or TLS that does not fit. */
export function dialError(failure: DialFailure): WeftError {
  const { code, found, remedy } = explain(failure);
  const message = `etcd ${failure.endpoint.url}: ${found} (${textOf(failure.cause)})`;
  return new WeftError(code, message, { cause: failure.cause, remedy });
}

interface Explanation {
  readonly code: 'etcd-unreachable' | 'etcd-tls' | 'etcd-protocol';
  readonly found: string;
  readonly remedy: string;
}

function explain(failure: DialFailure): Explanation {
  switch (failure.stage) {
    case 'TCP connection':
      return { code: 'etcd-unreachable', ...explainTcp(codeOf(failure.cause)) };
    case 'TLS handshake':
      return { code: 'etcd-tls', ...explainTls(failure.cause) };
    case 'HTTP/2 handshake':
      return explainHttp2(failure);
  }
}

function explainTcp(code: string): Omit<Explanation, 'code'> {
  const remedy = 'start etcd there, or correct -etcd-endpoints';
  switch (code) {
    case 'ECONNREFUSED':
      return { found: 'nobody listens there', remedy };
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return { found: 'the name does not resolve', remedy: 'correct the name, or use an address' };
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return { found: 'there is no way to that host', remedy: 'correct the address or the routes to it' };
    default:
      return { found: 'no TCP connection', remedy };
  }
}

/** Codes of a certificate that was shown and not accepted by us: OpenSSL's X509_V_ERR names, and Node's own. */
const refusedCertificate = /CERT|VERIFY|ISSUER|CRL|SELF_SIGNED|CA_|CHAIN/;

function explainTls(cause: unknown): Omit<Explanation, 'code'> {
  const code = codeOf(cause);
  if (isTlsAlert(cause)) return wantsCertificate;
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return {
      found: "the server's certificate is for other names than this host",
      remedy: 'use a name that the certificate has, or make one that has this name or address',
    };
  }
  if (refusedCertificate.test(code)) {
    return {
      found: "the server's certificate is not signed by an authority that we trust, or not valid now",
      remedy: 'give the CA that signed it with -etcd-cafile, and check both clocks',
    };
  }
  return {
    found: 'expected TLS, but the server ended the handshake, as one does that speaks clear text only',
    remedy: 'use http:// if etcd serves clear text, else see its log',
  };
}

const wantsCertificate: Omit<Explanation, 'code'> = {
  found: 'the server ended TLS with an alert; most often it wants a client certificate, or another one',
  remedy: 'give a certificate that etcd trusts with -etcd-certfile and -etcd-keyfile',
};

function explainHttp2(failure: DialFailure): Explanation {
  if (isTlsAlert(failure.cause)) return { code: 'etcd-tls', ...wantsCertificate };
  if (failure.speaksTls) {
    return {
      code: 'etcd-tls',
      found: 'we spoke clear text, but the server speaks TLS',
      remedy: 'use https://, with -etcd-cafile for a CA of your own',
    };
  }
  if (codeOf(failure.cause).startsWith('ERR_HTTP2')) {
    return {
      code: 'etcd-protocol',
      found: 'somebody answers, but not in HTTP/2: this is not the client port of etcd v3',
      remedy: 'correct -etcd-endpoints',
    };
  }
  return {
    code: 'etcd-unreachable',
    found: 'the connection was closed before a word was said',
    remedy: 'see whether etcd is starting or stopping there, and its log',
  };
}

function codeOf(cause: unknown): string {
  return cause instanceof Error && 'code' in cause ? String(cause.code) : '';
}

/**
 * One line: OpenSSL's reason without its file names, Node's message without its advice for developers, and of
 * several addresses tried for one name each one's error.
 */
function textOf(cause: unknown): string {
  if (cause instanceof AggregateError) return cause.errors.map(textOf).join(', ');
  if (!(cause instanceof Error)) return String(cause);
  if ('library' in cause && 'reason' in cause) return String(cause.reason);
  return cause.message.replace(/; if the root CA.*$/s, '');
}
