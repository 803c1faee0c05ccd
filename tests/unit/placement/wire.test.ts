import { describe, expect, it } from 'vitest';
import {
  overLinks,
  planRoute,
  wireFor,
  type LinkFact,
  type RouteCluster,
} from '#lib/shard/placement/core.ts';
import type { WireDtype } from '#lib/shard/wire/session-messages.ts';
import { clusterOf, meshOf, nodeId, routeNode } from '#tests/support/placement.ts';

const FRONT = { first: 0, last: 14 };
const BACK = { first: 15, last: 29 };
const nodes = [routeNode(0, { ready: [FRONT] }), routeNode(1, { ready: [BACK] })];

/** Rows of 576 values: 2 304, 1 152 and 642 bytes; a place computes one in so many milliseconds. */
function chosen(bytesPerMs: number | null, change: Partial<RouteCluster> & { rows?: number } = {}) {
  const { rows = 1000, ...more } = change;
  const rates = new Map(bytesPerMs === null ? [] : [[nodeId(0), bytesPerMs]]);
  const link: LinkFact = { path: 'direct', rttMs: 2, rates };
  const cluster = clusterOf(30, nodes, { links: meshOf(nodes, link), ...more });
  const plan = planRoute(cluster)!;
  return { dtype: wireFor(cluster, plan, rows), rowMs: plan.chunkMs / plan.chunkRows };
}

describe('[S9] how rows travel', () => {
  it('as narrow as the slowest link needs, so that no place waits for it', () => {
    const { rowMs } = chosen(null);
    const takes = (share: number, bytes: number): number => bytes / (share * rowMs);
    expect(chosen(takes(1.4, 2304)).dtype).toBe('f32');
    expect(chosen(takes(1.4, 1152)).dtype).toBe('f16');
    expect(chosen(takes(1.4, 642)).dtype).toBe('int8');
    expect(chosen(takes(20, 642)).dtype).toBe('int8');
  });

  it('as they are over links that nobody has seen slow, or the other way round', () => {
    expect(chosen(null).dtype).toBe('f32');
    const rates = new Map([[nodeId(1), 1]]);
    const links = meshOf(nodes, { path: 'direct', rttMs: 2, rates });
    expect(chosen(null, { links }).dtype).toBe('f32');
  });

  it('as they are in exact numerics, and where a reader would not notice', () => {
    expect(chosen(10).dtype).toBe('int8');
    expect(chosen(10, { numerics: 'exact' }).dtype).toBe('f32');
    expect(chosen(1000).dtype).not.toBe('f32');
    expect(chosen(1000, { rows: 40 }).dtype).toBe('f32');
  });

  it('[V1] a chunk keeps the slowest link busy for no longer than a place, as far as it can be cut', () => {
    const over = (bytesPerMs: number, dtype: WireDtype) => {
      const rates = new Map([[nodeId(0), bytesPerMs]]);
      const links = meshOf(nodes, { path: 'direct', rttMs: 2, rates });
      const cluster = clusterOf(30, nodes, { links });
      const plan = planRoute(cluster)!;
      return { plan, ...overLinks(cluster, plan, dtype) };
    };
    const slow = over(100, 'f32');
    expect([slow.chunkRows, slow.chunkMs]).toEqual([8, slow.plan.chunkMs]);
    const narrow = over(100, 'int8');
    expect([narrow.chunkRows, narrow.wireDtype]).toEqual([32, 'int8']);
    // The shortest one takes longer here, and is predicted to.
    const slowest = over(10, 'f16');
    expect([slowest.chunkRows, slowest.chunkMs]).toEqual([8, (8 * 1152) / 10]);
    const { plan, ...fast } = over(1e6, 'f32');
    expect(fast).toEqual(plan);
    expect(overLinks(clusterOf(30, nodes), plan, 'f32')).toEqual(plan);
  });
});
