import type { IncomingMessage } from 'node:http';

/**
 * Which origin a node believes it talks to. A hello signs it, so a wrong one lets another server
 * use that hello here: what the Host header says is taken only where no stranger's name can be.
 */
export interface OriginRule {
  readonly secure: boolean;
  /** Origins that people reach this server by, as configured: `https://declai.example`. */
  readonly origins: readonly string[];
  /** Names of this machine in its own network. */
  readonly hostnames: readonly string[];
}

/** The origin for the challenge; null where the request came by a name that is not ours. */
export function originOf(request: IncomingMessage, rule: OriginRule): string | null {
  const { host } = request.headers;
  const url = host === undefined ? null : parseUrl(`${rule.secure ? 'https' : 'http'}://${host}`);
  if (!url) return null;
  const configured = rule.origins.find((origin) => parseUrl(origin)?.host === url.host);
  if (configured !== undefined) return new URL(configured).origin;
  const name = url.hostname.replace(/^\[|\]$/g, '');
  const local = plainAddress(request.socket.localAddress ?? '');
  const ours = name === 'localhost' || isLoopback(name) || name === local;
  return ours || rule.hostnames.includes(name) ? url.origin : null;
}

/** A page of another origin must not make its visitors' browsers work here. */
export function isForeignPage(request: IncomingMessage, origin: string): boolean {
  const page = request.headers.origin;
  return page !== undefined && page !== origin;
}

/** IPv4 inside IPv6 as IPv4; IPv6 by its /64, of which one household has as many as it likes. */
export function addressKey(address: string): string {
  const plain = plainAddress(address);
  if (!plain.includes(':') || plain === '::1') return plain;
  const [head = '', tail = ''] = plain.split('::');
  const left = head.split(':').filter(Boolean);
  const right = tail.split(':').filter(Boolean);
  const zeros = Array.from({ length: Math.max(0, 8 - left.length - right.length) }, () => '0');
  return `${[...left, ...zeros, ...right].slice(0, 4).join(':')}::/64`;
}

const plainAddress = (address: string): string =>
  address.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '');

const isLoopback = (name: string): boolean => name === '::1' || /^127(?:\.\d{1,3}){3}$/.test(name);

function parseUrl(text: string): URL | null {
  try {
    return new URL(text);
  } catch {
    return null;
  }
}
