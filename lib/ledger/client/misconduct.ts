import { toHex } from '#lib/kernel/bytes.ts';
import { isFault, toFault, type FaultError } from '#lib/kernel/errors.ts';
import type { Verify } from '#lib/ledger/crypto/ed25519/rule.ts';
import { Reader, Writer, malformed } from '#lib/ledger/pbft/codec/bytes.ts';
import { evidenceHolds } from '#lib/ledger/pbft/evidence.ts';
import { readEvidence, writeEvidence } from '#lib/ledger/pbft/messages/evidence.ts';
import {
  readEpochEnd,
  writeEpochEnd,
  type EpochEnd,
} from '#lib/ledger/pbft/messages/state-transfer.ts';
import type { Evidence } from '#lib/ledger/pbft/types.ts';
import type { LightChain } from './light/chain.ts';
import { CLIENT_LIMITS } from './limits.ts';
import type { Source } from './source.ts';

/** Two signed messages of one vote key for one place, and the epoch ends that show whose key it is. */
export interface Misconduct {
  readonly evidence: Evidence;
  readonly ends: readonly EpochEnd[];
}

/** First byte of an exported file; 1 is a conflict of certificates (`light/conflict.ts`). */
export const MISCONDUCT_VERSION = 2;

export const misconductName = ({ evidence: { epoch, replica, kind } }: Misconduct): string =>
  `epoch ${epoch}, replica ${replica}, ${kind}`;

export const misconductBytes = ({ evidence, ends }: Misconduct): Uint8Array =>
  writeEvidence(new Writer().u8(MISCONDUCT_VERSION).list(ends, writeEpochEnd), evidence).done();

/** An exported file, or what is wrong with it. Never throws. */
export function readMisconduct(bytes: Uint8Array): Misconduct | FaultError {
  try {
    const from = new Reader(bytes);
    if (from.u8() !== MISCONDUCT_VERSION) throw malformed('evidence of another version');
    const ends = from.list(CLIENT_LIMITS.epochsMax, readEpochEnd);
    const evidence = readEvidence(from);
    from.end();
    return { evidence, ends };
  } catch (error) {
    return toFault(error, 'wire/malformed');
  }
}

/** Under the keys of its epoch; false where that epoch is not known. Never throws. */
export function convicts({ chain, epochs }: LightChain, of: Evidence, verify: Verify): boolean {
  const electors = epochs[of.epoch]?.electors;
  if (electors === undefined) return false;
  const members = electors.voteKeys.map((voteKey) => ({ id: toHex(voteKey), voteKey }));
  return evidenceHolds({ env: { chain, verify }, members }, of);
}

/** What leads from the genesis to this epoch's keys. */
export const endsBefore = ({ epochs }: LightChain, epoch: number): EpochEnd[] =>
  epochs.slice(0, epoch).flatMap(({ end }) => (end === null ? [] : [end.epochEnd]));

/** Who knows the chain. @throws FaultError `ledger/unproven`: the source's epochs are none of it. */
interface Judge {
  misconduct(source: Source, evidence: Evidence): Promise<Misconduct | null>;
}

/** All that one source tells and that holds. @throws FaultError the source's */
export async function misconductFrom(source: Source, judge: Judge): Promise<Misconduct[]> {
  const found: Misconduct[] = [];
  let count = 0;
  for (let index = 0; index < CLIENT_LIMITS.evidenceMax; index += 1) {
    const reply = await source.ask({ type: 'evidence', index });
    if (reply.type !== 'evidence') {
      // One that is too long to be told, or the end.
      if (index + 1 >= count) break;
      continue;
    }
    ({ count } = reply);
    const misconduct = await judge.misconduct(source, reply.evidence).catch(unproven);
    if (misconduct !== null) found.push(misconduct);
    if (index + 1 >= count) break;
  }
  return found;
}

function unproven(error: unknown): null {
  if (isFault(error, 'ledger/unproven')) return null;
  throw error;
}
