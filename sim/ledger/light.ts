import { isFault, type FaultError } from '#lib/kernel/errors.ts';
import { writeGenesis, type Genesis } from '#lib/ledger/account/genesis.ts';
import { adoptEnd, adoptHeader, type Judgement } from '#lib/ledger/client/light/adopt.ts';
import { lastEpoch, lightGenesis, type LightChain } from '#lib/ledger/client/light/chain.ts';
import type { Verify } from '#lib/ledger/crypto/ed25519/rule.ts';
import { nodeSha256 } from '#lib/ledger/crypto/server.ts';
import { bytesEqual } from '#lib/ledger/crypto/sha256.ts';
import { headerHash, type Header } from '#lib/ledger/pbft/messages/header.ts';
import type { SealCertificate } from '#lib/ledger/pbft/messages/seal.ts';
import type { Effect } from '#lib/ledger/pbft/types.ts';
import type { Chain } from './chain.ts';
import { expected, LedgerFailure } from './failure.ts';

type Stable = Extract<Effect, { type: 'stable' }>['state'];

/** A reader that executes nothing: it follows certified headers, and never takes another chain. */
export class Light {
  /** Headers that it took. */
  taken = 0;
  private light: LightChain;
  private readonly chain: Chain;
  private readonly verify: Verify;

  constructor(of: { readonly genesis: Genesis; readonly chain: Chain; readonly verify: Verify }) {
    const made = lightGenesis(writeGenesis(of.genesis), nodeSha256);
    if (isFault(made)) throw made;
    this.light = made.light;
    this.chain = of.chain;
    this.verify = of.verify;
  }

  /** A correct replica shows its newest checkpoint; a liar shows one beside it. */
  shown({ header, certificate, epochEnds }: Stable): void {
    if (header.sequence <= this.light.newest.header.sequence) return;
    // Nothing that a light client looks at.
    if (certificate.seals.length < this.quorum(header.epoch)) return;
    for (const end of epochEnds) {
      if (end.header.epoch !== lastEpoch(this.light).electors.epoch) continue;
      this.accept(adoptEnd(this.light, end, nodeSha256), `the end of epoch ${end.header.epoch}`);
    }
    this.lied(header, certificate);
    const judged = this.judge(header, certificate);
    this.accept(judged, `the checkpoint ${header.sequence}`);
    this.taken += 1;
    const { newest } = this.light;
    const known = this.chain.hashAt(newest.header.sequence);
    const isOurs = known !== null && bytesEqual(known, newest.headerHash);
    expected(isOurs, 'light', () => `took another block at ${newest.header.sequence}`);
  }

  /** Another header under the same SEALs, and the header under all but one of q. */
  private lied(header: Header, certificate: SealCertificate): void {
    const other = { ...header, timeMs: header.timeMs + 1 };
    const hash = headerHash(other, nodeSha256);
    const few = { ...certificate, seals: certificate.seals.slice(1) };
    const isFew = few.seals.length < this.quorum(header.epoch);
    const lies = [this.judge(other, { ...certificate, headerHash: hash })];
    if (isFew) lies.push(this.judge(header, few));
    for (const judged of lies)
      expected(this.take(judged) === null, 'light', () => `took a lie at ${header.sequence}`);
  }

  private quorum(epoch: number): number {
    const n = this.light.epochs[epoch]?.electors.voteKeys.length ?? 0;
    return Math.ceil((n + Math.floor((n - 1) / 3) + 1) / 2);
  }

  private judge(header: Header, certificate: SealCertificate): Judgement | FaultError {
    const from = this.light.newest.header.sequence;
    const headers = this.chain.headersBetween(from, header.sequence);
    const extension = { type: 'headers', headers } as const;
    const sealed = { header, seals: [certificate] };
    return adoptHeader(this.light, { sealed, extension }, nodeSha256);
  }

  private accept(judged: Judgement | FaultError, what: string): void {
    const light = this.take(judged);
    if (light === null) {
      const why = isFault(judged) ? judged.message : 'a signature does not hold';
      throw new LedgerFailure('light', `refuses ${what}: ${why}`);
    }
    this.light = light;
  }

  /** Where the chain stands if every signature holds; null: nothing is taken. */
  private take(judged: Judgement | FaultError): LightChain | null {
    if (isFault(judged)) return null;
    const { checks, light, conflict } = judged;
    const holds = checks.every(({ publicKey, message, signature }) =>
      this.verify(publicKey, message, signature),
    );
    if (!holds) return null;
    expected(conflict === null, 'light', () => 'a quorum sealed two chains');
    return light;
  }
}
