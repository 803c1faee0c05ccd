import { invariant } from '#lib/kernel/assert.ts';
import { FaultError } from '#lib/kernel/errors.ts';
import { hasEmbedding, hasHead, type LayerRange, type ModelShape } from '../model.ts';
import type { Segment } from '../stage.ts';
import { CPU_LIMITS } from './limits.ts';
import type { PagedKv } from './paged-kv.ts';

interface Context {
  readonly shape: ModelShape;
  readonly range: LayerRange;
  readonly kv: Pick<PagedKv, 'length' | 'pagesMissing' | 'pagesFree'>;
}

/**
 * Refuses a step before it changes anything: past these limits the kernels would trap.
 * @throws FaultError `session/context-length`, `request/invalid` (an id outside the vocabulary),
 *   `engine/no-pages`. Everything else wrong is a broken promise of the caller.
 */
export function checkStep(context: Context, segments: readonly Segment[]): void {
  const seen = new Set<number>();
  let rows = 0;
  for (const segment of segments) {
    invariant(!seen.has(segment.kv), 'a session has one segment a step');
    seen.add(segment.kv);
    checkSegment(context, segment);
    rows += segment.rows;
  }
  invariant(rows <= CPU_LIMITS.stepRowsMax, `a step has at most ${CPU_LIMITS.stepRowsMax} rows`);
  const pages = context.kv.pagesMissing(segments);
  if (pages <= context.kv.pagesFree()) return;
  throw new FaultError('engine/no-pages', 'the KV pages of this node are taken', {
    details: { needed: pages, free: context.kv.pagesFree() },
  });
}

function checkSegment({ shape, range, kv }: Context, segment: Segment): void {
  const { rows, firstPosition, ids, hidden, want } = segment;
  invariant(Number.isInteger(rows) && rows >= 1, 'a segment has rows');
  invariant(firstPosition === kv.length(segment.kv), 'a segment goes on where its KV ends');
  const head = hasHead(shape, range);
  invariant(
    want.kind === 'none' || head === (want.kind !== 'hidden'),
    'a wish this range can meet',
  );
  invariant(want.kind !== 'sample-rows' || want.points.length === rows, 'a point a row');
  if (firstPosition + rows > shape.contextMax) {
    const details = { contextMax: shape.contextMax };
    throw new FaultError('session/context-length', 'past the model’s context', { details });
  }
  if (hasEmbedding(range)) {
    invariant(ids !== null && ids.length === rows && hidden === null, 'the first stage takes ids');
    if (ids.every((id) => id >= 0 && id < shape.vocab)) return;
    throw new FaultError('request/invalid', 'a token id outside the vocabulary');
  }
  const floats = rows * shape.hidden;
  invariant(ids === null && hidden?.length === floats, 'later stages take hidden rows');
}
