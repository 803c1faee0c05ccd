import { must } from '#lib/kernel/assert.ts';
import type { Signer } from '#lib/kernel/ports.ts';
import type { Random } from '#lib/kernel/random.ts';
import { accountId } from '#lib/ledger/account/accounts.ts';
import type { Body } from '#lib/ledger/account/codec/bodies.ts';
import { readTransaction, signTransaction } from '#lib/ledger/account/codec/transaction.ts';
import { isFault } from '#lib/kernel/errors.ts';
import { toHex } from '#lib/kernel/bytes.ts';
import { nodeSha256, nodeSigner } from '#lib/ledger/crypto/server.ts';

interface Account {
  readonly signer: Signer;
  readonly id: Uint8Array;
  /** Starter credit that is neither held nor captured. */
  freeMicro: bigint;
  heldMicro: bigint;
}

export interface Planned {
  readonly id: string;
  readonly bytes: Uint8Array;
  /** What the client's own book says once it is acknowledged. */
  readonly settle: () => void;
}

const DAY_MS = 86_400_000;

/** What one gateway and its accounts ask for, and what each should then have. */
export class Book {
  readonly accounts: Account[] = [];
  readonly #open: {
    readonly account: Account;
    readonly holdId: Uint8Array;
    readonly micro: bigint;
  }[] = [];
  readonly #chain: Uint8Array;
  readonly #gateway: Signer;
  readonly #random: Random;
  #nonce = 0n;

  constructor(chain: Uint8Array, gateway: Signer, random: Random) {
    this.#chain = chain;
    this.#gateway = gateway;
    this.#random = random;
  }

  /** The next transaction: it rests on nothing that is not acknowledged. */
  next(): Planned {
    const random = this.#random;
    const account = this.accounts.find(({ freeMicro }) => freeMicro >= 100n);
    if (this.#open.length > 4 && random.chance(0.5)) return this.#capture();
    if (account !== undefined && random.chance(0.7)) return this.#hold(account);
    return this.#grant();
  }

  #grant(): Planned {
    const signer = nodeSigner(Uint8Array.from({ length: 32 }, () => this.#random.below(256)));
    const amountMicro = 1_000n + BigInt(this.#random.below(1_000));
    const expiresAtMs = BigInt(Date.now() + DAY_MS);
    const body = { type: 'grant', publicKey: signer.publicKey, amountMicro, expiresAtMs } as const;
    return this.#plan(body, this.#gateway, () => {
      const id = accountId(signer.publicKey, nodeSha256);
      this.accounts.push({ signer, id, freeMicro: amountMicro, heldMicro: 0n });
    });
  }

  #hold(account: Account): Planned {
    const micro = 100n;
    account.freeMicro -= micro;
    const holdId = this.#holdId();
    const body = {
      type: 'hold',
      holdId,
      account: account.id,
      gateway: this.#gateway.publicKey,
      amountMicro: micro,
      expiresAtMs: BigInt(Date.now() + 3_600_000),
      cluster: null,
    } as const;
    return this.#plan(body, account.signer, () => {
      account.heldMicro += micro;
      this.#open.push({ account, holdId, micro });
    });
  }

  /** Half of it: the rest comes back to where it was from. */
  #capture(): Planned {
    const { account, holdId, micro } = must(this.#open.shift(), 'an open hold');
    const body = { type: 'capture', holdId, amountMicro: micro / 2n } as const;
    return this.#plan(body, this.#gateway, () => {
      account.heldMicro -= micro;
      account.freeMicro += micro - micro / 2n;
    });
  }

  #plan(body: Body, signer: Signer, settle: () => void): Planned {
    this.#nonce += 1n;
    const validUntilMs = BigInt(Date.now()) + 300_000n;
    const bytes = signTransaction(
      { chain: this.#chain, nonce: this.#nonce, validUntilMs, body },
      signer,
    );
    const transaction = readTransaction(bytes, nodeSha256);
    if (isFault(transaction)) throw transaction;
    return { id: toHex(transaction.id), bytes, settle };
  }

  #holdId(): Uint8Array {
    const id = Uint8Array.from({ length: 16 }, () => this.#random.below(256));
    const view = new DataView(id.buffer);
    view.setUint16(0, Math.floor(Date.now() / 2 ** 32));
    view.setUint32(2, Date.now() % 2 ** 32);
    return id;
  }
}
