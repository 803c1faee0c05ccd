import { must } from '#lib/kernel/assert.ts';
import { FaultError, isFault } from '#lib/kernel/errors.ts';
import type { Verify } from '#lib/ledger/crypto/ed25519/rule.ts';
import { bytesEqual, type Sha256 } from '#lib/ledger/crypto/sha256.ts';
import { verifyTrieProof } from '#lib/ledger/crypto/trie/proof.ts';
import { headerHash, type Header } from '#lib/ledger/pbft/messages/header.ts';
import { adoptEnd, type Judgement } from './light/adopt.ts';
import { lastEpoch, lightGenesis, rejected, type LightChain } from './light/chain.ts';
import { evidenceBytes } from './light/conflict.ts';
import type { SignatureCheck } from './light/electors.ts';
import { extendsBlock } from './light/extension.ts';
import { conflictFault } from './light/follow.ts';
import { provenEntries, provenOutcome } from './light/proofs.ts';
import { weigh } from './light/weigh.ts';
import { replyOf } from './source.ts';
import { readTranscript, type Exchange } from './transcript.ts';
import type { Blocks, EpochEnds, Executed, RecordsAnswer, Sealed } from './wire/answers.ts';
import type { Question } from './wire/requests.ts';

/** What a transcript shows, all of it verified from the genesis on. */
export interface AuditReport {
  readonly chain: Uint8Array;
  /** The newest epoch whose members are shown. */
  readonly epoch: number;
  readonly blocks: number;
  readonly transactions: number;
  readonly records: number;
  /** Records shown not to be there, of those. */
  readonly absent: number;
  readonly outcomes: number;
  /** The highest block with q SEALs. */
  readonly head: {
    readonly sequence: number;
    readonly headerHash: Uint8Array;
    readonly timeMs: number;
  };
}

interface Known {
  readonly header: Header;
  readonly headerHash: Uint8Array;
}

/**
 * Verifies a transcript without asking anybody: epochs, then blocks in a row, then what hangs on them.
 * @throws FaultError `wire/malformed` no transcript, or no genesis; `ledger/unproven` the first exchange
 * that does not hold, in `details.exchange`; `ledger/conflicting-certificates`
 */
export function auditTranscript(of: {
  readonly genesis: Uint8Array;
  readonly transcript: Uint8Array;
  readonly verify: Verify;
  readonly sha256: Sha256;
}): AuditReport {
  const audit = new Audit(of.genesis, of);
  for (const [i, exchange] of readTranscript(of.transcript).entries()) {
    try {
      audit.take(exchange);
    } catch (error) {
      if (!isFault(error)) throw error;
      throw new FaultError(error.code, `exchange ${i + 1}: ${error.message}`, {
        details: { ...error.details, exchange: i + 1 },
      });
    }
  }
  return audit.report();
}

class Audit {
  readonly #verify: Verify;
  readonly #sha256: Sha256;
  #light: LightChain;
  /** Blocks by sequence, each following the one before it where that is here. */
  readonly #blocks = new Map<number, Known>();
  /** Blocks up to here, in a row, have a certificate at or after them. */
  readonly #certified = new Set<number>();
  #counts = { transactions: 0, records: 0, absent: 0, outcomes: 0 };

  constructor(genesis: Uint8Array, of: { readonly verify: Verify; readonly sha256: Sha256 }) {
    const made = lightGenesis(genesis, of.sha256);
    if (isFault(made)) throw made;
    this.#verify = of.verify;
    this.#sha256 = of.sha256;
    this.#light = made.light;
    const { header, headerHash: hash } = made.light.newest;
    this.#blocks.set(0, { header, headerHash: hash });
    this.#certified.add(0);
  }

  take({ question, reply }: Exchange): void {
    switch (question.type) {
      case 'epoch-ends':
        this.#onEnds(replyOf(reply, 'epoch-ends'));
        return;
      case 'blocks':
        this.#onBlocks(question.from, replyOf(reply, 'blocks'));
        return;
      case 'read':
        this.#onRecords(question, replyOf(reply, 'records'));
        return;
      case 'outcome':
        this.#onOutcome(question.id, replyOf(reply, 'executed'));
        return;
      case 'history':
        this.#onHistory(question, replyOf(reply, 'history').path);
        return;
      default:
        throw rejected(`nothing is shown by ${question.type}`);
    }
  }

  report(): AuditReport {
    const { header, headerHash: hash } = this.#light.newest;
    const { sequence, timeMs } = header;
    return {
      chain: this.#light.chain,
      epoch: lastEpoch(this.#light).electors.epoch,
      blocks: this.#blocks.size - 1,
      ...this.#counts,
      head: { sequence, headerHash: hash, timeMs },
    };
  }

  #onEnds({ ends }: EpochEnds): void {
    for (const end of ends) this.#light = this.#settled(adoptEnd(this.#light, end, this.#sha256));
  }

  #onBlocks(from: number, { blocks }: Blocks): void {
    let last = from - 1;
    for (const block of blocks) {
      const { header, seals } = block;
      if (header.sequence !== last + 1) throw rejected('blocks are not in a row');
      last = header.sequence;
      const entries = provenEntries(block, this.#sha256);
      if (isFault(entries)) throw entries;
      this.#counts.transactions += entries.length;
      const known = { header, headerHash: headerHash(header, this.#sha256) };
      const before = this.#blocks.get(last - 1);
      if (before && !bytesEqual(before.headerHash, header.prevHeaderHash)) {
        throw rejected('a block does not follow the one before it');
      }
      const { epoch, sequence } = header;
      const set = { epoch, sequence, headerHash: known.headerHash, seals };
      this.#blocks.set(sequence, known);
      if (this.#isSealed({ header, seals: [set] })) this.#certify(known, seals);
    }
    if (!this.#certified.has(last)) throw rejected('the last blocks have no certificate');
  }

  /** A header that others may hang on: with q SEALs, or a block that a sealed one follows. */
  #stands(sealed: Sealed): void {
    const { header } = sealed;
    const { epoch, sequence } = header;
    const hash = headerHash(header, this.#sha256);
    const known = this.#blocks.get(header.sequence);
    const isKnown = known !== undefined && bytesEqual(known.headerHash, hash);
    if (known !== undefined && !isKnown) throw rejected('another block is in this place');
    const isOwn = sealed.seals.every(
      (set) => set.epoch === epoch && set.sequence === sequence && bytesEqual(set.headerHash, hash),
    );
    if (!isOwn) throw rejected('SEALs of another header');
    const stands = isKnown && this.#certified.has(header.sequence);
    if (!this.#isSealed(sealed) && !stands) throw rejected('fewer SEALs than a quorum');
  }

  #isSealed(sealed: Sealed): boolean {
    const weighed = weigh(this.#light, sealed, this.#sha256);
    if (isFault(weighed)) throw weighed;
    if (!this.#holds(weighed.checks)) throw rejected('a SEAL’s signature does not hold');
    return weighed.weight === 'header';
  }

  #certify(known: Known, seals: LightChain['newest']['seals']): void {
    const { newest } = this.#light;
    if (known.header.sequence > newest.header.sequence) {
      this.#light = { ...this.#light, newest: { ...known, seals } };
    }
    for (
      let at = known.header.sequence;
      this.#blocks.has(at) && !this.#certified.has(at);
      at -= 1
    ) {
      this.#certified.add(at);
    }
  }

  #onRecords(question: Question & { readonly type: 'read' }, reply: RecordsAnswer): void {
    this.#stands(reply);
    if (reply.records.length !== question.keys.length)
      throw rejected('not one record for each key');
    for (const [i, { value, proof }] of reply.records.entries()) {
      const key = must(question.keys[i], 'as many keys as records');
      const claim = { rootHash: reply.header.stateRoot, key, value, proof };
      if (!verifyTrieProof(claim, this.#sha256)) {
        throw rejected('the proof does not lead to the header’s state');
      }
      this.#counts.records += 1;
      this.#counts.absent += value === null ? 1 : 0;
    }
  }

  #onOutcome(id: Uint8Array, reply: Executed): void {
    this.#stands(reply);
    const outcome = provenOutcome(reply, id, this.#sha256);
    if (isFault(outcome)) throw outcome;
    this.#counts.outcomes += 1;
  }

  #onHistory(
    { sequence, of }: Question & { readonly type: 'history' },
    path: readonly Uint8Array[],
  ): void {
    const [low, high] = [this.#blocks.get(sequence), this.#blocks.get(of)];
    if (!low || !high) throw rejected('a history between blocks that are not here');
    const before = { sequence, headerHash: low.headerHash };
    if (!extendsBlock(high.header, { before, extension: { type: 'path', path } }, this.#sha256)) {
      throw rejected('the path does not lead to the header’s history');
    }
  }

  #settled(judgement: Judgement | FaultError): LightChain {
    if (isFault(judgement)) throw judgement;
    const { checks, light, conflict } = judgement;
    if (!this.#holds(checks)) throw rejected('a SEAL’s signature does not hold');
    if (conflict !== null) throw conflictFault(evidenceBytes(light, conflict));
    return light;
  }

  #holds(checks: readonly SignatureCheck[]): boolean {
    return checks.every((each) => this.#verify(each.publicKey, each.message, each.signature));
  }
}
