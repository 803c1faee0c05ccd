import { isFault } from '#lib/kernel/errors.ts';
import type { Verify } from '#lib/ledger/crypto/ed25519/rule.ts';
import type { Sha256 } from '#lib/ledger/crypto/sha256.ts';
import { adoptEnd } from './light/adopt.ts';
import type { EpochEnd } from '#lib/ledger/pbft/messages/state-transfer.ts';
import type { Evidence } from '#lib/ledger/pbft/types.ts';
import { lightGenesis, rejected, type CertifiedHeader, type LightChain } from './light/chain.ts';
import { judgeConflict, readEvidence } from './light/conflict.ts';
import type { SignatureCheck } from './light/electors.ts';
import { MISCONDUCT_VERSION, convicts, readMisconduct } from './misconduct.ts';

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

/** A file, and what it is judged by. */
interface Exhibit {
  readonly genesis: Uint8Array;
  readonly evidence: Uint8Array;
  readonly verify: Verify;
  readonly sha256: Sha256;
}

/** What an exported file shows of one replica. */
export interface MisconductReport {
  readonly epoch: number;
  /** Its index among the members of that epoch. */
  readonly replica: number;
  readonly kind: Evidence['kind'];
}

/** @returns whether the file is of one replica that signed twice, and not of two certificates. */
export const isMisconduct = (evidence: Uint8Array): boolean => evidence[0] === MISCONDUCT_VERSION;

/** Judges an exported piece by the genesis alone. @throws FaultError wire/malformed, ledger/unproven */
export function judgeMisconduct(of: Exhibit): MisconductReport {
  const read = readMisconduct(of.evidence);
  if (isFault(read)) throw read;
  const { light, checks } = chainWith(of, read.ends);
  requireAll(of, checks);
  const { epoch, replica, kind } = read.evidence;
  if (!convicts(light, read.evidence, of.verify)) throw rejected('it convicts nobody');
  return { epoch, replica, kind };
}

/** The chain of the genesis with these epoch ends, if the signatures to be checked hold. */
function chainWith(
  { genesis, sha256 }: Exhibit,
  ends: readonly EpochEnd[],
): { readonly light: LightChain; readonly checks: SignatureCheck[] } {
  const made = lightGenesis(genesis, sha256);
  if (isFault(made)) throw made;
  const checks: SignatureCheck[] = [];
  let { light } = made;
  for (const end of ends) {
    const judgement = adoptEnd(light, end, sha256);
    if (isFault(judgement)) throw judgement;
    checks.push(...judgement.checks);
    light = judgement.light;
  }
  return { light, checks };
}

function requireAll({ verify }: Exhibit, checks: readonly SignatureCheck[]): void {
  const hold = checks.every((each) => verify(each.publicKey, each.message, each.signature));
  if (!hold) throw rejected('a SEAL’s signature does not hold');
}

/** Judges exported evidence by the genesis alone. @throws FaultError wire/malformed, ledger/unproven */
export function judgeEvidence(of: Exhibit): EvidenceReport {
  const { sha256 } = of;
  const read = readEvidence(of.evidence, sha256);
  if (isFault(read)) throw read;
  const { light, checks } = chainWith(of, read.ends);
  const verdict = judgeConflict(light, read.conflict, sha256);
  if (isFault(verdict)) throw verdict;
  checks.push(...verdict.checks);
  requireAll(of, checks);
  const { first, second } = read.conflict;
  return { first: placeOf(first), second: placeOf(second), both: verdict.both };
}

const placeOf = ({ header, headerHash }: CertifiedHeader): Place => ({
  ...{ epoch: header.epoch, sequence: header.sequence, headerHash },
});
