import { must } from '#lib/kernel/assert.ts';
import { toHex } from '#lib/kernel/bytes.ts';
import { ledgerState } from '#lib/ledger/application/application.ts';
import { openHoldIds } from '#lib/ledger/account/indexes.ts';
import { recordKey } from '#lib/ledger/account/records/kinds.ts';
import type { LedgerState } from '#lib/ledger/account/state.ts';
import { CLIENT_LIMITS } from '#lib/ledger/client/limits.ts';
import type { Answer, ChainBlock, ProvenRecord, SealSet } from '#lib/ledger/client/wire/answers.ts';
import type { Refusal } from '#lib/ledger/client/wire/codes.ts';
import { endsPage } from '#lib/ledger/client/wire/ends-page.ts';
import type { ClientRequest } from '#lib/ledger/client/wire/requests.ts';
import { merklePaths } from '#lib/ledger/crypto/merkle.ts';
import type { Sha256 } from '#lib/ledger/crypto/sha256.ts';
import { trieProve } from '#lib/ledger/crypto/trie/proof.ts';
import { trieGet } from '#lib/ledger/crypto/trie/read.ts';
import { LIMITS } from '#lib/ledger/pbft/limits.ts';
import type { ReplicaState } from '#lib/ledger/pbft/replica.ts';
import type { ChainHead } from '#lib/ledger/pbft/state.ts';
import type { Blocks, ReplicaStore, StoredBlock } from '#lib/ledger/store/server.ts';
import { chainBlock, ownSeals, type RecentBlocks } from './recent.ts';

type Tagless<T> = T extends unknown ? Omit<T, 'tag'> : never;
export type Said = Tagless<Answer>;
type Asked<T extends ClientRequest['type']> = Extract<ClientRequest, { type: T }>;

export const refuse = (code: Refusal, retryAfterMs = 0): Said => ({
  type: 'refused',
  code,
  retryAfterMs,
});

export interface ViewSources {
  readonly state: () => ReplicaState;
  readonly blocks: Blocks;
  readonly history: ReplicaStore['history'];
  readonly blocksWritten: () => Promise<void>;
  readonly evidence: (index: number) => ReturnType<ReplicaStore['evidence']>;
  readonly recent: RecentBlocks;
  readonly sha256: Sha256;
}

/** What one replica can say of the chain: from its newest state, its last blocks and its disk. */
export class LedgerView {
  readonly #sources: ViewSources;
  #firstBlock = 0;
  #paths: { readonly block: StoredBlock; readonly paths: Uint8Array[][] } | null = null;

  constructor(sources: ViewSources) {
    this.#sources = sources;
  }

  get executedSequence(): number {
    return this.#sources.state().head.sequence;
  }

  /** The lowest sequence whose block is here, which stays the lowest; 0: none. */
  async firstBlock(): Promise<number> {
    if (this.#firstBlock === 0) this.#firstBlock = await this.#sources.blocks.first();
    return this.#firstBlock;
  }

  /** A transaction in its block; null: it is in none that is kept here. */
  async outcome(id: Uint8Array): Promise<Said | null> {
    const recent = this.#sources.recent.find(toHex(id));
    if (recent !== null) return this.executed(recent.block, recent.index);
    const place = await this.#sources.blocks.find(toHex(id));
    const block = place && (await this.#block(place.sequence));
    return block ? this.executed(block, place.index) : null;
  }

  executed(block: StoredBlock, index: number): Said | null {
    const { sha256, recent } = this.#sources;
    const { header, results } = block;
    const result = results[index];
    if (result === undefined) return null;
    const own = recent.sealsOf(header.sequence) ?? ownSeals(block, sha256);
    return {
      type: 'executed',
      ...{ header, result, index, count: results.length },
      // No others: whoever was asked answers with this very block.
      seals: own === null ? [] : [own],
      path: must(this.#pathsOf(block)[index], 'a path of each result'),
    };
  }

  /** Of the block that was asked for last: all who wait for it ask at once. */
  #pathsOf(block: StoredBlock): readonly Uint8Array[][] {
    if (this.#paths?.block !== block) {
      this.#paths = { block, paths: merklePaths(block.results, this.#sources.sha256) };
    }
    return this.#paths.paths;
  }

  read({ at, minSequence, keys }: Asked<'read'>): Said {
    const head = this.#headAt(at);
    if (head === null || head.sequence < minSequence) return refuse('ledger/stale');
    return this.#records(head, keys);
  }

  openHolds({ gateway, after }: Asked<'open-holds'>): Said {
    const { sha256, state } = this.#sources;
    const { head } = state();
    const { indexes } = ledgerState(head.app);
    const ids = openHoldIds(indexes, { gateway, after }, CLIENT_LIMITS.holdsMax);
    return this.#records(
      head,
      ids.map((id) => recordKey('hold', id, sha256)),
    );
  }

  /** From `from` on without a gap, as many as there are and fit; none: it has not the first. */
  async blocks(from: number, most: number): Promise<ChainBlock[]> {
    const { blocks, recent, sha256 } = this.#sources;
    const found: ChainBlock[] = [];
    let bytes = 0;
    const stored = recent.get(from) === null ? await blocks.range(from, most) : [];
    for (let at = from; found.length < most; at += 1) {
      const block = stored[at - from] ?? recent.get(at);
      if (block === null) break;
      bytes += block.batch.length + block.results.length * BLOCK_RESULT_BYTES + BLOCK_HEAD_BYTES;
      if (bytes > CLIENT_LIMITS.answerBytesAim && found.length > 0) break;
      const certificate = recent.sealsOf(at) ?? (await this.#certificateAt(at));
      found.push(chainBlock(block, certificate ?? ownSeals(block, sha256)));
    }
    return found;
  }

  async history({ sequence, of }: Asked<'history'>): Promise<Said> {
    await this.#sources.blocksWritten();
    const path = await this.#sources.history.path(sequence, of);
    return path === null ? refuse('request/not-found') : { type: 'history', path };
  }

  /** A piece that is longer than an answer may be is not given: it is on this replica's disk. */
  async evidence(index: number): Promise<Said> {
    const { count, evidence } = await this.#sources.evidence(index);
    const bytes = evidence === null ? Infinity : evidence.first.length + evidence.second.length;
    if (evidence === null || bytes > LIMITS.batchBytesMax) return refuse('request/not-found');
    return { type: 'evidence', count, evidence };
  }

  epochEnds(from: number): Said {
    const all = this.#sources.state().epochEnds.filter(({ header }) => header.epoch >= from);
    return { type: 'epoch-ends', ends: endsPage(all) };
  }

  status(peers: number, firstBlock: number): Said {
    const { env, constitution, view, head, stable } = this.#sources.state();
    return {
      type: 'status',
      chain: env.chain,
      ...{ epoch: constitution.epoch, view, executed: head.sequence, stable: stable.sequence },
      ...{ firstBlock, timeMs: head.header.timeMs, peers },
    };
  }

  #headAt(at: Asked<'read'>['at']): ChainHead | null {
    const { head, checkpoints, stable } = this.#sources.state();
    return at === 'newest' ? head : (checkpoints.get(stable.sequence) ?? null);
  }

  #records({ header, app, sequence }: ChainHead, keys: readonly Uint8Array[]): Said {
    const { recent, state, sha256 } = this.#sources;
    const { stable } = state();
    const certified: SealSet | null =
      stable.sequence === sequence && stable.seals.length > 0 ? stable : null;
    const own = certified ?? recent.sealsOf(sequence);
    const { trie }: LedgerState = ledgerState(app);
    const records = keys.map((key): ProvenRecord => ({
      value: trieGet(trie, key),
      proof: trieProve(trie, key, sha256),
    }));
    return { type: 'records', header, seals: recent.sealsBeside(header, own), records };
  }

  async #block(sequence: number): Promise<StoredBlock | null> {
    const { recent, blocks } = this.#sources;
    return recent.get(sequence) ?? (await blocks.get(sequence));
  }

  async #certificateAt(sequence: number): Promise<SealSet | null> {
    const { state, blocks } = this.#sources;
    const { checkpointInterval } = state().constitution.parameters;
    // Parameters may have been others: then the own SEAL is given, which is as true.
    if (sequence % checkpointInterval !== 0) return null;
    const certificate = await blocks.certificateFrom(sequence);
    return certificate?.sequence === sequence ? certificate : null;
  }
}

const BLOCK_HEAD_BYTES = 512;
const BLOCK_RESULT_BYTES = 41;
