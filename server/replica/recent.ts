import { toHex } from '#lib/kernel/bytes.ts';
import { isFault } from '#lib/kernel/errors.ts';
import type { ChainBlock, SealSet } from '#lib/ledger/client/wire/answers.ts';
import type { Sha256 } from '#lib/ledger/crypto/sha256.ts';
import { headerHash, type Header } from '#lib/ledger/pbft/messages/header.ts';
import { decodeMessage } from '#lib/ledger/pbft/messages/message.ts';
import type { SealCertificate } from '#lib/ledger/pbft/messages/seal.ts';
import type { StoredBlock } from '#lib/ledger/store/server.ts';
import { REPLICA_LIMITS } from './limits.ts';

interface Recent {
  readonly block: StoredBlock;
  /** Of its requests. */
  readonly ids: readonly string[];
  readonly seals: SealSet | null;
}

interface Place {
  readonly block: StoredBlock;
  readonly index: number;
}

/** The last blocks as they were executed here, with what is known of their SEALs. */
export class RecentBlocks {
  readonly #sha256: Sha256;
  #blocks: Recent[] = [];
  /** By request. */
  readonly #places = new Map<string, Place>();

  constructor(sha256: Sha256) {
    this.#sha256 = sha256;
  }

  add(block: StoredBlock, ids: readonly string[]): void {
    const { sequence } = block.header;
    const before = this.#blocks.filter(({ block: { header } }) => header.sequence < sequence);
    const entry = { block, ids, seals: ownSeals(block, this.#sha256) };
    const kept = [...before, entry].slice(-REPLICA_LIMITS.recentBlocksMax);
    for (const each of this.#blocks) if (!kept.includes(each)) this.#forget(each);
    this.#blocks = kept;
    for (const [index, id] of ids.entries()) {
      if (!this.#places.has(id)) this.#places.set(id, { block, index });
    }
  }

  #forget({ block, ids }: Recent): void {
    for (const id of ids) if (this.#places.get(id)?.block === block) this.#places.delete(id);
  }

  /** The checkpoint is certified: all its SEALs in the place of the own one. */
  certify(certificate: SealCertificate): void {
    this.#blocks = this.#blocks.map((entry) =>
      entry.block.header.sequence === certificate.sequence
        ? { ...entry, seals: certificate }
        : entry,
    );
  }

  /** Where a request was executed lately; null: not in these blocks. */
  find(id: string): Place | null {
    return this.#places.get(id) ?? null;
  }

  get(sequence: number): StoredBlock | null {
    return this.#blocks.find(({ block }) => block.header.sequence === sequence)?.block ?? null;
  }

  sealsOf(sequence: number): SealSet | null {
    return this.#blocks.find(({ block }) => block.header.sequence === sequence)?.seals ?? null;
  }

  /** Of the header and of the blocks around it, newest first. `own`: what is known of that header itself. */
  sealsBeside(header: Header, own: SealSet | null): SealSet[] {
    const around = this.#blocks.flatMap(({ block, seals }) =>
      seals !== null && block.header.sequence !== header.sequence ? [seals] : [],
    );
    const all = own === null ? around : [...around, own];
    return all
      .sort((a, b) => b.sequence - a.sequence)
      .filter((seals, i) => seals === own || i < REPLICA_LIMITS.recentBlocksMax - 1)
      .slice(0, REPLICA_LIMITS.recentBlocksMax);
  }
}

/** The own SEAL of a block as a set of one; null where this replica only followed. */
export function ownSeals({ header, seal }: StoredBlock, sha256: Sha256): SealSet | null {
  if (seal.length === 0) return null;
  const message = decodeMessage(seal);
  if (isFault(message) || message.type !== 'seal') return null;
  const hash = headerHash(header, sha256);
  if (toHex(hash) !== toHex(message.headerHash)) return null;
  const { epoch, sequence, replica, signature } = message;
  return { epoch, sequence, headerHash: hash, seals: [{ replica, signature }] };
}

/** A block as anybody may pass it on. */
export const chainBlock = (block: StoredBlock, seals: SealSet | null): ChainBlock => ({
  header: block.header,
  seals: seals?.seals ?? [],
  batch: block.batch,
  results: block.results,
});
