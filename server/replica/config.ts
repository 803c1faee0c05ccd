import { access, readFile, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { fromHex } from '#lib/kernel/bytes.ts';
import { FaultError, isFault } from '#lib/kernel/errors.ts';
import { readGenesis, type Genesis } from '#lib/ledger/account/genesis.ts';
import { REPLICA_LIMITS } from './limits.ts';
import { hostPort, type HostPort } from './transport/tls.ts';

const address = z
  .string()
  .max(256)
  .transform((text, context): HostPort => {
    const parsed = hostPort(text);
    if (parsed !== null) return parsed;
    context.addIssue({ code: 'custom', message: `"${text}" is not host:port` });
    return z.NEVER;
  });

const path = z.string().min(1).max(4096);

/** What `--config FILE` holds. Paths are relative to the file. */
const configSchema = z.strictObject({
  genesis: path,
  keys: path,
  data: path,
  listen: z.strictObject({
    replicas: address,
    clients: address,
    /** `/metrics` and `/healthz`. */
    operator: address,
  }),
});

const hex32 = z
  .string()
  .regex(/^[0-9a-f]{64}$/, '64 hex digits')
  .transform((text) => fromHex(text) ?? new Uint8Array(0));

/** A replica's own keys. The operator's key that stands above them is kept elsewhere: only its public half is here. */
const keysSchema = z.strictObject({
  operatorKey: hex32,
  voteSeed: hex32,
  transportSeed: hex32,
});
export type ReplicaKeys = z.infer<typeof keysSchema>;

export interface ReplicaConfig {
  readonly genesis: Genesis;
  readonly keys: ReplicaKeys;
  readonly keysFile: string;
  readonly dataDir: string;
  readonly listen: z.infer<typeof configSchema>['listen'];
}

/** @throws FaultError `server/config` that says what to do. */
export async function loadConfig(file: string): Promise<ReplicaConfig> {
  const { genesis, keys, data, listen } = await readJson(file, configSchema);
  const at = (name: string): string => resolve(dirname(file), name);
  return {
    genesis: await loadGenesis(at(genesis)),
    keys: await loadKeys(at(keys)),
    keysFile: at(keys),
    dataDir: at(data),
    listen,
  };
}

export async function loadGenesis(file: string): Promise<Genesis> {
  const genesis = readGenesis(new Uint8Array(await read(file)));
  if (!isFault(genesis)) return genesis;
  throw new FaultError('server/config', `${file} is no genesis: ${genesis.message}`);
}

/** Secrets: refused where anybody else may read them. */
export async function loadKeys(file: string): Promise<ReplicaKeys> {
  const info = await stat(file).catch((cause: unknown) => unreadable(file, cause));
  if ((info.mode & 0o077) !== 0) {
    throw new FaultError(
      'server/config',
      `others may read the keys in ${file}: chmod 600 it, and make new keys if anybody did`,
    );
  }
  return readJson(file, keysSchema);
}

/** As `loadKeys`; null where there is no such file. */
export async function findKeys(file: string): Promise<ReplicaKeys | null> {
  const isThere = await access(file).then(
    () => true,
    () => false,
  );
  return isThere ? loadKeys(file) : null;
}

async function readJson<T extends z.ZodType>(file: string, schema: T): Promise<z.infer<T>> {
  const text = (await read(file)).toString('utf8');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new FaultError('server/config', `${file} is no JSON`, { cause });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const where = issue?.path.join('.') ?? '';
  throw new FaultError('server/config', `${file}: ${where}: ${issue?.message ?? 'not valid'}`);
}

async function read(file: string): Promise<Buffer> {
  const bytes = await readFile(file).catch((cause: unknown) => unreadable(file, cause));
  if (bytes.length <= REPLICA_LIMITS.configBytesMax) return bytes;
  throw new FaultError('server/config', `${file} is too long`);
}

function unreadable(file: string, cause: unknown): never {
  const why = cause instanceof Error ? cause.message : String(cause);
  throw new FaultError('server/config', `cannot read ${file}: ${why}`, { cause });
}
