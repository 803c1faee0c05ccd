import { isFault } from '#lib/kernel/errors.ts';
import { Reader, Writer } from '#lib/ledger/pbft/codec/bytes.ts';
import { LIMITS } from '#lib/ledger/pbft/limits.ts';
import type { Evidence } from '#lib/ledger/pbft/types.ts';
import { allOf, keyOf, put, type Database, type Put } from './database.ts';

/** Numbers of kinds on disk are never given anew. */
const KINDS = ['pre-prepare', 'prepare', 'commit', 'seal', 'view-change', 'new-view'] as const;

/** One of each kind convicts a replica of an epoch: more of it takes no room. */
const evidenceKey = ({ epoch, replica, kind }: Evidence): Uint8Array =>
  keyOf('evidence', new Writer().u64(epoch).u16(replica).u8(KINDS.indexOf(kind)).done());

const encodeEvidence = ({ epoch, replica, kind, first, second }: Evidence): Uint8Array =>
  new Writer().u64(epoch).u16(replica).u8(KINDS.indexOf(kind)).blob(first).blob(second).done();

/** Null where the bytes are none. Never throws. */
export function decodeEvidence(bytes: Uint8Array): Evidence | null {
  try {
    const from = new Reader(bytes);
    const [epoch, replica, kind] = [from.u64(), from.u16(), KINDS[from.u8()]];
    const first = from.blob(LIMITS.frameBytesMax);
    const second = from.blob(LIMITS.frameBytesMax);
    from.end();
    return kind === undefined ? null : { epoch, replica, kind, first, second };
  } catch (error) {
    if (isFault(error)) return null;
    throw error;
  }
}

export const evidencePut = (evidence: Evidence): Put =>
  put(evidenceKey(evidence), encodeEvidence(evidence));

export async function listEvidence(database: Database): Promise<Evidence[]> {
  const all: Evidence[] = [];
  for await (const value of database.values(allOf('evidence'))) {
    const evidence = decodeEvidence(value);
    if (evidence !== null) all.push(evidence);
  }
  return all;
}
