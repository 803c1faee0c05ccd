import { isFault } from '#lib/kernel/errors.ts';
import { leafHash, verifyInclusion } from '#lib/ledger/crypto/merkle.ts';
import { bytesEqual, type Sha256 } from '#lib/ledger/crypto/sha256.ts';
import { headerHash, type Header } from '#lib/ledger/pbft/messages/header.ts';
import { CLIENT_LIMITS } from '../limits.ts';
import { askFor, type Source } from '../source.ts';

/** A block by its place and hash. */
export interface BlockId {
  readonly sequence: number;
  readonly headerHash: Uint8Array;
}

/** What shows that a header has an earlier one in its history. */
export type Extension =
  /** The earlier one's path under the header's history root. */
  | { readonly type: 'path'; readonly path: readonly Uint8Array[] }
  /** All headers between the two, in order: each names the hash of the one before it. */
  | { readonly type: 'headers'; readonly headers: readonly Header[] };

/** Is `before` in the history of `header`, by what was shown? Never throws. */
export function extendsBlock(
  header: Header,
  { before, extension }: { readonly before: BlockId; readonly extension: Extension },
  sha256: Sha256,
): boolean {
  const { sequence: index, headerHash: hash } = before;
  if (extension.type === 'path') {
    const { path } = extension;
    const leaf = leafHash(hash, sha256);
    return verifyInclusion(
      { leaf, index, size: header.sequence, path, root: header.historyRoot },
      sha256,
    );
  }
  if (header.sequence !== index + extension.headers.length + 1) return false;
  let last = hash;
  for (const each of extension.headers) {
    if (!bytesEqual(each.prevHeaderHash, last)) return false;
    last = headerHash(each, sha256);
  }
  return bytesEqual(header.prevHeaderHash, last);
}

/**
 * What the source has to show for it: the path, or where it keeps none the headers between the two, as
 * long as they are not too many.
 * @throws FaultError the source's
 */
export async function askExtension(
  source: Source,
  { from, to }: { readonly from: number; readonly to: number },
): Promise<Extension> {
  if (to === from + 1) return { type: 'headers', headers: [] };
  try {
    const question = { type: 'history', sequence: from, of: to } as const;
    const { path } = await askFor(source, 'history', question);
    return { type: 'path', path };
  } catch (error) {
    const isFar = to - from > CLIENT_LIMITS.headersBetweenMax;
    if (isFar || !isFault(error, 'request/not-found')) throw error;
    return { type: 'headers', headers: await headersBetween(source, { from, to }) };
  }
}

async function headersBetween(
  source: Source,
  { from, to }: { readonly from: number; readonly to: number },
): Promise<Header[]> {
  const headers: Header[] = [];
  while (from + headers.length + 1 < to) {
    const at = from + headers.length + 1;
    const count = Math.min(CLIENT_LIMITS.blocksMax, to - at);
    const { blocks } = await askFor(source, 'blocks', { type: 'blocks', from: at, count });
    headers.push(...blocks.slice(0, count).map(({ header }) => header));
    if (blocks.length === 0) break;
  }
  return headers;
}
