import { createHash } from 'node:crypto';
import { must } from '#lib/kernel/assert.ts';
import { toHex, utf8 } from '#lib/kernel/bytes.ts';
import { isFault } from '#lib/kernel/errors.ts';
import type { Signer } from '#lib/kernel/ports.ts';
import { accountId } from '#lib/ledger/account/accounts.ts';
import type { Body, Change } from '#lib/ledger/account/codec/bodies.ts';
import {
  approvalBytes,
  possessionBytes,
  readTransaction,
  signTransaction,
  type Transaction,
} from '#lib/ledger/account/codec/transaction.ts';
import { execute, type Execution, type Result } from '#lib/ledger/account/execute.ts';
import { chainOf, genesisState, type Genesis } from '#lib/ledger/account/genesis.ts';
import type { Kind, Records } from '#lib/ledger/account/records/kinds.ts';
import { recordOf, totalsOf, type LedgerState } from '#lib/ledger/account/state.ts';
import { compareBytes } from '#lib/ledger/crypto/sha256.ts';
import { nodeSha256, nodeSigner } from '#lib/ledger/crypto/server.ts';

/** 2026-01-01, the start of a ledger day. */
export const START_MS = 1_767_225_600_000n;
export const DAY = 86_400_000n;
export const HOUR = 3_600_000n;

export const bytes32 = (name: string): Uint8Array =>
  Uint8Array.from(createHash('sha256').update(name).digest());

const signers = new Map<string, Signer>();

/** A key that signs, by name. */
export function signerOf(name: string): Signer {
  const signer = signers.get(name) ?? nodeSigner(bytes32(`seed of ${name}`));
  signers.set(name, signer);
  return signer;
}

/** A key with a signature of zeros: execution verifies none, and signing is what takes time. */
export const unsigned = (name: string): Signer => ({
  publicKey: bytes32(`public key of ${name}`),
  sign: () => new Uint8Array(64),
});

/** A key that is nobody's, where no signature is asked for. */
export const keyOf = (name: string): Uint8Array => unsigned(name).publicKey;
export const idOf = (name: string): Uint8Array => accountId(keyOf(name), nodeSha256);

export const OPERATORS = ['operator 0', 'operator 1', 'operator 2', 'operator 3'] as const;

export function genesisOf(
  keyNamed: (name: string) => Uint8Array = keyOf,
  parameters: Partial<Genesis['parameters']> = {},
): Genesis {
  return {
    name: utf8('test'),
    timeMs: START_MS,
    replicas: OPERATORS.map((operator, i) => ({
      operatorKey: keyNamed(operator),
      voteKey: keyNamed(`vote ${i}`),
      transportKey: keyNamed(`transport ${i}`),
      address: utf8(`127.0.0.1:${4000 + i}`),
    })),
    gateways: ['gateway', 'other gateway'].map((name) => ({
      publicKey: keyNamed(name),
      grantsPerDay: 100n,
      grantMicroMax: 10_000n,
      subsidyPerDayMicro: 5_000n,
    })),
    parameters: {
      burnPpm: 10_000n,
      microPerTeraflop: 1_000_000n,
      holdMicroMin: 10n,
      priorityMicro: 50_000n,
      checkpointInterval: 8n,
      window: 4n,
      logWindow: 16n,
      viewTimeoutMs: 1_000n,
      batchMax: 64n,
      ...parameters,
    },
  };
}

/** Who asks for what; `nonce` and `validUntilMs` where they matter. */
export interface Ask {
  readonly by: string;
  readonly body: Body;
  readonly nonce?: bigint;
  readonly validUntilMs?: bigint;
}

/** A ledger in a test: blocks one after the other, keys by name, no signatures. */
export class World {
  state: LedgerState;
  sequence = 0n;
  timeMs = START_MS;
  readonly genesis: Genesis;
  readonly chain: Uint8Array;
  readonly signer: (name: string) => Signer;
  #nonce = 0n;

  constructor(
    parameters: Partial<Genesis['parameters']> = {},
    signer: (name: string) => Signer = unsigned,
  ) {
    this.signer = signer;
    this.genesis = genesisOf((name) => signer(name).publicKey, parameters);
    this.chain = chainOf(this.genesis, nodeSha256);
    this.state = genesisState(this.genesis, nodeSha256);
  }

  key(name: string): Uint8Array {
    return this.signer(name).publicKey;
  }

  id(name: string): Uint8Array {
    return accountId(this.key(name), nodeSha256);
  }

  /** The bytes of a transaction by `by`. */
  sign({ by, body, nonce, validUntilMs }: Ask): Uint8Array {
    this.#nonce += 1n;
    return signTransaction(
      {
        chain: this.chain,
        nonce: nonce ?? this.#nonce,
        validUntilMs: validUntilMs ?? this.timeMs + 60_000n,
        body,
      },
      this.signer(by),
    );
  }

  /** A block of these transactions, `laterMs` after the last one. */
  block(transactions: readonly (Transaction | Uint8Array)[], laterMs = 0n): Execution {
    this.timeMs += laterMs;
    this.sequence += 1n;
    const block = { sequence: this.sequence, timeMs: this.timeMs, transactions };
    const execution = execute(this.state, block, nodeSha256);
    this.state = execution.state;
    return execution;
  }

  /** A block with what was asked for: the codes, in order. */
  do(...asked: readonly Ask[]): string[] {
    return this.results(...asked).map(({ code }) => code);
  }

  results(...asked: readonly Ask[]): readonly Result[] {
    return this.block(asked.map((ask) => this.sign(ask))).results;
  }

  /** Lets time pass, and the sweep settle what falls due. */
  wait(ms: bigint): void {
    this.block([], ms);
  }

  get<K extends Kind>(kind: K, id: Uint8Array): Records[K] | null {
    return recordOf(this.state, [kind, id], nodeSha256);
  }

  account(name: string): Records['account'] {
    return must(this.get('account', this.id(name)), `an account of ${name}`);
  }

  get totals(): Records['totals'] {
    return totalsOf(this.state, nodeSha256);
  }

  get constitution(): Records['constitution'] {
    return must(this.get('constitution', new Uint8Array(0)), 'a constitution');
  }

  /** A hold's id made now, by name. */
  holdId(name: string): Uint8Array {
    const id = bytes32(name).slice(0, 16);
    new DataView(id.buffer).setUint16(0, Number(this.timeMs >> 32n));
    new DataView(id.buffer).setUint32(2, Number(this.timeMs & 0xffffffffn));
    return id;
  }

  grant(name: string, amountMicro = 1_000n, expiresAtMs = this.timeMs + 30n * DAY): Ask {
    return {
      by: 'gateway',
      body: { type: 'grant', publicKey: this.key(name), amountMicro, expiresAtMs },
    };
  }

  hold(holdId: Uint8Array, name: string, more: Partial<Body & { type: 'hold' }> = {}): Ask {
    const body = {
      type: 'hold',
      holdId,
      account: this.id(name),
      gateway: this.key('gateway'),
      amountMicro: 100n,
      expiresAtMs: this.timeMs + HOUR,
      cluster: null,
      ...more,
    } as const;
    return { by: name, body };
  }

  capture(holdId: Uint8Array, amountMicro: bigint, by = 'gateway'): Ask {
    return { by, body: { type: 'capture', holdId, amountMicro } };
  }

  void(holdId: Uint8Array, by = 'gateway'): Ask {
    return { by, body: { type: 'void', holdId } };
  }

  mint(holdId: Uint8Array, more: Partial<Body & { type: 'mint' }> = {}): Ask {
    const body = {
      type: 'mint',
      holdId,
      segment: 0n,
      chunk: 0n,
      potMicro: 10n,
      subsidyMicro: 0n,
      shares: [{ worker: this.key('worker'), flops: 10n ** 12n }],
      proof: { tag: 0n, manifest: bytes32('model'), firstPosition: 0n, tokens: 32n },
      ...more,
    } as const;
    return { by: 'gateway', body };
  }

  /** A new job of `name`, captured whole: its pot is full. */
  pot(name: string, micro: bigint): Uint8Array {
    const holdId = this.holdId(`pot of ${name} ${this.sequence}`);
    this.do(
      this.grant(name, micro),
      this.hold(holdId, name, { amountMicro: micro }),
      this.capture(holdId, micro),
    );
    return holdId;
  }

  /** A change with the approvals of these operators. */
  change<C extends Change>(
    body: Omit<C, 'approvals' | 'epoch' | 'possession'> & Partial<C>,
    operators: readonly string[] = OPERATORS.slice(0, 3),
  ): C {
    const epoch = body.epoch ?? this.constitution.epoch;
    const possession =
      'voteKey' in body && !('possession' in body) ? { possession: new Uint8Array(64) } : {};
    const bare = { ...body, ...possession, epoch, approvals: [NO_APPROVAL] } as unknown as C;
    const message = approvalBytes(this.chain, bare);
    const approvals = operators
      .map((name) => ({
        operatorKey: this.key(name),
        signature: this.signer(name).sign(message),
      }))
      .sort((a, b) => compareBytes(a.operatorKey, b.operatorKey));
    return { ...bare, approvals };
  }

  possession(voteKey: string, operatorKey: Uint8Array): Uint8Array {
    const { epoch } = this.constitution;
    const of = { epoch, operatorKey, voteKey: this.key(voteKey) };
    return this.signer(voteKey).sign(possessionBytes(this.chain, of));
  }

  /** Empty blocks up to the end of the epoch in which something waits. */
  toNextEpoch(): void {
    const { epoch } = this.constitution;
    while (this.constitution.epoch === epoch) this.block([]);
  }

  get rootHash(): string {
    return toHex(this.state.trie.rootHash);
  }
}

const NO_APPROVAL = { operatorKey: new Uint8Array(32), signature: new Uint8Array(64) };

export function read(bytes: Uint8Array): Transaction {
  const transaction = readTransaction(bytes, nodeSha256);
  if (isFault(transaction)) throw transaction;
  return transaction;
}
