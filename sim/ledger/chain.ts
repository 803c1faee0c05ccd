import { toHex } from '#lib/kernel/bytes.ts';
import { resultBytes } from '#lib/ledger/account/execute.ts';
import { RESULT_CODES, type ResultCode } from '#lib/ledger/account/codes.ts';
import { microOf, readRecord } from '#lib/ledger/account/records/kinds.ts';
import { SUPPLY_MICRO } from '#lib/ledger/account/limits.ts';
import { readTransaction } from '#lib/ledger/account/codec/transaction.ts';
import { unpackParts } from '#lib/ledger/application/parts.ts';
import { isFault } from '#lib/kernel/errors.ts';
import { leafHash } from '#lib/ledger/crypto/merkle.ts';
import { appendLeaf, EMPTY_RANGE, rangeRoot } from '#lib/ledger/crypto/mountain-range.ts';
import { nodeSha256 } from '#lib/ledger/crypto/server.ts';
import { bytesEqual } from '#lib/ledger/crypto/sha256.ts';
import { headerHash, type Header } from '#lib/ledger/pbft/messages/header.ts';
import type { Application, AppState, Constitution, Effect } from '#lib/ledger/pbft/types.ts';
import { partBytes } from '#lib/ledger/pbft/state-parts.ts';
import { expected, LedgerFailure } from './failure.ts';

type Executed = Extract<Effect, { type: 'executed' }>;

/** Bytes of a result's leaf: id, sequence, code. */
const RESULT_BYTES = resultBytes({ id: new Uint8Array(32), sequence: 0n, code: 'ok' }).length;

export interface Outcome {
  readonly sequence: number;
  readonly code: ResultCode;
}

/** An epoch as the chain has it: who votes, and what it began with. */
export interface Epoch {
  readonly constitution: Constitution;
  readonly base: { readonly sequence: number; readonly headerHash: Uint8Array };
}

/**
 * The one chain that correct replicas may execute. The first to execute a block has it executed here
 * once more, from the state that all before it agreed on; the others must say the same.
 */
export class Chain {
  readonly epochs: Epoch[] = [];
  readonly outcomes = new Map<string, Outcome>();
  private readonly hashes: Uint8Array[];
  private readonly headers: Header[] = [];
  private readonly application: Application;
  private range = EMPTY_RANGE;
  private app: AppState;
  private timeMs: number;
  private readonly submitted: ReadonlySet<string>;

  constructor(of: {
    readonly application: Application;
    readonly genesis: AppState;
    readonly genesisHash: Uint8Array;
    readonly timeMs: number;
    /** Ids of all transactions that a client ever sent. */
    readonly submitted: ReadonlySet<string>;
  }) {
    this.application = of.application;
    this.app = of.genesis;
    this.hashes = [of.genesisHash];
    this.timeMs = of.timeMs;
    this.submitted = of.submitted;
    this.epochs.push({
      constitution: this.application.constitution(this.app),
      base: { sequence: 0, headerHash: of.genesisHash },
    });
  }

  get height(): number {
    return this.hashes.length - 1;
  }

  /** The last state that anybody correct has executed. */
  get state(): AppState {
    return this.app;
  }

  get constitution(): Constitution {
    return this.application.constitution(this.app);
  }

  hashAt(sequence: number): Uint8Array | null {
    return this.hashes[sequence] ?? null;
  }

  /** Those after `from` and before `to`, in order. */
  headersBetween(from: number, to: number): readonly Header[] {
    return this.headers.slice(from, to - 1);
  }

  /** A correct replica says that it executed this. @returns true where nobody had before. */
  executed({ header, batch, results }: Executed): boolean {
    const { sequence } = header;
    const hash = headerHash(header, nodeSha256);
    const known = this.hashes[sequence];
    if (known !== undefined) {
      expected(bytesEqual(known, hash), 'agreement', () => `two blocks at ${sequence}`);
      return false;
    }
    expected(sequence === this.height + 1, 'prefix', () => `block ${sequence} out of order`);
    const last = this.hashes[sequence - 1];
    expected(
      last !== undefined && bytesEqual(header.prevHeaderHash, last),
      'prefix',
      () => `block ${sequence} follows another`,
    );
    this.execute(header, batch);
    for (const result of results) this.once(result, sequence);
    this.hashes.push(hash);
    this.headers.push(header);
    const next = this.constitution;
    if (next.epoch !== this.epochs.at(-1)?.constitution.epoch)
      this.epochs.push({ constitution: next, base: { sequence, headerHash: hash } });
    return true;
  }

  private execute(header: Header, batch: Executed['batch']): void {
    const { application } = this;
    const { sequence } = header;
    const epoch = this.epochs.length - 1;
    for (const request of batch.requests) {
      const read = readTransaction(request, nodeSha256);
      const isKnown = !isFault(read) && this.submitted.has(toHex(read.id));
      expected(isKnown, 'validity', () => `block ${sequence} holds what nobody sent`);
    }
    const timeMs = Math.max(this.timeMs, batch.timeMs);
    const execution = application.execute(this.app, { sequence, timeMs, batch });
    this.app = execution.state;
    this.range = appendLeaf(
      this.range,
      leafHash(this.hashes[sequence - 1]!, nodeSha256),
      nodeSha256,
    ).range;
    this.timeMs = timeMs;
    const wanted: readonly (readonly [string, Uint8Array | number, Uint8Array | number])[] = [
      ['epoch', header.epoch, epoch],
      ['time', header.timeMs, timeMs],
      ['batch', header.batchDigest, batch.digest],
      ['results', header.resultsRoot, execution.resultsRoot],
      ['state', header.stateRoot, application.stateRoot(this.app)],
      ['history', header.historyRoot, rangeRoot(this.range, nodeSha256)],
      ['members', header.nextMembersHash, nodeSha256(this.constitution.membership)],
    ];
    for (const [name, is, should] of wanted) {
      const isSame =
        is instanceof Uint8Array && should instanceof Uint8Array
          ? bytesEqual(is, should)
          : is === should;
      expected(isSame, 'validity', () => `block ${sequence}: its ${name} is not what follows`);
    }
  }

  /** A transaction's result never changes, and its effect is where the first one says. */
  private once(result: Uint8Array, sequence: number): void {
    expected(result.length === RESULT_BYTES, 'validity', () => 'a result of another length');
    const id = toHex(result.subarray(0, 32));
    const view = new DataView(result.buffer, result.byteOffset);
    const outcome = {
      sequence: Number(view.getBigUint64(32)),
      code: RESULT_CODES[result[40] ?? 0] ?? 'wire/malformed',
    };
    const known = this.outcomes.get(id);
    if (known === undefined) {
      this.outcomes.set(id, outcome);
      return;
    }
    const isSame = known.sequence === outcome.sequence && known.code === outcome.code;
    expected(isSame, 'once', () => {
      const [first, now] = [known, outcome].map(({ sequence: at, code }) => `${code} at ${at}`);
      return `${id.slice(0, 8)} was ${first ?? ''}, in block ${sequence} it is ${now ?? ''}`;
    });
  }

  /** All credit, counted from the records themselves. */
  checkSupply(): void {
    let micro = 0n;
    for (const value of unpackParts(partBytes(this.application.parts(this.app)))) {
      const read = readRecord(value);
      if (isFault(read)) throw new LedgerFailure('supply', 'a record that cannot be read');
      micro += microOf(read.kind, read.record as never);
      if (read.kind === 'totals') micro += read.record.treasuryMicro + read.record.burnMicro;
    }
    expected(micro === SUPPLY_MICRO, 'supply', () => `${micro} micro in all`);
  }
}
