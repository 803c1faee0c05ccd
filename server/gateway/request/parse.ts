import * as z from 'zod/mini';
import { FaultError } from '#lib/kernel/errors.ts';
import { badParam } from '../errors.ts';

/** The small zod says "Invalid input" to everything unless it is given words. */
const { localeError } = z.locales.en();

/**
 * A request's body by its schema; unknown fields are left out.
 * @throws FaultError `request/invalid` naming the first wrong parameter.
 */
export function parseBody<Schema extends z.ZodMiniType>(
  schema: Schema,
  body: unknown,
): z.output<Schema> {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new FaultError('request/invalid', 'The body must be a JSON object.');
  }
  const parsed = schema.safeParse(body, { error: localeError });
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const path = issue?.path.map(String) ?? [];
  const where = path.length > 1 ? ` (at ${path.join('.')})` : '';
  // Of our own fields a client wants the whole name, of OpenAI's the parameter alone.
  const param = path[0] === 'declai' ? path.slice(0, 2).join('.') : (path[0] ?? '');
  throw badParam(param, `Invalid value for '${param}': ${issue?.message ?? 'invalid'}${where}.`);
}
