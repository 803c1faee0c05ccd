import { toHex } from '#lib/kernel/bytes.ts';
import { FaultError, isFault } from '#lib/kernel/errors.ts';
import { bytesEqual } from '#lib/ledger/crypto/sha256.ts';
import { headerHash, type Header } from '#lib/ledger/pbft/messages/header.ts';
import type { Connection } from './connection.ts';
import { provenEntries, type Entry } from './light/proofs.ts';
import { CLIENT_MEMORY, CLIENT_TIMES } from './limits.ts';
import { isCertificate } from './submitting.ts';
import type { Readers } from './reading.ts';
import type { ChainBlock, Reply } from './wire/answers.ts';
import { refusalFault } from './wire/codes.ts';

/** A block that f + 1 have sealed, or whose descendant they have. */
export interface FollowedBlock {
  readonly header: Header;
  readonly headerHash: Uint8Array;
  readonly entries: readonly Entry[];
}

interface Waiting {
  readonly block: ChainBlock;
  readonly headerHash: Uint8Array;
  readonly entries: readonly Entry[];
  isSealed: boolean;
}

/**
 * Blocks in order, from all replicas at once, each given on once it is sealed by f + 1: by itself or by a
 * block after it that names it. What is not of the chain is dropped; a replica that keeps no such block
 * (any more) is left to the others.
 */
export class Following {
  readonly #readers: Readers;
  readonly #stops = new Map<Connection, () => void>();
  readonly #missing = new Set<Connection>();
  /** Sent what is too far ahead: asked again once what waits has gone. */
  readonly #paused = new Set<Connection>();
  readonly #aheadMax: number;
  /** By sequence, then by hash: a liar's block stands beside the right one, and never is sealed. */
  readonly #waiting = new Map<number, Map<string, Waiting>>();
  #next: number;
  #last: Uint8Array | null = null;
  #wake: (() => void) | null = null;
  #failure: FaultError | null = null;
  #isOver = false;

  constructor(from: number, readers: Readers, aheadMax: number = CLIENT_MEMORY.blocksAheadMax) {
    this.#next = Math.max(1, from);
    this.#aheadMax = aheadMax;
    this.#readers = readers;
    for (const each of readers.connections) void this.#subscribe(each);
  }

  /** Sequences of which a block waits for its turn, or its SEALs. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** The blocks, until `close`. @throws FaultError `request/not-found`, `ledger/conflicting-certificates` */
  async *blocks(): AsyncGenerator<FollowedBlock, undefined> {
    try {
      while (!this.#isOver) {
        if (this.#failure !== null) throw this.#failure;
        const block = this.#take();
        if (block !== null) yield block;
        else await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    } finally {
      this.close();
    }
  }

  close(): void {
    this.#isOver = true;
    for (const stop of this.#stops.values()) stop();
    this.#stops.clear();
    this.#wake?.();
  }

  async #subscribe(to: Connection): Promise<void> {
    await to.opened();
    if (this.#isOver) return;
    const again = (): void => {
      this.#stops.delete(to);
      if (!this.#isOver) setTimeout(() => void this.#subscribe(to), CLIENT_TIMES.retryMs);
    };
    const question = { type: 'subscribe', from: this.#next } as const;
    const stop = to.stream(question, {
      onReply: (reply) => void this.#onReply(to, reply),
      onLost: again,
    });
    this.#stops.set(to, stop);
  }

  async #onReply(from: Connection, reply: Reply): Promise<void> {
    try {
      if (reply.type === 'blocks')
        for (const block of reply.blocks) await this.#onBlock(from, block);
      else if (reply.type === 'refused') this.#onRefused(from, reply);
    } catch (error) {
      if (isFault(error, 'ledger/conflicting-certificates')) this.#failure = error;
    }
    this.#wake?.();
  }

  #onRefused(from: Connection, { code, retryAfterMs }: Reply & { type: 'refused' }): void {
    this.#stops.get(from)?.();
    this.#stops.delete(from);
    if (code !== 'request/not-found') {
      setTimeout(() => void this.#subscribe(from), Math.max(retryAfterMs, CLIENT_TIMES.retryMs));
      return;
    }
    this.#missing.add(from);
    const { connections } = this.#readers;
    if (connections.every((each) => this.#missing.has(each))) {
      this.#failure = refusalFault('request/not-found', 0);
    }
  }

  async #onBlock(from: Connection, block: ChainBlock): Promise<void> {
    const { knowledge } = this.#readers;
    const { header, seals } = block;
    const { epoch, sequence } = header;
    if (sequence < this.#next) return;
    if (sequence >= this.#next + this.#aheadMax) {
      this.#pause(from);
      return;
    }
    const hash = headerHash(header, knowledge.sha256);
    const set = { epoch, sequence, headerHash: hash, seals };
    const judged = await knowledge.judge(from, { header, seals: [set] });
    // Meanwhile others may have brought it to its end.
    if (sequence < this.#next) return;
    const known = this.#at(sequence).get(toHex(hash));
    const entries = known?.entries ?? provenEntries(block, knowledge.sha256);
    if (isFault(entries)) throw entries;
    const waiting = known ?? { block, headerHash: hash, entries, isSealed: false };
    this.#at(sequence).set(toHex(hash), waiting);
    if (isCertificate(judged)) this.#seal(waiting);
  }

  #pause(from: Connection): void {
    this.#stops.get(from)?.();
    this.#stops.delete(from);
    this.#paused.add(from);
  }

  #resume(): void {
    if (this.#waiting.size > this.#aheadMax / 2) return;
    for (const each of this.#paused) void this.#subscribe(each);
    this.#paused.clear();
  }

  #at(sequence: number): Map<string, Waiting> {
    const at = this.#waiting.get(sequence) ?? new Map<string, Waiting>();
    this.#waiting.set(sequence, at);
    return at;
  }

  /** This block and those before it that it names. */
  #seal(waiting: Waiting): void {
    let at: Waiting | undefined = waiting;
    while (at !== undefined && !at.isSealed) {
      at.isSealed = true;
      const { sequence, prevHeaderHash }: Header = at.block.header;
      at = this.#waiting.get(sequence - 1)?.get(toHex(prevHeaderHash));
    }
  }

  /** The next block, where it is sealed and follows the last one. */
  #take(): FollowedBlock | null {
    const sealed = [...(this.#waiting.get(this.#next)?.values() ?? [])].find(
      ({ isSealed }) => isSealed,
    );
    if (sealed === undefined) return null;
    const { block, headerHash: hash, entries } = sealed;
    if (this.#last !== null && !bytesEqual(block.header.prevHeaderHash, this.#last)) {
      throw new FaultError('ledger/unproven', 'a sealed block does not follow the one before it');
    }
    this.#waiting.delete(this.#next);
    this.#next += 1;
    this.#last = hash;
    this.#resume();
    return { header: block.header, headerHash: hash, entries };
  }
}
