import { isFault } from '#lib/kernel/errors.ts';
import { bytesEqual, type Sha256 } from '#lib/ledger/crypto/sha256.ts';
import { headerHash } from '#lib/ledger/pbft/messages/header.ts';
import { allOf, sequenceIn, type Database } from './database.ts';
import type { Tell } from './findings.ts';
import { decodeBlock, decodeCertificate, type StoredBlock } from './layout.ts';

/** Blocks without a gap between them; a state that came by transfer leaves one. */
export interface BlockRange {
  readonly first: number;
  readonly last: number;
}

interface Checking {
  readonly repair: boolean;
  readonly sha256: Sha256;
  readonly tell: Tell;
}

const CURE = 'it is removed: other replicas have it';

/** Every block reads, stands in its place, and follows the one before; certificates are of our blocks. */
export async function checkBlocks(database: Database, options: Checking): Promise<BlockRange[]> {
  const { repair, sha256, tell } = options;
  const ranges: BlockRange[] = [];
  const wrong: Uint8Array[] = [];
  let before: { readonly sequence: number; readonly hash: Uint8Array } | null = null;
  for await (const [key, value] of database.iterator(allOf('block'))) {
    const sequence = sequenceIn(key);
    const block = decodeBlock(value);
    const follows = before?.sequence === sequence - 1;
    const what = whatIsWrong(block, {
      sequence,
      previous: follows ? (before?.hash ?? null) : null,
    });
    if (what !== null || isFault(block)) {
      const where = `block ${sequence}`;
      tell({ code: 'fsck/block', where, what: what ?? '', kind: 'repairable', cure: CURE });
      wrong.push(key);
      continue;
    }
    before = { sequence, hash: headerHash(block.header, sha256) };
    const last = follows ? ranges.pop() : undefined;
    ranges.push({ first: last?.first ?? sequence, last: sequence });
  }
  for await (const [key, value] of database.iterator(allOf('certificate'))) {
    const certificate = decodeCertificate(value);
    if (!isFault(certificate) && certificate.sequence === sequenceIn(key)) continue;
    const where = `certificate of block ${sequenceIn(key)}`;
    const what = 'cannot be read';
    tell({ code: 'fsck/certificate', where, what, kind: 'repairable', cure: CURE });
    wrong.push(key);
  }
  if (repair) await database.batch(wrong.map((key) => ({ type: 'del', key })));
  return ranges;
}

function whatIsWrong(
  block: StoredBlock | Error,
  { sequence, previous }: { readonly sequence: number; readonly previous: Uint8Array | null },
): string | null {
  if (block instanceof Error) return `cannot be read: ${block.message}`;
  if (block.header.sequence !== sequence) return `says that it is block ${block.header.sequence}`;
  if (previous !== null && !bytesEqual(block.header.prevHeaderHash, previous)) {
    return 'does not follow the block before it';
  }
  return null;
}
