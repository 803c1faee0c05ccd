import { bytesEqual } from '#lib/ledger/crypto/sha256.ts';
import type { SealCertificate } from './messages/seal.ts';
import type { PreparedCertificate, ViewChange } from './messages/view-change.ts';
import { quorumOf } from './quorum.ts';
import {
  electorateOf,
  sealHolds,
  viewChangeHolds,
  voteHolds,
  type Electorate,
} from './signatures.ts';
import type { ReplicaState } from './state.ts';

/** q equal SEALs of distinct members. Lists are ascending by decoding, so nobody counts twice. */
export function sealCertificateHolds(of: Electorate, certificate: SealCertificate): boolean {
  const { seals, epoch, sequence, headerHash } = certificate;
  if (seals.length < quorumOf(of.members.length) || !isAscending(seals)) return false;
  return seals.every((each) => sealHolds(of, { epoch, sequence, headerHash, ...each }));
}

/** PRE-PREPARE by the view's primary and q − 1 PREPAREs by distinct others, of one digest. */
export function preparedHolds(of: Electorate, certificate: PreparedCertificate): boolean {
  const { epoch, view, sequence, digest, proposal, prepares } = certificate;
  const n = of.members.length;
  const primary = view % n;
  if (proposal.replica !== primary || !isAscending(prepares)) return false;
  if (prepares.length < quorumOf(n) - 1) return false;
  if (prepares.some(({ replica }) => replica === primary)) return false;
  const body = { epoch, view, sequence, digest };
  return (
    voteHolds(of, { type: 'pre-prepare', ...body, ...proposal }) &&
    prepares.every((each) => voteHolds(of, { type: 'prepare', ...body, ...each }))
  );
}

const isAscending = (items: readonly { readonly replica: number }[]): boolean =>
  items.every((item, i) => i === 0 || (items[i - 1]?.replica ?? -1) < item.replica);

/** What a VIEW-CHANGE is judged by. */
export interface EpochFrame {
  readonly of: Electorate;
  readonly epoch: number;
  readonly base: { readonly sequence: number; readonly headerHash: Uint8Array };
  readonly checkpointInterval: number;
  readonly logWindow: number;
}

export const frameOf = (state: ReplicaState): EpochFrame => ({
  of: electorateOf(state),
  epoch: state.constitution.epoch,
  base: state.base,
  checkpointInterval: state.constitution.parameters.checkpointInterval,
  logWindow: state.constitution.parameters.logWindow,
});

/** Signature, checkpoint and every certificate: one that is invalid discards this message only. */
export function viewChangeIsValid(frame: EpochFrame, message: ViewChange): boolean {
  const { of, epoch, base } = frame;
  const { checkpoint, prepared, view } = message;
  if (message.epoch !== epoch || view < 1 || !viewChangeHolds(of, message)) return false;
  if (checkpoint.sequence === base.sequence) {
    if (!bytesEqual(checkpoint.headerHash, base.headerHash)) return false;
  } else {
    if (checkpoint.epoch !== epoch || checkpoint.sequence < base.sequence) return false;
    if (checkpoint.sequence % frame.checkpointInterval !== 0) return false;
    if (!sealCertificateHolds(of, checkpoint)) return false;
  }
  const low = checkpoint.sequence;
  return prepared.every(
    (certificate) =>
      certificate.epoch === epoch &&
      certificate.view < view &&
      certificate.sequence > low &&
      certificate.sequence <= low + frame.logWindow &&
      preparedHolds(of, certificate),
  );
}

/** What a set of VIEW-CHANGEs makes a new view begin with. */
export interface Takeover {
  /** The highest proven checkpoint. */
  readonly checkpoint: SealCertificate;
  /** Digests of the slots above it up to the highest that prepared anywhere; null: a null batch. */
  readonly digests: readonly (Uint8Array | null)[];
}

/** Recomputed by everybody from the same VIEW-CHANGEs (OSDI '99 §4.4), which are valid. */
export function takeoverOf(viewChanges: readonly ViewChange[]): Takeover {
  const checkpoint = viewChanges
    .map((each) => each.checkpoint)
    .reduce((high, each) => (each.sequence > high.sequence ? each : high));
  const best = new Map<number, PreparedCertificate>();
  for (const certificate of viewChanges.flatMap(({ prepared }) => prepared)) {
    const known = best.get(certificate.sequence);
    if (known === undefined || certificate.view > known.view) {
      best.set(certificate.sequence, certificate);
    }
  }
  const high = Math.max(checkpoint.sequence, ...best.keys());
  const digests = Array.from(
    { length: high - checkpoint.sequence },
    (_, i) => best.get(checkpoint.sequence + 1 + i)?.digest ?? null,
  );
  return { checkpoint, digests };
}
