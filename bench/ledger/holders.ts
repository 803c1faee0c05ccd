import { must } from '#lib/kernel/assert.ts';
import type { Signer } from '#lib/kernel/ports.ts';
import { accountId } from '#lib/ledger/account/accounts.ts';
import type { Body, Change } from '#lib/ledger/account/codec/bodies.ts';
import { approvalBytes, signTransaction } from '#lib/ledger/account/codec/transaction.ts';
import { nodeSha256, nodeSigner } from '#lib/ledger/crypto/server.ts';
import { compareBytes } from '#lib/ledger/crypto/sha256.ts';
import { signerOf } from '#tests/support/ledger/world.ts';
import { GATEWAYS } from './processes.ts';

const DAY_MS = 86_400_000;
const HOLD_MS = 3_600_000;

/** Accounts of one gateway, and what they sign. */
export class Holders {
  readonly #gateways = GATEWAYS.map(signerOf);
  readonly #chain: Uint8Array;
  readonly #signers: readonly Signer[];
  #nonce = 0;

  constructor(chain: Uint8Array, count: number) {
    this.#chain = chain;
    this.#signers = Array.from({ length: count }, (_, i) => {
      const seed = new Uint8Array(32);
      new DataView(seed.buffer).setUint32(0, i + 1);
      return nodeSigner(seed);
    });
  }

  get count(): number {
    return this.#signers.length;
  }

  signer(index: number): Signer {
    return must(this.#signers[index % this.#signers.length], 'an account');
  }

  gateway(index: number): Signer {
    return must(this.#gateways[index % this.#gateways.length], 'a gateway');
  }

  grant(index: number): Uint8Array {
    const { publicKey } = this.signer(index);
    const expiresAtMs = BigInt(Date.now() + DAY_MS);
    return this.#signed(this.gateway(index), {
      ...{ type: 'grant', publicKey, amountMicro: 1_000_000n, expiresAtMs },
    });
  }

  hold(index: number): Uint8Array {
    const signer = this.signer(index);
    return this.#signed(signer, {
      ...{ type: 'hold', holdId: this.holdId(), account: accountId(signer.publicKey, nodeSha256) },
      ...{ gateway: this.gateway(index).publicKey, amountMicro: 10n, cluster: null },
      expiresAtMs: BigInt(Date.now() + HOLD_MS),
    });
  }

  /** Begins with the time, as the ledger wants it. */
  holdId(): Uint8Array {
    const id = new Uint8Array(16);
    const view = new DataView(id.buffer);
    const now = Date.now();
    view.setUint16(0, Math.floor(now / 2 ** 32));
    view.setUint32(2, now % 2 ** 32);
    this.#nonce += 1;
    view.setUint32(12, this.#nonce);
    return id;
  }

  /** A change that these operators approve, sent by the first. */
  change(body: Change, operators: readonly Signer[]): Uint8Array {
    const message = approvalBytes(this.#chain, body);
    const approvals = operators
      .map((each) => ({ operatorKey: each.publicKey, signature: each.sign(message) }))
      .sort((a, b) => compareBytes(a.operatorKey, b.operatorKey));
    return this.#signed(must(operators[0], 'an operator'), { ...body, approvals });
  }

  #signed(signer: Signer, body: Body): Uint8Array {
    this.#nonce += 1;
    const validUntilMs = BigInt(Date.now() + 300_000);
    const of = { chain: this.#chain, nonce: BigInt(this.#nonce), validUntilMs, body };
    return signTransaction(of, signer);
  }
}
