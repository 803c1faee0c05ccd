import { randomBytes } from 'node:crypto';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { z } from 'zod';
import { fromHex, toHex } from '#lib/kernel/bytes.ts';
import { FaultError } from '#lib/kernel/errors.ts';
import type { Signer } from '#lib/kernel/ports.ts';
import { nodeSigner } from '#lib/ledger/crypto/server.ts';

const SEED_BYTES = 32;
const FILE_BYTES_MAX = 4_096;

const hex32 = z.string().regex(/^[0-9a-f]{64}$/);
/** As `keygen` makes it, or an operator's as `genesis` does. */
const schema = z.union([z.strictObject({ seed: hex32 }), z.strictObject({ operatorSeed: hex32 })]);

/** A new key in a file of its own that only its owner reads. @throws FaultError server/config */
export async function makeKey(file: string): Promise<Signer> {
  const seed = new Uint8Array(randomBytes(SEED_BYTES));
  const text = `${JSON.stringify({ seed: toHex(seed) }, null, 2)}\n`;
  try {
    // Never over another one.
    await writeFile(file, text, { flag: 'wx', mode: 0o600, flush: true });
  } catch (cause) {
    throw unusable(`cannot write ${file}`, cause);
  }
  return nodeSigner(seed);
}

/** @throws FaultError server/config that says what to do */
export async function loadKey(file: string): Promise<Signer> {
  let text: string;
  try {
    const { mode, size } = await stat(file);
    if ((mode & 0o077) !== 0) {
      throw new FaultError(
        'server/config',
        `others may read the key in ${file}: chmod 600 it, and make a new one if anybody did`,
      );
    }
    text = size > FILE_BYTES_MAX ? '' : await readFile(file, 'utf8');
  } catch (cause) {
    if (cause instanceof FaultError) throw cause;
    throw unusable(`cannot read ${file}`, cause);
  }
  const parsed = schema.safeParse(jsonOf(text));
  if (!parsed.success) throw new FaultError('server/config', `${file} is no key: see keygen`);
  const seed = 'seed' in parsed.data ? parsed.data.seed : parsed.data.operatorSeed;
  return nodeSigner(fromHex(seed) ?? new Uint8Array(SEED_BYTES));
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

const unusable = (what: string, cause: unknown): FaultError =>
  new FaultError(
    'server/config',
    `${what}: ${cause instanceof Error ? cause.message : String(cause)}`,
    {
      cause,
    },
  );
