import { isFault } from '#lib/kernel/errors.ts';
import type { Verify } from '#lib/ledger/crypto/ed25519/rule.ts';
import type { Sha256 } from '#lib/ledger/crypto/sha256.ts';
import { adoptEnd } from './light/adopt.ts';
import { lightGenesis, rejected, type CertifiedHeader } from './light/chain.ts';
import { judgeConflict, readEvidence } from './light/conflict.ts';
import type { SignatureCheck } from './light/electors.ts';

interface Place {
  readonly epoch: number;
  readonly sequence: number;
  readonly headerHash: Uint8Array;
}

export interface EvidenceReport {
  readonly first: Place;
  readonly second: Place;
  /** Indexes of the replicas that signed both, where the two are of one place. */
  readonly both: readonly number[];
}

/** Judges exported evidence by the genesis alone. @throws FaultError wire/malformed, ledger/unproven */
export function judgeEvidence(of: {
  readonly genesis: Uint8Array;
  readonly evidence: Uint8Array;
  readonly verify: Verify;
  readonly sha256: Sha256;
}): EvidenceReport {
  const { sha256 } = of;
  const made = lightGenesis(of.genesis, sha256);
  if (isFault(made)) throw made;
  const read = readEvidence(of.evidence, sha256);
  if (isFault(read)) throw read;
  const checks: SignatureCheck[] = [];
  let { light } = made;
  for (const end of read.ends) {
    const judgement = adoptEnd(light, end, sha256);
    if (isFault(judgement)) throw judgement;
    checks.push(...judgement.checks);
    light = judgement.light;
  }
  const verdict = judgeConflict(light, read.conflict, sha256);
  if (isFault(verdict)) throw verdict;
  checks.push(...verdict.checks);
  const hold = checks.every((each) => of.verify(each.publicKey, each.message, each.signature));
  if (!hold) throw rejected('a SEAL’s signature does not hold');
  const { first, second } = read.conflict;
  return { first: placeOf(first), second: placeOf(second), both: verdict.both };
}

const placeOf = ({ header, headerHash }: CertifiedHeader): Place => ({
  ...{ epoch: header.epoch, sequence: header.sequence, headerHash },
});
