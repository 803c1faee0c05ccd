import { HASH_BYTES } from '#lib/ledger/crypto/sha256.ts';
import { SIGNATURE_BYTES } from '#lib/ledger/crypto/ed25519/rule.ts';
import { Writer, ascending, type Reader } from '../codec/bytes.ts';
import { LIMITS } from '../limits.ts';
import { REPLICAS_MAX } from '../quorum.ts';
import type { Signed } from './vote.ts';
import { readViewChange, writeViewChange, type ViewChange } from './view-change.ts';

/** A slot that the new view takes over: its PRE-PREPARE without the batch. */
export interface Carried {
  readonly digest: Uint8Array;
  readonly signature: Uint8Array;
}

/** q VIEW-CHANGEs, and the proposals that follow from them: anybody can compute them again. */
export interface NewView extends Signed {
  readonly type: 'new-view';
  readonly epoch: number;
  readonly view: number;
  readonly viewChanges: readonly ViewChange[];
  /** The first carried slot is `minSequence` + 1. */
  readonly minSequence: number;
  readonly carried: readonly Carried[];
}

export const newViewBody = (message: Omit<NewView, 'type' | 'signature'>): Uint8Array =>
  new Writer()
    .u64(message.epoch)
    .u64(message.view)
    .u16(message.replica)
    .list(message.viewChanges, writeViewChange)
    .u64(message.minSequence)
    .list(message.carried, (out, { digest, signature }) => out.raw(digest).raw(signature))
    .done();

export const writeNewView = (out: Writer, message: NewView): Writer =>
  out.raw(newViewBody(message)).raw(message.signature);

export const readNewView = (from: Reader): NewView => ({
  type: 'new-view',
  epoch: from.u64(),
  view: from.u64(),
  replica: from.u16(),
  viewChanges: ascending(from.list(REPLICAS_MAX, readViewChange), ({ replica }) => replica),
  minSequence: from.u64(),
  carried: from.list(LIMITS.logWindowMax, (each) => ({
    digest: each.raw(HASH_BYTES),
    signature: each.raw(SIGNATURE_BYTES),
  })),
  signature: from.raw(SIGNATURE_BYTES),
});
