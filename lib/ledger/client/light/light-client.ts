import { must } from '#lib/kernel/assert.ts';
import { isFault } from '#lib/kernel/errors.ts';
import { accountId } from '#lib/ledger/account/accounts.ts';
import { recordKey, type Kind, type Records } from '#lib/ledger/account/records/kinds.ts';
import { headerHash, type Header } from '#lib/ledger/pbft/messages/header.ts';
import { HEAD_STALE_MS, TRUSTING_PERIOD_MS } from '../limits.ts';
import { askFor, type Source } from '../source.ts';
import type { ChainBlock, Sealed } from '../wire/answers.ts';
import { lightGenesis, rejected, stale, type LightChain } from './chain.ts';
import { askCertified, follow, settle, type Proving } from './follow.ts';
import { fromImage, lightImage } from './image.ts';
import { provenEntries, provenOutcome, provenRecord, type Entry, type Outcome } from './proofs.ts';
import { stands, trustIn, type Pin, type Trust } from './trust.ts';

/** Where a light client's place survives a restart. */
export interface LightStore {
  load(): Promise<Uint8Array | null>;
  save(image: Uint8Array): Promise<void>;
}

export interface Head {
  readonly sequence: number;
  readonly headerHash: Uint8Array;
  readonly epoch: number;
  /** Ledger time, milliseconds since 1970. */
  readonly timeMs: number;
  /** Older than 30 s: what is read under it may have changed since. */
  readonly isStale: boolean;
  readonly trust: Trust;
}

/** Something that is shown to stand in the chain, and under which head. */
export interface Proven<T> {
  readonly value: T;
  readonly head: Head;
}

export interface LightOptions {
  /** The genesis file's bytes. */
  readonly genesis: Uint8Array;
  /** The first is asked; a second is for comparison. No other place is ever connected to (L5). */
  readonly sources: readonly [Source, ...Source[]];
  readonly proving: Proving;
  /** Milliseconds since 1970. */
  readonly nowMs: () => number;
  readonly pin?: Pin;
  readonly store?: LightStore;
  readonly trustingPeriodMs?: number;
}

/**
 * Follows a chain by its headers' certificates from the genesis on, and shows what hangs on them. One
 * call at a time; calls wait for one another.
 */
export class LightClient {
  readonly #options: LightOptions;
  #light: LightChain;
  #trust: Trust | null = null;
  #isLoaded = false;
  #last: Promise<unknown> = Promise.resolve();

  /** @throws FaultError wire/malformed where the genesis is none */
  constructor(options: LightOptions) {
    const made = lightGenesis(options.genesis, options.proving.sha256);
    if (isFault(made)) throw made;
    this.#options = options;
    this.#light = made.light;
  }

  /**
   * Moves to the source's newest certified header.
   * @throws FaultError `ledger/unproven` what the source shows does not hold; `ledger/stale` it is behind
   * this client, or there is nothing to trust it by; `ledger/conflicting-certificates` with
   * `details.evidence` (hex); what the source throws
   */
  sync(): Promise<Head> {
    return this.#inTurn(async () => {
      await this.#moveTo(await this.#certified([]));
      return this.#head();
    });
  }

  /** The record under (kind, id) in the newest certified state; null: there is none. Throws as `sync`. */
  record<K extends Kind>(kind: K, id: Uint8Array): Promise<Proven<Records[K] | null>> {
    return this.#inTurn(async () => {
      const { sha256 } = this.#options.proving;
      const answer = await this.#certified([recordKey(kind, id, sha256)]);
      await this.#moveTo(answer);
      const given = answer.records[0];
      if (given === undefined) throw rejected('an answer without the record');
      const value = provenRecord(answer.header, { kind, id, given }, sha256);
      if (isFault(value)) throw value;
      return { value, head: this.#head() };
    });
  }

  /** The account that began with this key; null: there is none. Throws as `sync`. */
  accountOf(firstKey: Uint8Array): Promise<Proven<Records['account'] | null>> {
    return this.record('account', accountId(firstKey, this.#options.proving.sha256));
  }

  /** What became of a transaction. Throws as `sync`, and `request/not-found` */
  outcome(id: Uint8Array): Promise<Proven<Outcome>> {
    return this.#inTurn(async () => {
      const { sha256 } = this.#options.proving;
      const answer = await askFor(this.#source, 'executed', { type: 'outcome', id });
      await this.#reach(answer.header);
      const value = provenOutcome(answer, id, sha256);
      if (isFault(value)) throw value;
      return { value, head: this.#head() };
    });
  }

  /** A block's transactions with what became of them. Throws as `sync`, and `request/not-found` */
  block(sequence: number): Promise<Proven<readonly Entry[]>> {
    return this.#inTurn(async () => {
      const block = await this.#blockAt(sequence);
      await this.#reach(block.header);
      const value = provenEntries(block, this.#options.proving.sha256);
      if (isFault(value)) throw value;
      return { value, head: this.#head() };
    });
  }

  get #source(): Source {
    return this.#options.sources[0];
  }

  async #blockAt(sequence: number): Promise<ChainBlock> {
    const question = { type: 'blocks', from: sequence, count: 1 } as const;
    const { blocks } = await askFor(this.#source, 'blocks', question);
    const block = blocks[0];
    if (block?.header.sequence !== sequence) throw rejected('an answer without the block');
    return block;
  }

  #certified(keys: readonly Uint8Array[], source = this.#source) {
    const minSequence = this.#light.newest.header.sequence;
    return askCertified(this.#light, { source, keys, minSequence }, this.#options.proving);
  }

  /** The client's place becomes this header, which a quorum has sealed. */
  async #moveTo(sealed: Sealed): Promise<void> {
    const { proving, store, sources } = this.#options;
    const light = await follow(this.#light, { source: this.#source, sealed }, proving);
    if (!this.#isFresh()) {
      this.#trust = await trustIn({ before: this.#light, light, sources }, this.#options);
    }
    const hasMoved = light.newest !== this.#light.newest;
    this.#light = light;
    if (hasMoved) await store?.save(lightImage(light));
  }

  /** The header is in the chain: it is the newest, or in its history. */
  async #reach(header: Header): Promise<void> {
    if (header.sequence > this.#light.newest.header.sequence || !this.#isFresh()) {
      await this.#moveTo(await this.#certified([]));
    }
    const { newest } = this.#light;
    if (header.sequence > newest.header.sequence) {
      throw stale('the block is not certified yet: ask again');
    }
    const { sha256 } = this.#options.proving;
    const of = { sequence: header.sequence, headerHash: headerHash(header, sha256) };
    if (!(await stands(newest, { ...of, source: this.#source }, sha256))) {
      throw rejected('the block is not of this chain');
    }
  }

  /** Own knowledge that is young enough: who takes over old keys needs longer than that. */
  #isFresh(): boolean {
    const { nowMs, trustingPeriodMs = TRUSTING_PERIOD_MS } = this.#options;
    return this.#trust !== null && nowMs() - this.#light.newest.header.timeMs <= trustingPeriodMs;
  }

  #head(): Head {
    const { header, headerHash } = this.#light.newest;
    const { sequence, epoch, timeMs } = header;
    const isStale = this.#options.nowMs() - timeMs > HEAD_STALE_MS;
    const trust = must(this.#trust, 'who moved has shown what it trusts');
    return { sequence, epoch, timeMs, headerHash, isStale, trust };
  }

  async #load(): Promise<void> {
    if (this.#isLoaded) return;
    this.#isLoaded = true;
    const { store, proving } = this.#options;
    const image = (await store?.load()) ?? null;
    if (image === null) return;
    try {
      this.#light = await settle(fromImage(this.#light, image, proving.sha256), proving);
      this.#trust = 'own';
    } catch {
      // What was kept is damaged, or another chain's: then this is a first visit.
    }
  }

  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(async () => {
      await this.#load();
      return run();
    });
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}
