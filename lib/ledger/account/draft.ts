import { invariant, must } from '#lib/kernel/assert.ts';
import { bytesEqual, type Sha256 } from '#lib/ledger/crypto/sha256.ts';
import { trieGet } from '#lib/ledger/crypto/trie/read.ts';
import { trieUpdate, type TrieChange } from '#lib/ledger/crypto/trie/update.ts';
import { reindexed, type RecordChange } from './indexes.ts';
import { DAY_MS, SUPPLY_MICRO } from './limits.ts';
import {
  idOf,
  microOf,
  recordKey,
  writeRecord,
  type AnyRecord,
  type Kind,
  type Records,
} from './records/kinds.ts';
import type { Constitution, Totals } from './records/records.ts';
import { constitutionOf, ownRecord, remember, totalsOf, type LedgerState } from './state.ts';

/** A record that this block looked at: what it was, and what it is now. */
interface Touched {
  readonly key: Uint8Array;
  readonly before: AnyRecord | null;
  readonly value: Uint8Array | null;
  now: AnyRecord | null;
}

const NOTHING = new Uint8Array(0);

/** Which sum of the totals counts a kind's credit. */
const SUMS = {
  account: 'accountsMicro',
  maturing: 'maturingMicro',
  cluster: 'clustersMicro',
  hold: 'holdsMicro',
  pot: 'potsMicro',
} as const satisfies Partial<Record<Kind, keyof Totals>>;

const sumOf = (kind: Kind): keyof Totals | null =>
  kind in SUMS ? SUMS[kind as keyof typeof SUMS] : null;

/**
 * One block under way: records are read from the state once, changed here, and go back into it all at
 * once. Used within one call of `execute` and dropped, so that execution is pure as seen from outside.
 */
export class Draft {
  readonly sha256: Sha256;
  readonly sequence: bigint;
  /** Ledger time of this block. */
  readonly timeMs: bigint;
  readonly day: number;
  readonly #state: LedgerState;
  readonly #touched = new Map<string, Touched>();
  /** Every rule reads these two. */
  readonly #totals: Touched;
  readonly #constitution: Touched;

  constructor(
    state: LedgerState,
    block: { readonly sequence: bigint; readonly timeMs: bigint },
    sha256: Sha256,
  ) {
    this.#state = state;
    this.sha256 = sha256;
    this.sequence = block.sequence;
    const [totals, constitution] = [totalsOf(state, sha256), constitutionOf(state, sha256)];
    this.#totals = this.#at('totals', NOTHING, { kind: 'totals', record: totals });
    this.#constitution = this.#at('constitution', NOTHING, {
      ...{ kind: 'constitution', record: constitution },
    });
    const { timeMs, sequence } = totals;
    invariant(block.sequence === sequence + 1n, 'blocks are executed in order');
    this.timeMs = block.timeMs > timeMs ? block.timeMs : timeMs;
    this.day = Number(this.timeMs / DAY_MS);
    this.put('totals', { ...this.totals, sequence: block.sequence, timeMs: this.timeMs });
  }

  get totals(): Totals {
    return must(this.#totals.now, 'a ledger has totals').record as Totals;
  }

  get constitution(): Constitution {
    return must(this.#constitution.now, 'a ledger has a constitution').record as Constitution;
  }

  get<K extends Kind>(kind: K, id: Uint8Array): Records[K] | null {
    return (this.#at(kind, id).now?.record ?? null) as Records[K] | null;
  }

  put<K extends Kind>(kind: K, record: Records[K]): void {
    this.#at(kind, idOf(kind, record)).now = { kind, record } as AnyRecord;
  }

  remove(kind: Kind, id: Uint8Array): void {
    this.#at(kind, id).now = null;
  }

  /** The record under a key of the trie, as it is now. */
  byKey(key: Uint8Array): AnyRecord | null {
    const value = trieGet(this.#state.trie, key);
    if (value === null) return null;
    const { kind, record } = ownRecord(value);
    return this.#at(kind, idOf(kind, record as never)).now;
  }

  toTreasury(micro: bigint): void {
    const { totals } = this;
    this.put('totals', { ...totals, treasuryMicro: totals.treasuryMicro + micro });
  }

  burn(micro: bigint): void {
    const { totals } = this;
    this.put('totals', { ...totals, burnMicro: totals.burnMicro + micro });
  }

  /** @param decoded what its value says, where that is known. */
  #at(kind: Kind, id: Uint8Array, decoded: AnyRecord | null = null): Touched {
    const name = kind + String.fromCharCode.apply(null, id as unknown as number[]);
    const known = this.#touched.get(name);
    if (known) return known;
    const key = recordKey(kind, id, this.sha256);
    const value = trieGet(this.#state.trie, key);
    const before = value === null ? null : (decoded ?? ownRecord(value));
    const touched: Touched = { key, before, value, now: before };
    this.#touched.set(name, touched);
    return touched;
  }

  /** The state after this block; all credit is still there, or nothing of the block is. */
  done(): LedgerState {
    this.#sumUp();
    const changes: TrieChange[] = [];
    const records: RecordChange[] = [];
    for (const { key, before, value: old, now } of this.#touched.values()) {
      if (now === before) continue;
      const value = now === null ? null : writeRecord(now.kind, now.record as never);
      if (value !== null && old !== null && bytesEqual(value, old)) continue;
      changes.push({ key, value });
      records.push({ key, before, now });
    }
    const { trie, indexes } = this.#state;
    const after = {
      trie: trieUpdate(trie, changes, this.sha256),
      indexes: reindexed(indexes, records),
    };
    remember(after, { totals: this.totals, constitution: this.constitution });
    return after;
  }

  /** Brings the sums up to date by what changed, and checks the supply (A1). */
  #sumUp(): void {
    const totals: Record<keyof Totals, bigint> = { ...this.totals };
    for (const { before, now } of this.#touched.values()) {
      const name = sumOf((now ?? before)?.kind ?? 'totals');
      if (name === null || now === before) continue;
      totals[name] += microIn(now) - microIn(before);
    }
    this.put('totals', totals);
    const sums = Object.values(SUMS).map((name) => totals[name]);
    invariant(
      [...sums, totals.treasuryMicro, totals.burnMicro].every((micro) => micro >= 0n),
      'no sum of credit is below zero',
    );
    invariant(supplyOf(totals) === SUPPLY_MICRO, 'credit is neither made nor lost');
  }
}

/** All credit that the sums know of. */
export const supplyOf = (totals: Totals): bigint =>
  Object.values(SUMS).reduce(
    (sum, name) => sum + totals[name],
    totals.treasuryMicro + totals.burnMicro,
  );

const microIn = (entry: AnyRecord | null): bigint =>
  entry === null ? 0n : microOf(entry.kind, entry.record as never);
