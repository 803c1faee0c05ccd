import { Reader, Writer } from '#lib/ledger/pbft/codec/bytes.ts';
import { kindNumber, readEvidence, writeEvidence } from '#lib/ledger/pbft/messages/evidence.ts';
import type { Evidence } from '#lib/ledger/pbft/types.ts';
import { allOf, keyOf, put, type Database, type Put } from './database.ts';

/** One of each kind convicts a replica of an epoch: more of it takes no room. */
const evidenceKey = ({ epoch, replica, kind }: Evidence): Uint8Array =>
  keyOf('evidence', new Writer().u64(epoch).u16(replica).u8(kindNumber(kind)).done());

export const evidencePut = (evidence: Evidence): Put =>
  put(evidenceKey(evidence), writeEvidence(new Writer(), evidence).done());

/** A piece by its place, and how many there are; by epoch, replica and kind. @throws FaultError wire/malformed */
export async function evidenceAt(
  database: Database,
  index: number,
): Promise<{ readonly count: number; readonly evidence: Evidence | null }> {
  const keys = await database.keys(allOf('evidence')).all();
  const key = keys[index];
  const bytes = key && (await database.get(key));
  return { count: keys.length, evidence: bytes ? decode(bytes) : null };
}

function decode(bytes: Uint8Array): Evidence {
  const from = new Reader(bytes);
  const evidence = readEvidence(from);
  from.end();
  return evidence;
}
