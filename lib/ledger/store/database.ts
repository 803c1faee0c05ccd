import { ClassicLevel } from 'classic-level';
import { FaultError } from '#lib/kernel/errors.ts';
import { utf8 } from '#lib/kernel/bytes.ts';
import { Writer } from '#lib/ledger/pbft/codec/bytes.ts';

export type Database = ClassicLevel<Uint8Array, Uint8Array>;

/** First byte of a key. Numbers are never given anew. */
const KINDS = {
  meta: 1,
  /** Sequence → block. */
  block: 2,
  /** Sequence → state index. */
  state: 3,
  /** SHA-256 → a part of a state. */
  part: 4,
  /** Sequence → header certificate. */
  certificate: 5,
  /** Request id → sequence and place in the batch. */
  request: 6,
  /** SHA-256 → evidence. */
  evidence: 7,
  /** Level and index of a perfect subtree over headers → its root. */
  history: 8,
} as const;

export type Kind = keyof typeof KINDS;

/** One write of many that go in together. */
export interface Put {
  readonly type: 'put';
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

export const put = (key: Uint8Array, value: Uint8Array): Put => ({ type: 'put', key, value });

export const keyOf = (kind: Kind, rest: Uint8Array): Uint8Array =>
  new Writer().u8(KINDS[kind]).raw(rest).done();

export const bySequence = (kind: Kind, sequence: number): Uint8Array =>
  new Writer().u8(KINDS[kind]).u64(sequence).done();

export const byText = (kind: Kind, text: string): Uint8Array => keyOf(kind, utf8(text));

export const sequenceIn = (key: Uint8Array): number =>
  Number(new DataView(key.buffer, key.byteOffset + 1, 8).getBigUint64(0));

/** All keys of a kind. */
export const allOf = (kind: Kind): { gte: Uint8Array; lt: Uint8Array } => ({
  gte: new Uint8Array([KINDS[kind]]),
  lt: new Uint8Array([KINDS[kind] + 1]),
});

/**
 * Opens, and so locks, the folder of one replica.
 * @throws FaultError `ledger/folder-in-use`, `ledger/damaged`, `ledger/storage-failed` the disk cannot be used now.
 */
export async function openDatabase(path: string): Promise<Database> {
  const database: Database = new ClassicLevel(path, {
    keyEncoding: 'view',
    valueEncoding: 'view',
    // Four replicas may share one machine: ledgers are small, and blocks are read seldom.
    cacheSize: 2 * 1024 * 1024,
    writeBufferSize: 2 * 1024 * 1024,
  });
  try {
    await database.open();
    return database;
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    if ((cause as { code?: string }).code === 'LEVEL_LOCKED') {
      throw new FaultError(
        'ledger/folder-in-use',
        `another replica works in ${path}: stop it, or choose another folder`,
        { cause },
      );
    }
    const why = cause instanceof Error ? cause.message : String(cause);
    if (isRefused(why)) {
      throw new FaultError(
        'ledger/storage-failed',
        `the disk cannot be used (${why}): make room, give leave or replace it, then start again`,
        { cause },
      );
    }
    throw new FaultError(
      'ledger/damaged',
      `the blocks and states in ${path} cannot be read (${why}): stop the replica and run "npm run ledger -- fsck" on its folder`,
      { cause },
    );
  }
}

/**
 * No room, no leave, a disk that fails: nothing is known to be wrong with the files, and a repair that
 * cannot write loses what it does not hold. What is missing is damage. LevelDB has one code for all of these.
 */
const isRefused = (why: string): boolean =>
  why.startsWith('IO error:') && !why.endsWith('No such file or directory');
