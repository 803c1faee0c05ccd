import { toHex, utf8 } from '#lib/kernel/bytes.ts';
import { isFault } from '#lib/kernel/errors.ts';
import type { Random } from '#lib/kernel/random.ts';
import { accountId } from '#lib/ledger/account/accounts.ts';
import type { Body, BodyOf, Change } from '#lib/ledger/account/codec/bodies.ts';
import {
  approvalBytes,
  possessionBytes,
  readTransaction,
  signTransaction,
} from '#lib/ledger/account/codec/transaction.ts';
import { compareBytes } from '#lib/ledger/crypto/sha256.ts';
import { nodeSha256 } from '#lib/ledger/crypto/server.ts';
import { quorumOf } from '#lib/ledger/pbft/quorum.ts';
import type { KeyRing } from './keys.ts';
import { GATEWAY } from './genesis.ts';

const VALID_MS = 240_000n;
const HOUR_MS = 3_600_000n;
const GRANT_MICRO = 100_000n;

/** One transaction on its way. */
export interface Sent {
  readonly id: string;
  readonly by: string;
  readonly bytes: Uint8Array;
  /** The same under another signature. */
  readonly again: Uint8Array;
  readonly onDone: () => void;
}

/** People, a gateway and operators, who ask for what may be asked for; all from one seed. */
export class Clients {
  readonly sent = new Map<string, Sent>();
  /** Ids of all that was ever sent. */
  readonly submitted = new Set<string>();
  private readonly random: Random;
  private readonly keys: KeyRing;
  private readonly chain: Uint8Array;
  private readonly wallMs: () => number;
  private readonly accounts: string[] = [];
  private readonly holds: { readonly id: Uint8Array; readonly by: string }[] = [];
  private count = 0;

  constructor(of: {
    readonly random: Random;
    readonly keys: KeyRing;
    readonly chain: Uint8Array;
    readonly wallMs: () => number;
  }) {
    this.random = of.random;
    this.keys = of.keys;
    this.chain = of.chain;
    this.wallMs = of.wallMs;
  }

  /** What somebody asks for next. */
  next(): Sent {
    const { random } = this;
    const name = this.accounts.length > 0 ? random.pick(this.accounts) : null;
    if (name === null || random.chance(0.25)) return this.grant();
    const [hold] = this.holds;
    if (hold && random.chance(0.4)) {
      this.holds.shift();
      const body: Body = random.chance(0.7)
        ? { type: 'capture', holdId: hold.id, amountMicro: 40n }
        : { type: 'void', holdId: hold.id };
      return this.send(GATEWAY, body);
    }
    if (random.chance(0.4)) return this.burn(name);
    return this.hold(name);
  }

  /** An account of its own that a censoring primary leaves out. */
  grant(name = `person ${(this.count += 1)}`): Sent {
    const body: Body = {
      type: 'grant',
      publicKey: this.keys.signer(name).publicKey,
      amountMicro: GRANT_MICRO,
      expiresAtMs: this.now + 24n * HOUR_MS,
    };
    return this.send(GATEWAY, body, () => this.accounts.push(name));
  }

  private burn(name: string): Sent {
    return this.send(name, { type: 'burn', account: this.idOf(name), amountMicro: 7n });
  }

  private hold(name: string): Sent {
    const id = this.holdId();
    const body: Body = {
      type: 'hold',
      holdId: id,
      account: this.idOf(name),
      gateway: this.keys.signer(GATEWAY).publicKey,
      amountMicro: 50n,
      expiresAtMs: this.now + HOUR_MS,
      cluster: null,
    };
    return this.send(name, body, () => this.holds.push({ id, by: name }));
  }

  /** One that was sent before: still unanswered, or long done. */
  old(): Sent | null {
    const all = [...this.sent.values()];
    return all.length === 0 ? null : this.random.pick(all.slice(-20));
  }

  /** Operators change the ledger itself, with the approvals of q of them. */
  change(
    body: Omit<Change, 'approvals' | 'possession'>,
    operators: readonly string[],
    voteKey: string | null = null,
  ): Sent {
    const possession = voteKey === null ? {} : { possession: this.possession(body, voteKey) };
    const bare = { ...body, ...possession, approvals: [NO_APPROVAL] } as unknown as Change;
    const message = approvalBytes(this.chain, bare);
    const approvals = operators
      .slice(0, quorumOf(operators.length))
      .map((name) => {
        const signer = this.keys.signer(name);
        return { operatorKey: signer.publicKey, signature: signer.sign(message) };
      })
      .sort((a, b) => compareBytes(a.operatorKey, b.operatorKey));
    return this.send(operators[0]!, { ...bare, approvals });
  }

  private possession(body: Omit<Change, 'approvals' | 'possession'>, voteKey: string): Uint8Array {
    const { epoch, operatorKey } = body as BodyOf<'rotate-replica'>;
    const signer = this.keys.signer(voteKey);
    const of = { epoch, operatorKey, voteKey: signer.publicKey };
    return signer.sign(possessionBytes(this.chain, of));
  }

  private send(by: string, body: Body, onDone: () => void = () => undefined): Sent {
    this.count += 1;
    const request = {
      chain: this.chain,
      nonce: BigInt(this.count),
      validUntilMs: this.now + VALID_MS,
      body,
    };
    const bytes = signTransaction(request, this.keys.signer(by));
    const again = signTransaction(request, this.keys.again(by));
    const read = readTransaction(bytes, nodeSha256);
    if (isFault(read)) throw read;
    const id = toHex(read.id);
    const sent = { id, by, bytes, again, onDone };
    this.sent.set(id, sent);
    this.submitted.add(id);
    return sent;
  }

  private get now(): bigint {
    return BigInt(Math.round(this.wallMs()));
  }

  private idOf(name: string): Uint8Array {
    return accountId(this.keys.signer(name).publicKey, nodeSha256);
  }

  private holdId(): Uint8Array {
    const id = nodeSha256(utf8(`hold ${(this.count += 1)}`)).slice(0, 16);
    const view = new DataView(id.buffer);
    view.setUint16(0, Number(this.now >> 32n));
    view.setUint32(2, Number(this.now & 0xffffffffn));
    return id;
  }
}

const NO_APPROVAL = { operatorKey: new Uint8Array(32), signature: new Uint8Array(64) };
