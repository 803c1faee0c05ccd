import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LayerRange } from '#lib/webgpu/model.ts';
import {
  gapsOf,
  pairKey,
  planRoute,
  replaceRoute,
  sameRange,
  type LinkFact,
  type RouteCluster,
  type RouteNode,
} from '#lib/shard/placement/core.ts';
import { clusterOf, routeNode, speedOf } from '#tests/support/placement.ts';

const LAYERS = 6;
const range = fc
  .tuple(fc.nat(LAYERS - 1), fc.nat(LAYERS - 1))
  .map(([a, b]): LayerRange => ({ first: Math.min(a, b), last: Math.max(a, b) }));
const node = fc.record({
  ready: fc.array(range, { maxLength: 3 }),
  standby: fc.array(range, { maxLength: 1 }),
  sessions: fc.nat(4),
  room: fc.boolean(),
  layerMs: fc.integer({ min: 1, max: 8 }),
});

const cluster = fc
  .record({
    nodes: fc.array(node, { minLength: 1, maxLength: 4 }),
    links: fc.array(fc.constantFrom('direct', 'relay', 'none'), { minLength: 6, maxLength: 6 }),
    minStages: fc.integer({ min: 1, max: 3 }),
  })
  .map(({ nodes, links, minStages }): RouteCluster => {
    const made = nodes.map(({ layerMs, ...facts }, n) =>
      routeNode(n, { ...facts, speed: speedOf(layerMs) }),
    );
    const pairs = made.flatMap((a, i) => made.slice(i + 1).map((b) => pairKey(a.id, b.id)));
    const open = new Map<string, LinkFact>();
    pairs.forEach((pair, index) => {
      const path = links[index] ?? 'none';
      if (path !== 'none') open.set(pair, { path, rttMs: 1 });
    });
    return clusterOf(LAYERS, made, { links: open, minStages });
  });

/** Every ring of offered ranges over nodes with room whose neighbours are linked. */
function allRings({ nodes, links }: RouteCluster): RouteNode[][] {
  const linked = (a: RouteNode, b: RouteNode) => a === b || links.has(pairKey(a.id, b.id));
  const from = (first: number, path: RouteNode[]): RouteNode[][] => {
    if (first === LAYERS) return [path];
    return nodes
      .filter((next) => next.room && (path.length === 0 || linked(path[path.length - 1]!, next)))
      .flatMap((next) =>
        [...next.ready, ...next.standby]
          .filter((offer) => offer.first === first)
          .flatMap((offer) => from(offer.last + 1, [...path, next])),
      );
  };
  return from(0, []).filter((ring) => linked(ring[ring.length - 1]!, ring[0]!));
}

describe('planRoute against every possible ring', () => {
  it('[P2] finds a route where there is one, complete, linked, over as many nodes as wanted', () => {
    fc.assert(
      fc.property(cluster, (input) => {
        const plan = planRoute(input, { load: true });
        const rings = allRings(input);
        expect(plan === null).toBe(rings.length === 0);
        if (!plan) return;
        const ranges = plan.places.map((place) => place.range);
        expect(gapsOf(ranges, LAYERS)).toEqual([]);
        expect(ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0)).toBe(LAYERS);
        const distinct = new Set(plan.places.map((place) => place.node)).size;
        const most = Math.max(...rings.map((ring) => new Set(ring).size));
        expect(distinct).toBeGreaterThanOrEqual(Math.min(most, input.minStages));
        expect(Number.isFinite(plan.roundMs) && plan.roundMs > 0).toBe(true);
        expect(plan.chunkRows % 8).toBe(0);
      }),
      { numRuns: 1000 },
    );
  });

  it('[S6] a replacement keeps every living place with its range and fills the rest', () => {
    fc.assert(
      fc.property(cluster, fc.nat(3), (input, dies) => {
        const before = planRoute(input, { load: true });
        if (!before) return;
        const dead = before.places[dies % before.places.length]?.node;
        const living = { ...input, nodes: input.nodes.filter((one) => one.id !== dead) };
        const keep = before.places.filter((place) => place.node !== dead);
        const after = replaceRoute(living, keep, []);
        // Every node has memory for everything here, so only an empty cluster has no route.
        expect(after === null).toBe(living.nodes.length === 0);
        if (!after) return;
        for (const place of keep) {
          const same = after.places.find((next) => sameRange(next.range, place.range));
          expect(same).toMatchObject({ node: place.node, incarnation: place.incarnation });
        }
        expect(
          gapsOf(
            after.places.map((place) => place.range),
            LAYERS,
          ),
        ).toEqual([]);
        expect(after.places.some((place) => place.node === dead)).toBe(false);
      }),
      { numRuns: 1000 },
    );
  });
});
