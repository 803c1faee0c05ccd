import type { EpochEnd } from '#lib/ledger/pbft/messages/state-transfer.ts';
import { CLIENT_LIMITS } from '../limits.ts';

/** A header, and a SEAL's place and signature. */
const HEAD_BYTES = 512;
const SEAL_BYTES = 66;

/** The first of these that fit into one answer; one at least, where there is one. */
export function endsPage(ends: readonly EpochEnd[]): EpochEnd[] {
  const page: EpochEnd[] = [];
  let bytes = 0;
  for (const end of ends) {
    const { membership, certificate } = end;
    bytes += HEAD_BYTES + membership.length + certificate.seals.length * SEAL_BYTES;
    const isFull = bytes > CLIENT_LIMITS.answerBytesAim && page.length > 0;
    if (isFull || page.length === CLIENT_LIMITS.epochEndsMax) break;
    page.push(end);
  }
  return page;
}
