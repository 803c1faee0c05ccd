import { must } from '#lib/kernel/assert.ts';
import { isFault } from '#lib/kernel/errors.ts';
import type { Verify } from '#lib/ledger/crypto/ed25519/rule.ts';
import type { Sha256 } from '#lib/ledger/crypto/sha256.ts';
import {
  lastEpoch,
  lightGenesis,
  rejected,
  type CertifiedHeader,
  type LightChain,
} from './light/chain.ts';
import { evidenceBytes } from './light/conflict.ts';
import type { Weight } from './light/electors.ts';
import { conflictFault, settle, withEpochs, type Proving } from './light/follow.ts';
import { fromImage, lightImage } from './light/image.ts';
import type { LightStore } from './light/light-client.ts';
import { weigh } from './light/weigh.ts';
import { weakQuorumOf } from '#lib/ledger/pbft/quorum.ts';
import type { Header } from '#lib/ledger/pbft/messages/header.ts';
import type { EpochEnd } from '#lib/ledger/pbft/messages/state-transfer.ts';
import type { Evidence } from '#lib/ledger/pbft/types.ts';
import { convicts, endsBefore, type Misconduct } from './misconduct.ts';
import { SealBook } from './seal-book.ts';
import type { Source } from './source.ts';
import type { Sealed } from './wire/answers.ts';

/** A header that an answer hangs on, and what its SEALs are worth so far. */
export interface Judged {
  readonly weight: Weight;
  readonly certified: CertifiedHeader;
}

/** What one ledger client has learned of the chain: epochs, SEALs, how far it has seen. */
export class Knowledge {
  readonly sha256: Sha256;
  readonly #proving: Proving;
  readonly #verify: Verify;
  readonly #book: SealBook;
  readonly #store: LightStore | null;
  /** Once what the store kept is known. */
  readonly loaded: Promise<unknown>;
  #light: LightChain;
  /** Two certificates that conflict, once there are such: then nothing is answered any more. */
  evidence: Uint8Array | null = null;
  /** The highest block of which f + 1 SEALs were seen: reads never go behind it. */
  sequence = 0;

  /** @throws FaultError wire/malformed */
  constructor(options: {
    readonly genesis: Uint8Array;
    readonly verify: Verify;
    readonly sha256: Sha256;
    readonly store: LightStore | null;
  }) {
    const { genesis, verify, sha256, store } = options;
    const made = lightGenesis(genesis, sha256);
    if (isFault(made)) throw made;
    this.sha256 = sha256;
    this.#proving = { sha256, verify: (...args) => Promise.resolve(verify(...args)) };
    this.#verify = verify;
    this.#book = new SealBook(verify);
    this.#store = store;
    this.#light = made.light;
    this.loaded = this.#load().catch(() => undefined);
  }

  get chain(): Uint8Array {
    return this.#light.chain;
  }

  /** The highest header with q SEALs; the genesis at first. */
  get newest(): CertifiedHeader {
    return this.#light.newest;
  }

  async #load(): Promise<void> {
    const image = (await this.#store?.load()) ?? null;
    if (image === null) return;
    const judgement = fromImage(this.#light, image, this.sha256);
    // Damaged, or another chain's: then it is as if nothing had been kept.
    if (isFault(judgement)) return;
    this.#light = await settle(judgement, this.#proving);
    this.sequence = this.#light.newest.header.sequence;
  }

  /**
   * The header's epoch is known after this. What its source has of epoch ends proves itself, and whoever
   * hears another source does not wait for this one.
   * @throws FaultError ledger/unproven its source does not show it; ledger/conflicting-certificates
   */
  async reach(source: Source, header: Pick<Header, 'epoch'>): Promise<void> {
    await this.loaded;
    if (header.epoch <= this.#lastEpoch) return;
    const { epochs } = await withEpochs(this.#light, { source, header }, this.#proving);
    // Another source may have led further meanwhile.
    if (epochs.length > this.#light.epochs.length) this.#light = { ...this.#light, epochs };
    if (header.epoch > this.#lastEpoch) throw rejected('an epoch that its source does not show');
  }

  /**
   * What this header is worth, with all SEALs that were seen of it.
   * @throws FaultError ledger/unproven it cannot be of this chain; ledger/conflicting-certificates
   */
  async judge(source: Source, { header, seals }: Sealed): Promise<Judged> {
    await this.reach(source, header);
    const light = this.#light;
    const weighed = weigh(light, { header, seals: [] }, this.sha256);
    if (isFault(weighed)) throw weighed;
    // The genesis: it needs no SEALs.
    if (weighed.weight === 'header') return { weight: weighed.weight, certified: weighed };
    const { electors } = must(light.epochs[header.epoch], 'an epoch that was weighed');
    const { weight, certified, rival } = this.#book.count(electors, weighed, seals);
    if (rival !== null) {
      this.evidence = evidenceBytes(light, { first: rival, second: certified, link: null });
    }
    if (this.evidence !== null) throw conflictFault(this.evidence);
    if (weight !== 'none') this.sequence = Math.max(this.sequence, header.sequence);
    if (weight === 'header') await this.#move(certified);
    return { weight, certified };
  }

  /**
   * What a source holds against a replica, with what shows whose key it is; null: it convicts nobody.
   * @throws FaultError ledger/unproven the source's epochs are none of this chain
   */
  async misconduct(source: Source, evidence: Evidence): Promise<Misconduct | null> {
    const { epoch } = evidence;
    await this.reach(source, { epoch });
    return convicts(this.#light, evidence, this.#verify)
      ? { evidence, ends: endsBefore(this.#light, epoch) }
      : null;
  }

  /** f + 1 of the newest epoch that is known. */
  get weakQuorum(): number {
    return weakQuorumOf(lastEpoch(this.#light).electors.voteKeys.length);
  }

  /** Certified ends of this epoch and those after it, as far as they are known. */
  endsFrom(epoch: number): EpochEnd[] {
    return endsBefore(this.#light, this.#lastEpoch).slice(epoch);
  }

  get #lastEpoch(): number {
    return this.#light.epochs.length - 1;
  }

  async #move(newest: CertifiedHeader): Promise<void> {
    if (newest.header.sequence <= this.#light.newest.header.sequence) return;
    this.#light = { ...this.#light, newest };
    await this.#store?.save(lightImage(this.#light));
  }
}
