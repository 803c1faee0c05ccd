import type { Exchange } from './exchange.ts';

/** What a script of another origin may read of a response. */
const EXPOSED = [
  'x-request-id',
  'openai-processing-ms',
  'retry-after',
  'x-should-retry',
  'x-declai-answer',
  ...['limit', 'remaining', 'reset'].flatMap((what) => [
    `x-ratelimit-${what}-requests`,
    `x-ratelimit-${what}-tokens`,
  ]),
].join(', ');

const HEADER_LIST = /^[a-z0-9-]+( *, *[a-z0-9-]+)*$/i;
const HEADER_LIST_CHARS_MAX = 4096;

/**
 * Any origin may ask: there are no cookies here, and a bearer is only sent by who has it.
 * The asked-for headers are named back, because `*` leaves out `authorization`; that lets all of
 * the SDK's `x-stainless-*` through.
 */
export function setCors({ req, res }: Exchange): void {
  res.setHeader('access-control-allow-origin', '*');
  res.setHeader('access-control-expose-headers', EXPOSED);
  if (req.method !== 'OPTIONS') return;
  const asked = req.headers['access-control-request-headers'] ?? '';
  const valid = asked.length <= HEADER_LIST_CHARS_MAX && HEADER_LIST.test(asked);
  res.setHeader('access-control-allow-headers', valid ? asked : 'authorization, content-type');
  res.setHeader('access-control-max-age', '7200');
  res.setHeader('vary', 'access-control-request-headers');
}
