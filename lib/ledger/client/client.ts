import { toHex } from '#lib/kernel/bytes.ts';
import { FaultError, isFault } from '#lib/kernel/errors.ts';
import type { Signer } from '#lib/kernel/ports.ts';
import { writeBody, type Body, type BodyOf } from '#lib/ledger/account/codec/bodies.ts';
import { encodeCbor } from '#lib/ledger/account/codec/cbor.ts';
import { readTransaction, signTransaction } from '#lib/ledger/account/codec/transaction.ts';
import { outcomeIn } from '#lib/ledger/account/nonces.ts';
import { noncePageId, type Kind } from '#lib/ledger/account/records/kinds.ts';
import type { Nonces } from '#lib/ledger/account/records/records.ts';
import type { Verify } from '#lib/ledger/crypto/ed25519/rule.ts';
import type { Sha256 } from '#lib/ledger/crypto/sha256.ts';
import { Connection, type Endpoint } from './connection.ts';
import { Following, type FollowedBlock } from './following.ts';
import { Knowledge } from './knowledge.ts';
import type { LightStore } from './light/light-client.ts';
import { CLIENT_MEMORY, CLIENT_TIMES, HEAD_STALE_MS } from './limits.ts';
import { transcriptFrom } from './exporting.ts';
import { holdsFromAll, readFromAll, type HoldsPage, type RecordRead } from './reading.ts';
import { misconductFrom, misconductName, type Misconduct } from './misconduct.ts';
import { replyOf } from './source.ts';
import { serve } from './serving.ts';
import { FORGOTTEN, proven, submitToAll, type Certificate, type Done } from './submitting.ts';
import type { Exchange } from './transcript.ts';
import type { Reply, Status } from './wire/answers.ts';
import type { Question } from './wire/requests.ts';

export interface LedgerClientOptions {
  /** The genesis file's bytes. */
  readonly genesis: Uint8Array;
  readonly endpoints: readonly Endpoint[];
  /** Signs what this client asks for. */
  readonly signer: Signer;
  /** Keeps the newest certified header over restarts, so that no read goes behind it. */
  readonly store?: LightStore;
  readonly verify: Verify;
  readonly sha256: Sha256;
  /** Milliseconds since 1970. */
  readonly nowMs: () => number;
  /** `length` unguessable bytes. */
  readonly random: (length: number) => Uint8Array;
  /** To `ledger/outcome-unknown`. */
  readonly timeoutMs?: number;
}

/** A record with what a caller must know of its age. */
export interface Read<K extends Kind> extends RecordRead<K> {
  /** The block is older than 30 s, or nobody answers and this is what was read last. */
  readonly isStale: boolean;
}

export interface ReadOptions {
  /** No older than this block: what this client has seen is the least in any case. */
  readonly minSequence?: number;
  /** After a transaction of its own was ordered: linearizable, where the signer is a gateway. */
  readonly ordered?: boolean;
}

export interface LedgerStatus {
  /** Of each endpoint, its own word; null: it does not answer. */
  readonly replicas: readonly { readonly name: string; readonly status: Status | null }[];
  /** The highest block of which this client saw f + 1 SEALs. */
  readonly sequence: number;
  /** Of the newest header with q SEALs. */
  readonly epoch: number;
  readonly timeMs: number;
  readonly isStale: boolean;
  /** Two certificates that conflict, to be kept. */
  readonly evidence: Uint8Array | null;
}

interface Sent {
  readonly id: Uint8Array;
  readonly bytes: Uint8Array;
  readonly validUntilMs: number;
}

/**
 * The ledger for who acts on it: a gateway, a command line. What resolves is proven by f + 1 replicas at
 * least. A call that ended in `ledger/outcome-unknown` may be made again as it was: the same bytes go out
 * as long as they are valid, and a hold's id, a grant, a capture have their effect once on the ledger.
 */
export class LedgerClient {
  readonly #options: LedgerClientOptions;
  readonly #connections: readonly Connection[];
  readonly #knowledge: Knowledge;
  readonly #sent = new Map<string, Sent>();
  readonly #followings = new Set<Following>();
  readonly #reads = new Map<string, RecordRead<Kind>>();
  #nonce = 0n;

  /** @throws FaultError wire/malformed where the genesis is none */
  constructor(options: LedgerClientOptions) {
    const { genesis, verify, sha256, store = null } = options;
    this.#options = options;
    this.#knowledge = new Knowledge({ genesis, verify, sha256, store });
    this.#connections = options.endpoints.map((endpoint) => new Connection(endpoint));
  }

  get publicKey(): Uint8Array {
    return this.#options.signer.publicKey;
  }

  get chain(): Uint8Array {
    return this.#knowledge.chain;
  }

  grant = (body: Omit<BodyOf<'grant'>, 'type'>): Promise<Done> =>
    this.submit({ type: 'grant', ...body });

  hold = (
    body: Omit<BodyOf<'hold'>, 'type' | 'cluster'> & { cluster?: Uint8Array | null },
  ): Promise<Done> => this.submit({ type: 'hold', ...body, cluster: body.cluster ?? null });

  capture = (body: Omit<BodyOf<'capture'>, 'type'>): Promise<Done> =>
    this.submit({ type: 'capture', ...body });

  voidHold = (body: Omit<BodyOf<'void'>, 'type'>): Promise<Done> =>
    this.submit({ type: 'void', ...body });

  mint = (body: Omit<BodyOf<'mint'>, 'type'>): Promise<Done> =>
    this.submit({ type: 'mint', ...body });

  /**
   * Anything that a transaction may ask for, signed by this client's key.
   * @throws FaultError `ledger/outcome-unknown`, `ledger/busy`, `ledger/no-quorum`, a door's code,
   * `ledger/conflicting-certificates`
   */
  async submit(body: Body): Promise<Done> {
    const { name, sent } = this.#transactionFor(body);
    const done = await this.#order(sent);
    // Known now: the same asked for once more is another request.
    this.#sent.delete(name);
    return done;
  }

  /** Bytes that somebody signed. @throws FaultError as `submit`, wire/malformed */
  submitBytes(bytes: Uint8Array): Promise<Done> {
    const read = readTransaction(bytes, this.#options.sha256);
    if (isFault(read)) return Promise.reject(read);
    return this.#order({ id: read.id, bytes, validUntilMs: Number(read.validUntilMs) });
  }

  /**
   * What became of a transaction: by a block that replicas keep, or of this client's own key by its record
   * of nonces.
   * @throws FaultError `request/not-found` no replica has executed it, `ledger/no-quorum`
   */
  async outcome(id: Uint8Array): Promise<Done> {
    const asked = this.#connections.map(async (from) => {
      const reply = replyOf(await from.ask({ type: 'outcome', id }), 'executed');
      return { from, reply };
    });
    for (const settled of await Promise.allSettled(asked)) {
      if (settled.status === 'rejected') continue;
      const { from, reply } = settled.value;
      const done = await proven(reply, { from, knowledge: this.#knowledge, id }).catch(noLiar);
      if (done !== null) return done;
    }
    return this.#outcomeByNonce(id);
  }

  account(id: Uint8Array, options: ReadOptions = {}): Promise<Read<'account'>> {
    return this.record('account', id, options);
  }

  /** A record and its proof. @throws FaultError `ledger/stale`, `ledger/no-quorum` */
  async record<K extends Kind>(
    kind: K,
    id: Uint8Array,
    { minSequence = 0, ordered = false }: ReadOptions = {},
  ): Promise<Read<K>> {
    await this.#knowledge.loaded;
    const barrier = ordered ? (await this.#barrier()).certificate.certified.header.sequence : 0;
    const name = `${kind}/${toHex(id)}`;
    const least = Math.max(minSequence, barrier, this.#knowledge.sequence);
    try {
      const read = await readFromAll({ kind, id, minSequence: least }, this.#readers);
      this.#keep(name, read);
      return { ...read, isStale: this.#options.nowMs() - read.timeMs > HEAD_STALE_MS };
    } catch (error) {
      const known = this.#reads.get(name) as RecordRead<K> | undefined;
      const isAway = isFault(error, 'ledger/no-quorum') || isFault(error, 'ledger/stale');
      if (!isAway || !known || known.sequence < minSequence || ordered) throw error;
      return { ...known, isStale: true };
    }
  }

  /** A gateway's open holds, to be settled after a restart. @throws FaultError `ledger/no-quorum` */
  holdsOf(of: {
    readonly gateway: Uint8Array;
    readonly after?: Uint8Array | null;
  }): Promise<HoldsPage> {
    const { gateway, after = null } = of;
    return holdsFromAll({ gateway, after }, { ...this.#readers, minSequence: 0 });
  }

  /** Blocks in order from this one on, each proven. End the loop, or `return()`, to stop. */
  async *subscribe(of: {
    readonly fromSequence: number;
  }): AsyncGenerator<FollowedBlock, undefined> {
    const following = new Following(of.fromSequence, this.#readers);
    this.#followings.add(following);
    try {
      yield* following.blocks();
    } finally {
      this.#followings.delete(following);
    }
  }

  /**
   * Blocks with what shows them to who has the genesis. What replicas said is not verified here: audit
   * the transcript. @throws FaultError as `transcriptFrom`
   */
  transcript(of: { readonly fromSequence: number; readonly count: number }): Promise<Exchange[]> {
    return transcriptFrom(of, this.#readers);
  }

  /**
   * What replicas hold against one another, each piece proven and once, however many tell of it.
   * @throws FaultError `ledger/no-quorum` no replica answers; `ledger/conflicting-certificates`
   */
  async misconduct(): Promise<Misconduct[]> {
    await this.#knowledge.loaded;
    const found = await Promise.all(
      this.#connections.map((from) => misconductFrom(from, this.#knowledge).catch(noLiar)),
    );
    if (found.every((each) => each === null)) {
      throw new FaultError('ledger/no-quorum', 'no replica answers');
    }
    const byName = new Map(
      found.flatMap((each) => each ?? []).map((each) => [misconductName(each), each] as const),
    );
    return [...byName.values()];
  }

  /**
   * A gateway's answer to a light client, from what enough replicas say (`serving.ts`).
   * @throws FaultError `ledger/conflicting-certificates`
   */
  serve(question: Question): Promise<Reply> {
    return serve(question, { ...this.#readers, timeoutMs: this.#timeoutMs });
  }

  async status(): Promise<LedgerStatus> {
    const replicas = await Promise.all(
      this.#connections.map(async (from) => {
        const reply = await from.ask({ type: 'status' }).catch(() => null);
        return { name: from.name, status: reply?.type === 'status' ? reply : null };
      }),
    );
    const { sequence, evidence, newest } = this.#knowledge;
    const { epoch, timeMs } = newest.header;
    const isStale = this.#options.nowMs() - timeMs > HEAD_STALE_MS;
    return { replicas, sequence, epoch, timeMs, isStale, evidence };
  }

  /** Ends connections and subscriptions; what is under way ends in `ledger/outcome-unknown`. */
  close(): void {
    for (const each of this.#followings) each.close();
    for (const each of this.#connections) each.close();
  }

  get #timeoutMs(): number {
    return this.#options.timeoutMs ?? CLIENT_TIMES.outcomeMs;
  }

  get #readers() {
    return { connections: this.#connections, knowledge: this.#knowledge };
  }

  async #order(sent: Sent): Promise<Done> {
    const done = await submitToAll(
      { id: sent.id, transaction: sent.bytes },
      { ...this.#readers, timeoutMs: this.#timeoutMs },
    );
    return done === FORGOTTEN ? this.#outcomeByNonce(sent.id) : done;
  }

  /** The same bytes while nobody knows what became of them: then to call again is no second request. */
  #transactionFor(body: Body): { readonly name: string; readonly sent: Sent } {
    const { signer, sha256, nowMs } = this.#options;
    const name = toHex(sha256(encodeCbor(writeBody(body))));
    const known = this.#sent.get(name);
    if (known && known.validUntilMs > nowMs()) return { name, sent: known };
    const validUntilMs = Math.floor(nowMs()) + CLIENT_TIMES.validityMs;
    const request = {
      ...{ chain: this.chain, nonce: this.#nextNonce(), body },
      validUntilMs: BigInt(validUntilMs),
    };
    const bytes = signTransaction(request, signer);
    const read = readTransaction(bytes, sha256);
    if (isFault(read)) throw read;
    const sent = { id: read.id, bytes, validUntilMs };
    this.#sent.delete(name);
    this.#sent.set(name, sent);
    trim(this.#sent, CLIENT_MEMORY.transactionsMax);
    return { name, sent };
  }

  /** By the clock, so that a client that forgot all goes on above what it used: gaps are fine. */
  #nextNonce(): bigint {
    const now = BigInt(Math.floor(this.#options.nowMs())) * NONCES_PER_MS;
    this.#nonce = now > this.#nonce ? now : this.#nonce + 1n;
    return this.#nonce;
  }

  /** The key's own table tells of transactions whose blocks nobody keeps. */
  async #outcomeByNonce(id: Uint8Array): Promise<Done> {
    const { head, done } = await this.#outcomeInTable(id);
    if (done !== null) return done;
    const again = await this.record('nonces', this.publicKey);
    const pagesOf = (of: Nonces | null): string => (of?.pages ?? []).join();
    if (pagesOf(again.record) !== pagesOf(head)) {
      const message = 'the key’s nonces changed while they were read: ask again';
      throw new FaultError('ledger/outcome-unknown', message);
    }
    throw new FaultError('request/not-found', 'no transaction with this id has been executed');
  }

  /** Recent nonces first, then page by page, the highest first. */
  async #outcomeInTable(
    id: Uint8Array,
  ): Promise<{ readonly head: Nonces | null; readonly done: Done | null }> {
    const doneBy = (packed: Uint8Array, certificate: Certificate): Done | null => {
      const executed = outcomeIn(packed, id);
      return executed && { ...executed, sequence: Number(executed.sequence), certificate };
    };
    const { record: head, certificate, sequence } = await this.record('nonces', this.publicKey);
    let done = head && doneBy(head.recent, certificate);
    for (const from of head?.pages.toReversed() ?? []) {
      if (done !== null) break;
      const pageId = noncePageId(this.publicKey, from);
      const page = await this.record('nonce-page', pageId, { minSequence: sequence });
      done = page.record && doneBy(page.record.packed, page.certificate);
    }
    return { head, done };
  }

  /** Something of no effect is ordered, so that a read after it is of no earlier state. */
  #barrier(): Promise<Done> {
    const holdId = this.#options.random(HOLD_ID_BYTES);
    return this.voidHold({ holdId });
  }

  #keep(name: string, read: RecordRead<Kind>): void {
    this.#reads.delete(name);
    this.#reads.set(name, read);
    trim(this.#reads, CLIENT_MEMORY.readsMax);
  }
}

/** The ledger's client for these replicas; `Endpoint`s over TLS are the shell's. */
export const createLedgerClient = (options: LedgerClientOptions): LedgerClient =>
  new LedgerClient(options);

const HOLD_ID_BYTES = 16;
/** Room for so many transactions in a millisecond; 2⁶⁴ is half a million years away. */
const NONCES_PER_MS = 1_000n;

function noLiar(error: unknown): null {
  if (isFault(error, 'ledger/conflicting-certificates')) throw error;
  return null;
}

/** Forgets the oldest beyond `most`. */
function trim<V>(map: Map<string, V>, most: number): void {
  const [oldest] = map.keys();
  if (map.size > most && oldest !== undefined) map.delete(oldest);
}
