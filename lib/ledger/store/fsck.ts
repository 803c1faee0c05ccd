import { ClassicLevel } from 'classic-level';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { toHex } from '#lib/kernel/bytes.ts';
import { isFault } from '#lib/kernel/errors.ts';
import { bytesEqual, type Sha256 } from '#lib/ledger/crypto/sha256.ts';
import { allOf, byText, keyOf, openDatabase, sequenceIn, type Database } from './database.ts';
import type { Finding, Tell } from './findings.ts';
import { checkBlocks, type BlockRange } from './fsck-blocks.ts';
import { checkLog } from './fsck-log.ts';
import { decodeState, type StateIndex } from './layout.ts';
import { UNFINISHED } from './node-disk.ts';
import { DATABASE_NAME } from './store.ts';

export interface FolderReport {
  /** In hex; null: nothing says it. */
  readonly chain: string | null;
  /** Vote keys that have a log here, in hex, and whether they may sign. */
  readonly keys: readonly {
    readonly key: string;
    readonly records: number;
    readonly signs: boolean;
  }[];
  /** Sequences of the states on disk. */
  readonly states: readonly number[];
  readonly blocks: readonly BlockRange[];
  readonly findings: readonly Finding[];
}

export interface CheckOptions {
  readonly sha256: Sha256;
  /** False: looks only. */
  readonly repair: boolean;
}

/**
 * Reads everything in a replica's folder, and repairs what can be: a torn end, one slot of a head, a
 * database whose index is damaged, blocks and parts of states that others can give again.
 * @throws FaultError `ledger/folder-in-use`: the replica has to be stopped.
 */
export async function checkFolder(folder: string, options: CheckOptions): Promise<FolderReport> {
  const { repair, sha256 } = options;
  const findings: Finding[] = [];
  const tell: Tell = (finding) =>
    findings.push({ ...finding, isRepaired: repair && finding.kind === 'repairable' });
  const database = await openForCheck(join(folder, DATABASE_NAME), { repair, tell });
  if (database === null) return { chain: null, keys: [], states: [], blocks: [], findings };
  try {
    await removeUnfinished(folder, { repair, tell });
    const chain = (await database.get(byText('meta', 'chain'))) ?? null;
    const states = await checkStates(database, { repair, sha256, tell });
    const blocks = await checkBlocks(database, { repair, sha256, tell });
    const keys = [];
    for (const name of await logFolders(folder)) {
      const log = await checkLog(join(folder, name), { chain, ties: states, repair, sha256, tell });
      if (log !== null) keys.push(log);
    }
    const sequences = states.map(({ sequence }) => sequence);
    return { chain: chain && toHex(chain), keys, states: sequences, blocks, findings };
  } finally {
    await database.close();
  }
}

type Checking = CheckOptions & { readonly tell: Tell };

async function openForCheck(
  path: string,
  { repair, tell }: Omit<Checking, 'sha256'>,
): Promise<Database | null> {
  try {
    return await openDatabase(path);
  } catch (error) {
    if (!isFault(error, 'ledger/damaged')) throw error;
    tell({
      ...{ code: 'fsck/database', where: path, what: error.message, kind: 'repairable' },
      cure: 'its index is made again from what its files hold',
    });
    if (!repair) return null;
    await ClassicLevel.repair(path);
    return await openDatabase(path);
  }
}

/** Whether a replica's database or log is there: to check another folder would make one in it. */
export async function isReplicaFolder(folder: string): Promise<boolean> {
  const names = await readdir(folder).catch((): string[] => []);
  return names.includes(DATABASE_NAME) || names.some((name) => LOG_FOLDER.test(name));
}

const LOG_FOLDER = /^wal-[0-9a-f]{16}$/;

const logFolders = async (folder: string): Promise<string[]> =>
  (await readdir(folder)).filter((name) => LOG_FOLDER.test(name)).sort();

/** What a crash left of a file that was being made: it never counted. */
async function removeUnfinished(
  folder: string,
  { repair, tell }: Omit<Checking, 'sha256'>,
): Promise<void> {
  for (const log of await logFolders(folder)) {
    for (const name of await readdir(join(folder, log))) {
      if (!name.endsWith(UNFINISHED)) continue;
      const where = join(log, name);
      const what = 'was never finished';
      tell({
        code: 'fsck/unfinished-file',
        where,
        what,
        kind: 'repairable',
        cure: 'it is removed',
      });
      if (repair) await rm(join(folder, where), { force: true });
    }
  }
}

async function checkStates(database: Database, options: Checking): Promise<StateIndex[]> {
  const { repair, tell } = options;
  const states: StateIndex[] = [];
  for await (const [key, value] of database.iterator(allOf('state'))) {
    const lost = (what: string): void =>
      tell({
        ...{ code: 'fsck/state', where: `state at ${sequenceIn(key)}`, what },
        ...{ kind: 'lost', cure: LOST_STATE },
      });
    const index = decodeState(value);
    if (isFault(index) || index.sequence !== sequenceIn(key)) {
      lost('cannot be read');
    } else if (await hasParts(database, index, options)) {
      states.push(index);
    } else {
      lost('lacks a part, or one is damaged');
    }
  }
  const needed = new Set(states.flatMap(({ partHashes }) => partHashes.map(toHex)));
  const extra: Uint8Array[] = [];
  for await (const key of database.keys(allOf('part'))) {
    if (!needed.has(toHex(key.subarray(1)))) extra.push(key);
  }
  if (extra.length > 0) {
    const what = `${extra.length} parts belong to no state`;
    const cure = 'they are removed';
    tell({ code: 'fsck/unused-parts', where: 'states', what, kind: 'repairable', cure });
    if (repair) await database.batch(extra.map((key) => ({ type: 'del', key })));
  }
  return states;
}

const LOST_STATE =
  'if no older state and log remain, the vote key signs never again: make a new key (npm run replica -- rekey) and have it rotated';

async function hasParts(
  database: Database,
  { partHashes }: StateIndex,
  { sha256 }: Pick<CheckOptions, 'sha256'>,
): Promise<boolean> {
  for (const hash of partHashes) {
    const part = await database.get(keyOf('part', hash));
    if (part === undefined || !bytesEqual(sha256(part), hash)) return false;
  }
  return true;
}
