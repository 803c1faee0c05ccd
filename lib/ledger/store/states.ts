import { toHex } from '#lib/kernel/bytes.ts';
import { isFault } from '#lib/kernel/errors.ts';
import type { SealCertificate } from '#lib/ledger/pbft/messages/seal.ts';
import type { StatePart, StoredState } from '#lib/ledger/pbft/types.ts';
import { allOf, bySequence, keyOf, type Database } from './database.ts';
import { decodeState, encodeCertificate, encodeState, plain, type StateIndex } from './layout.ts';
import type { StateTie } from './judge.ts';
import { STORE } from './limits.ts';

/** Stable states on disk: the last one, and the one before until the log no longer needs it. */
export class States {
  readonly #database: Database;
  #indexes: StateIndex[];

  private constructor(database: Database, indexes: StateIndex[]) {
    this.#database = database;
    this.#indexes = indexes;
  }

  static async open(database: Database): Promise<States> {
    const indexes: StateIndex[] = [];
    for await (const value of database.values(allOf('state'))) {
      const index = decodeState(value);
      if (!isFault(index)) indexes.push(index);
    }
    return new States(database, indexes);
  }

  get ties(): readonly StateTie[] {
    return this.#indexes;
  }

  /** With its parts as they are on disk: whether they are that state, its root shows. Null: not all are there. */
  async load(tie: StateTie): Promise<StoredState | null> {
    const index = this.#indexes.find(({ sequence }) => sequence === tie.sequence);
    if (index === undefined) return null;
    const { header, certificate, peaks, epochEnds, partHashes } = index;
    const parts = await this.#database.getMany(partHashes.map((hash) => keyOf('part', hash)));
    const snapshot = parts.filter((part) => part !== undefined).map(plain);
    if (snapshot.length !== partHashes.length) return null;
    return { header, certificate, peaks, epochEnds, snapshot };
  }

  /** A header certificate alone, where the log leads to its state. On disk when it resolves, as by `save`. */
  async certify(certificate: SealCertificate): Promise<void> {
    const key = bySequence('certificate', certificate.sequence);
    await this.#database.put(key, encodeCertificate(certificate), { sync: true });
  }

  /** On disk when it resolves, and every block that was written before. */
  async save(
    tie: Pick<StateTie, 'recordId' | 'toldAgainId' | 'logKey'>,
    state: Omit<StoredState, 'snapshot'>,
    parts: Iterable<StatePart>,
  ): Promise<void> {
    const known = this.#partNames();
    const { sequence } = state.header;
    const partHashes: Uint8Array[] = [];
    const batch = this.#database.batch();
    let since = performance.now();
    for (const { hash, bytes } of parts) {
      const name = toHex(hash);
      if (!known.has(name)) batch.put(keyOf('part', hash), bytes());
      known.add(name);
      partHashes.push(hash);
      // Cutting a large state takes long, and votes come meanwhile.
      if (performance.now() - since < STORE.sliceMs) continue;
      await new Promise(setImmediate);
      since = performance.now();
    }
    const index = { ...tie, ...state, sequence, partHashes };
    batch.put(bySequence('certificate', sequence), encodeCertificate(state.certificate));
    batch.put(bySequence('state', sequence), encodeState(index));
    await batch.write({ sync: true });
    this.#indexes = [...this.#indexes.filter((each) => each.sequence !== sequence), index];
  }

  /** All but this one, and the parts that only they have. */
  async keepOnly(sequence: number): Promise<void> {
    const gone = this.#indexes.filter((index) => index.sequence !== sequence);
    if (gone.length === 0) return;
    this.#indexes = this.#indexes.filter((index) => index.sequence === sequence);
    const kept = this.#partNames();
    const batch = this.#database.batch();
    for (const index of gone) {
      batch.del(bySequence('state', index.sequence));
      for (const hash of index.partHashes) {
        if (!kept.has(toHex(hash))) batch.del(keyOf('part', hash));
      }
    }
    await batch.write();
  }

  #partNames(): Set<string> {
    return new Set(this.#indexes.flatMap(({ partHashes }) => partHashes.map(toHex)));
  }
}
