import { Writer } from '#lib/ledger/pbft/codec/bytes.ts';
import type { Evidence } from '#lib/ledger/pbft/types.ts';
import { keyOf, put, type Put } from './database.ts';

/** Numbers of kinds on disk are never given anew. */
const KINDS = ['pre-prepare', 'prepare', 'commit', 'seal', 'view-change', 'new-view'] as const;

/** One of each kind convicts a replica of an epoch: more of it takes no room. */
const evidenceKey = ({ epoch, replica, kind }: Evidence): Uint8Array =>
  keyOf('evidence', new Writer().u64(epoch).u16(replica).u8(KINDS.indexOf(kind)).done());

const encodeEvidence = ({ epoch, replica, kind, first, second }: Evidence): Uint8Array =>
  new Writer().u64(epoch).u16(replica).u8(KINDS.indexOf(kind)).blob(first).blob(second).done();

export const evidencePut = (evidence: Evidence): Put =>
  put(evidenceKey(evidence), encodeEvidence(evidence));
