import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type * as z from 'zod/mini';
import { FaultError } from '#lib/kernel/errors.ts';
import { IMPORT } from '../limits.ts';
import { openByteFile } from './byte-file.ts';

/** The text of a small file of a folder; `null` where it is not there. */
export async function readTextFile(folder: string, name: string): Promise<string | null> {
  const path = join(folder, name);
  if (!(await stat(path).catch(() => null))) return null;
  const file = await openByteFile(path);
  try {
    if (file.size > IMPORT.jsonBytesMax) {
      throw new FaultError('package/too-large', `${name} of ${file.size} bytes`);
    }
    return new TextDecoder().decode(await file.read(0, file.size));
  } finally {
    await file.close();
  }
}

/**
 * A JSON file of a folder, checked by `schema`; `null` where it is not there.
 * @throws FaultError `package/malformed` naming file and field.
 */
export async function readJsonFile<T extends z.ZodMiniType>(
  folder: string,
  name: string,
  schema: T,
): Promise<z.infer<T> | null> {
  const text = await readTextFile(folder, name);
  if (text === null) return null;
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new FaultError('package/malformed', `${name} is not JSON`, { cause });
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const what = `${name} ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'}`;
  throw new FaultError('package/malformed', what);
}

/** @throws FaultError `package/malformed` where the folder lacks the file. */
export function requireFile<T>(value: T | null, name: string): T {
  if (value === null) throw new FaultError('package/malformed', `the folder has no ${name}`);
  return value;
}
