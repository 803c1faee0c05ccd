import { malformed, type Reader, type Writer } from '../codec/bytes.ts';
import { LIMITS } from '../limits.ts';
import type { Evidence } from '../types.ts';

/** Numbers of kinds, on disk and on the wire, are never given anew. */
const KINDS = ['pre-prepare', 'prepare', 'commit', 'seal', 'view-change', 'new-view'] as const;

export const kindNumber = (kind: Evidence['kind']): number => KINDS.indexOf(kind);

export const writeEvidence = (out: Writer, of: Evidence): Writer =>
  out.u64(of.epoch).u16(of.replica).u8(kindNumber(of.kind)).blob(of.first).blob(of.second);

/** Whether it convicts anybody is `evidenceHolds`' to say. @throws FaultError wire/malformed */
export function readEvidence(from: Reader): Evidence {
  const [epoch, replica, kind] = [from.u64(), from.u16(), KINDS[from.u8()]];
  if (kind === undefined) throw malformed('evidence of an unknown kind');
  const first = from.blob(LIMITS.frameBytesMax);
  return { epoch, replica, kind, first, second: from.blob(LIMITS.frameBytesMax) };
}
