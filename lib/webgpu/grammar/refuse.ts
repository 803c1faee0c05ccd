import { FaultError } from '#lib/kernel/errors.ts';

const PATH_CHARS_MAX = 200;
const DETAILS = { param: 'response_format' };

/** @param path JSON pointer of the place in the schema, '#' for the whole. */
export const unsupported = (path: string, what: string): FaultError =>
  new FaultError('request/unsupported', `response_format: ${what}, at ${shown(path)}`, {
    details: DETAILS,
  });

export const invalid = (path: string, what: string): FaultError =>
  new FaultError('request/invalid', `response_format: ${what}, at ${shown(path)}`, {
    details: DETAILS,
  });

export const tooManyAlternatives = (path: string, most: number): FaultError =>
  unsupported(path, `more than ${most} alternatives of one anyOf`);

const shown = (path: string): string =>
  path.length <= PATH_CHARS_MAX ? path : `${path.slice(0, PATH_CHARS_MAX)}…`;
