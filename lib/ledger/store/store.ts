import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { toHex } from '#lib/kernel/bytes.ts';
import { FaultError, toFault } from '#lib/kernel/errors.ts';
import { ZERO_HASH, bytesEqual, type Sha256 } from '#lib/ledger/crypto/sha256.ts';
import type { AppState, Evidence, Image, StatePart } from '#lib/ledger/pbft/types.ts';
import { Blocks, blockPuts } from './blocks.ts';
import { byText, openDatabase, type Database } from './database.ts';
import { evidenceAt, evidencePut } from './evidence.ts';
import { History } from './history.ts';
import { judgeFolder, type StateTie, type Verdict } from './judge.ts';
import type { LogOwner } from './log-layout.ts';
import { createLog, markAmnesia, readLogFiles, type LogFiles } from './log-files.ts';
import { LogWriter } from './log-writer.ts';
import { nodeDisk } from './node-disk.ts';
import type { Disk } from './disk.ts';
import { STORE } from './limits.ts';
import {
  StoreQueue,
  type ExecutedEffect,
  type Group,
  type StableEffect,
  type StoredEffect,
} from './queue.ts';
import { States } from './states.ts';

export const DATABASE_NAME = 'db';
/** The log belongs to a vote key: a new key has a log of its own. */
export const logFolderName = (voteKey: Uint8Array): string => `wal-${toHex(voteKey).slice(0, 16)}`;

export interface StoreOptions {
  readonly folder: string;
  /** 32 bytes. */
  readonly chain: Uint8Array;
  /** 32 bytes. */
  readonly voteKey: Uint8Array;
  readonly sha256: Sha256;
  /** `Application.parts`. */
  readonly parts: (app: AppState) => Iterable<StatePart>;
  /** Whether a request's result in a block is of this block, and not told again of one before. */
  readonly isFirst: (result: Uint8Array, sequence: number) => boolean;
}

export interface StoreListener {
  /** All records up to `id` are on disk. */
  stored(id: number): void;
  /** The disk did not take something: nothing may be sent any more, the process has to end. */
  failed(fault: FaultError): void;
}

/** The folder of a vote key that has signed nothing yet. Made with the key, never by a replica. */
export async function createReplicaFolder(
  of: Pick<StoreOptions, 'folder' | 'chain' | 'voteKey'>,
): Promise<void> {
  const disk = await nodeDisk(join(of.folder, logFolderName(of.voteKey)));
  await createLog(disk, { chain: of.chain, key: of.voteKey });
}

/** Is this key's log here, whole or not? */
export async function hasReplicaLog(
  of: Pick<StoreOptions, 'folder' | 'voteKey'>,
): Promise<boolean> {
  const names = await readdir(join(of.folder, logFolderName(of.voteKey))).catch((): string[] => []);
  return names.length > 0;
}

/** What a state on its way to the disk goes by. */
interface Saving {
  /** Written before it. */
  readonly blocks: Promise<void>;
  readonly toldAgainId: number;
}

/** One replica's folder: its log, its states, its blocks. Locked while it is open. */
export class ReplicaStore {
  readonly blocks: Blocks;
  /** Subtrees over all headers. */
  readonly history: History;
  /** What the core begins with. */
  readonly image: Image;
  /** Why this key signs never again; null: it may. */
  readonly amnesia: string | null;
  readonly #database: Database;
  readonly #disk: Disk;
  readonly #states: States;
  #log: LogWriter | null;
  readonly #options: StoreOptions;
  readonly #queue = new StoreQueue();
  #listener: StoreListener = { stored: () => undefined, failed: () => undefined };
  #work: Promise<void> | null = null;
  /** What is older than this state goes when the log tells all again that counted before it. */
  #newest: (Pick<StateTie, 'recordId' | 'toldAgainId'> & { readonly sequence: number }) | null =
    null;
  /** The sequence of the newest state on disk, from which the log leads on; −∞: there is none yet. */
  #onDisk: number;
  /** A state on its way to the disk while records go on; one at a time. */
  #saving: Promise<void> | null = null;
  /** All records up to it are on disk. */
  #lastId = 0;
  /** Executed, and not in the database yet: it is called seldom, for each call wakes a thread. */
  #unwritten: ExecutedEffect[] = [];
  #timer: NodeJS.Timeout | null = null;
  #isDue = false;
  #hasFailed = false;

  private constructor(
    options: StoreOptions,
    parts: {
      readonly database: Database;
      readonly disk: Disk;
      readonly states: States;
      readonly log: LogWriter | null;
      readonly image: Image;
      readonly amnesia: string | null;
    },
  ) {
    this.#options = options;
    this.#database = parts.database;
    this.#disk = parts.disk;
    this.#states = parts.states;
    this.#log = parts.log;
    this.image = parts.image;
    this.amnesia = parts.amnesia;
    this.#onDisk = parts.image.state?.header.sequence ?? -Infinity;
    this.blocks = new Blocks(parts.database);
    this.history = new History(parts.database, options.sha256, parts.image.state);
  }

  /**
   * @throws FaultError `ledger/folder-in-use`, `ledger/other-chain` (of another network, or another key),
   * `ledger/damaged` (the database).
   */
  static async open(options: StoreOptions): Promise<ReplicaStore> {
    const { folder, chain, voteKey, sha256 } = options;
    const owner: LogOwner = { chain, key: voteKey };
    const disk = await nodeDisk(join(folder, logFolderName(voteKey)));
    const database = await openDatabase(join(folder, DATABASE_NAME));
    try {
      await claim(database, chain);
      const states = await States.open(database);
      const files = await readLogFiles({ disk, owner, sha256 });
      const { image, amnesia } = await imageOf(files, { owner, states });
      // On disk before anything else is written: later the log might look whole again.
      if (amnesia !== null && files.amnesia === null) await markAmnesia(disk, amnesia);
      const log = amnesia === null ? await LogWriter.open({ disk, owner, sha256 }, files) : null;
      return new ReplicaStore(options, { database, disk, states, log, image, amnesia });
    } catch (error) {
      await database.close();
      throw error;
    }
  }

  /** From now on; once. */
  listen(listener: StoreListener): void {
    this.#listener = listener;
  }

  /** In the order of the core's effects. */
  write(effect: StoredEffect): void {
    this.#queue.add(effect);
    this.#start();
  }

  #start(): void {
    this.#work ??= endOfTurn().then(() => this.#drain());
  }

  /** What convicts replicas, piece by piece. */
  evidence(index: number): Promise<{ readonly count: number; readonly evidence: Evidence | null }> {
    return evidenceAt(this.#database, index);
  }

  /** Effects that wait for the disk. */
  get waiting(): number {
    return this.#queue.length;
  }

  /** Blocks that were written before are in the database, and their places in the history. */
  async blocksWritten(): Promise<void> {
    if (this.#unwritten.length === 0 || this.#hasFailed) return;
    this.#blocksAreDue();
    await this.#work;
  }

  /** All that was written before is on disk. */
  async idle(): Promise<void> {
    for (;;) {
      if (this.#unwritten.length > 0 && !this.#hasFailed) this.#blocksAreDue();
      if (this.#work === null && this.#saving === null) return;
      await this.#work;
      await this.#saving;
    }
  }

  async close(): Promise<void> {
    await this.idle();
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#log?.close();
    await this.#database.close();
  }

  async #drain(): Promise<void> {
    try {
      while ((this.#queue.length > 0 || this.#isDue || this.#mayForget) && !this.#hasFailed) {
        await this.#writeGroup(this.#queue.take());
        if (this.#queue.length > 0) await endOfTurn();
      }
    } catch (error) {
      this.#fail(error);
    }
    this.#work = null;
  }

  async #writeGroup(group: Group): Promise<void> {
    const { state, records, lastId } = group;
    if (group.amnesia) await this.#forgetLog();
    // Slower than one checkpoint after the other: now they wait for the disk.
    if (state !== null) await this.#saving;
    const blocks = this.#takeBlocks(group);
    if (state?.leadsHere === false) await this.#save(state, { ...group, blocks });
    await Promise.all([blocks, records.length > 0 ? this.#log?.append(records) : null]);
    if (lastId > 0) {
      this.#lastId = lastId;
      this.#listener.stored(lastId);
    }
    if (state?.leadsHere === true) this.#saveBehind(state, { ...group, blocks });
    await this.#forgetOlder();
  }

  async #save({ state, recordId }: StableEffect, { blocks, toldAgainId }: Saving): Promise<void> {
    await blocks;
    const { app, ...rest } = state;
    const { voteKey: logKey, parts } = this.#options;
    const tie = { recordId, toldAgainId, logKey };
    await this.#states.save(tie, rest, parts(app));
    const { sequence } = state.header;
    this.#newest = { recordId, toldAgainId, sequence };
    this.#onDisk = sequence;
  }

  /** The log leads to this state: until one is on disk nothing of the log goes. */
  #saveBehind(effect: StableEffect, by: Saving): void {
    const { header, certificate } = effect.state;
    const isDue = header.sequence - this.#onDisk >= effect.dueAfter;
    this.#saving = (
      isDue ? this.#save(effect, by) : by.blocks.then(() => this.#states.certify(certificate))
    )
      .catch((error: unknown) => this.#fail(error))
      .then(() => {
        this.#saving = null;
        this.#start();
      });
  }

  /** The log tells all again that counted before the newest state, and no other is on its way. */
  get #mayForget(): boolean {
    const newest = this.#newest;
    return newest !== null && this.#saving === null && this.#lastId >= newest.toldAgainId;
  }

  async #forgetOlder(): Promise<void> {
    const newest = this.#newest;
    if (newest === null || !this.#mayForget) return;
    this.#newest = null;
    await this.#log?.prune(newest.recordId);
    await this.#states.keepOnly(newest.sequence);
  }

  /** Now where a state needs them, or many wait; else soon. */
  async #takeBlocks(group: Group): Promise<void> {
    this.#unwritten.push(...group.blocks);
    const isNow = group.state !== null || group.evidence.length > 0 || this.#isDue;
    if (isNow || this.#unwritten.length >= STORE.blocksTogether) {
      const blocks = this.#unwritten;
      this.#unwritten = [];
      this.#isDue = false;
      if (this.#timer !== null) clearTimeout(this.#timer);
      this.#timer = null;
      await this.#writeBlocks({ ...group, blocks });
    } else if (this.#unwritten.length > 0) {
      this.#timer ??= setTimeout(() => this.#blocksAreDue(), STORE.blocksWaitMs);
    }
  }

  #blocksAreDue(): void {
    this.#isDue = true;
    this.#start();
  }

  /** Not synced: what a stable state needs is, with that state. Executing again gives the same bytes. */
  async #writeBlocks({
    blocks,
    evidence,
    state,
  }: Pick<Group, 'blocks' | 'evidence' | 'state'>): Promise<void> {
    const { isFirst } = this.#options;
    const headers = blocks.map(({ header }) => header);
    const puts = [
      ...this.history.extend(headers, state?.state ?? null),
      ...blocks.flatMap(({ header, batch, results, seal }) => {
        const block = { header, batch: batch.bytes, results, seal: seal ?? new Uint8Array(0) };
        return blockPuts({ block, ids: batch.ids }, isFirst);
      }),
      ...evidence.map(evidencePut),
    ];
    // One call: each wakes a thread.
    if (puts.length > 0) await this.#database.batch(puts);
  }

  /** The core found that the log, whole as it is, does not tell all: nothing goes into it any more. */
  async #forgetLog(): Promise<void> {
    const log = this.#log;
    this.#log = null;
    if (log === null) return;
    await markAmnesia(this.#disk, 'the log does not tell all that its key signed');
    await log.close();
  }

  #fail(error: unknown): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    const fault = toFault(error, 'ledger/storage-failed');
    const message = `the disk did not take what must be on it before a vote is sent (${fault.message}): make room or replace it, then start again`;
    this.#listener.failed(new FaultError('ledger/storage-failed', message, { cause: error }));
  }
}

/**
 * When what has come by now was looked at, a turn of the event loop after this one: what its frames bring to
 * the disk goes in one group, and a group costs two syncs however much is in it.
 */
const endOfTurn = (): Promise<void> =>
  new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

/** A folder is of one chain for ever. */
async function claim(database: Database, chain: Uint8Array): Promise<void> {
  const key = byText('meta', 'chain');
  const known = await database.get(key);
  if (known === undefined) {
    await database.put(key, chain, { sync: true });
  } else if (!bytesEqual(known, chain)) {
    throw new FaultError(
      'ledger/other-chain',
      `this folder belongs to chain ${toHex(known)}, the genesis makes ${toHex(chain)}: choose the folder and the genesis that belong together`,
    );
  }
}

async function imageOf(
  files: LogFiles,
  { owner, states }: { readonly owner: LogOwner; readonly states: States },
): Promise<{ readonly image: Image; readonly amnesia: string | null }> {
  const { ties } = states;
  const verdict: Verdict =
    files.amnesia === null
      ? judgeFolder({ ...files, ties }, owner)
      : { kind: 'amnesia', why: files.amnesia };
  if (verdict.kind === 'whole') {
    const state = verdict.state === null ? null : await states.load(verdict.state);
    const { pruned, head, records } = verdict;
    if (verdict.state === null || state !== null) {
      return { image: { state, pruned, head, records }, amnesia: null };
    }
  }
  const why = verdict.kind === 'amnesia' ? verdict.why : 'a part of its state is missing';
  return { image: await followersImage(states), amnesia: why };
}

/** The newest state, and nothing of the log. */
async function followersImage(states: States): Promise<Image> {
  const [newest] = [...states.ties].sort((a, b) => b.sequence - a.sequence);
  const state = newest === undefined ? null : await states.load(newest);
  return { state, pruned: { count: 0, chainHash: ZERO_HASH }, records: [], head: null };
}
