import { invariant } from './assert.ts';

/**
 * Canonical JSON: keys sorted by UTF-16 code unit, no white space, `undefined` members left out.
 * The same value gives the same text on every machine (a subset of RFC 8785).
 * @throws InvariantError where a value is not JSON (a function, NaN, an infinity).
 */
export function canonicalJson(value: unknown): string {
  if (typeof value === 'number') {
    invariant(Number.isFinite(value), 'canonical JSON holds finite numbers only');
    return JSON.stringify(value);
  }
  if (value === null || typeof value === 'string' || typeof value === 'boolean') {
    return JSON.stringify(value);
  }
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  invariant(typeof value === 'object', 'canonical JSON holds JSON values only');
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`);
  return `{${members.join(',')}}`;
}
