import { readMembership } from '#lib/ledger/account/epochs.ts';
import type { Sha256 } from '#lib/ledger/crypto/sha256.ts';
import { signedBytes } from '#lib/ledger/pbft/messages/signing.ts';
import { sealBodyBytes } from '#lib/ledger/pbft/messages/seal.ts';
import { quorumOf, weakQuorumOf } from '#lib/ledger/pbft/quorum.ts';
import type { SealSet } from '../wire/answers.ts';

/** Who seals the blocks of one epoch. */
export interface Electors {
  readonly chain: Uint8Array;
  readonly epoch: number;
  /** Vote keys by index of the replica. */
  readonly voteKeys: readonly Uint8Array[];
  /** SHA-256 of the member list, as the header before the epoch has it. */
  readonly membersHash: Uint8Array;
}

/** The electors of a member list, or null where the bytes are none. */
export function electorsOf(
  membership: Uint8Array,
  chain: Uint8Array,
  sha256: Sha256,
): Electors | null {
  const read = readMembership(membership);
  if (read === null) return null;
  return {
    chain,
    epoch: Number(read.epoch),
    voteKeys: read.replicas.map(({ voteKey }) => voteKey),
    membersHash: sha256(membership),
  };
}

/** One signature that has to hold. Who verifies them may do so in any order, or many at once. */
export interface SignatureCheck {
  readonly publicKey: Uint8Array;
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
}

/** What SEALs of one header are worth: q of them, f + 1, or fewer. */
export type Weight = 'header' | 'reply' | 'none';

/** The weight that these SEALs have if all their signatures hold. */
export function weightOf({ voteKeys }: Electors, { seals }: SealSet): Weight {
  const distinct = new Set(seals.map(({ replica }) => replica));
  const n = voteKeys.length;
  if (distinct.size >= quorumOf(n)) return 'header';
  return distinct.size >= weakQuorumOf(n) ? 'reply' : 'none';
}

/** The signatures of a set of SEALs, or null where one is of no elector, or of one twice. */
export function sealChecks(of: Electors, set: SealSet): readonly SignatureCheck[] | null {
  const message = signedBytes('seal', of.chain, sealBodyBytes(set));
  const checks: SignatureCheck[] = [];
  const seen = new Set<number>();
  for (const { replica, signature } of set.seals) {
    const publicKey = of.voteKeys[replica];
    if (publicKey === undefined || seen.has(replica)) return null;
    seen.add(replica);
    checks.push({ publicKey, message, signature });
  }
  return checks;
}
