import { describe, expect, it } from 'vitest';
import {
  planRoute,
  preferRoute,
  type KnownPrefix,
  type RouteNode,
} from '#lib/shard/placement/core.ts';
import { clusterOf, nodeId, routeNode, speedOf } from '#tests/support/placement.ts';

const WHOLE = { first: 0, last: 29 };
const FRONT = { first: 0, last: 14 };
const BACK = { first: 15, last: 29 };

const place = (n: number, range = WHOLE, incarnation = n + 1) =>
  ({ node: nodeId(n), incarnation, range, path: 'direct' }) as const;

const known = (change: Partial<KnownPrefix> = {}): KnownPrefix => ({
  places: [place(1)],
  positions: 960,
  promptPositions: 1000,
  answerTokens: 200,
  ...change,
});

function chosen(nodes: readonly RouteNode[], prefix: KnownPrefix, change = {}) {
  const cluster = clusterOf(30, nodes, change);
  const best = planRoute(cluster)!;
  return preferRoute(cluster, best, prefix).places.map(({ node }) =>
    nodes.findIndex(({ id }) => id === node),
  );
}

const fast = routeNode(0, { ready: [WHOLE] });
const slower = (layerMs: number, change: Partial<RouteNode> = {}) =>
  routeNode(1, { ready: [WHOLE], speed: speedOf(layerMs), ...change });

describe('[P1] a route that has the prompt’s pages', () => {
  it('is taken where the saved prefill outweighs slower rounds', () => {
    expect(chosen([fast, slower(0.3)], known())).toEqual([1]);
    // 128 rounds, each three times as long, cost more than a prompt of 1 000 tokens.
    expect(chosen([fast, slower(0.9)], known())).toEqual([0]);
  });

  it('the more of the prompt it has, and the shorter the answer, the more it may cost', () => {
    expect(chosen([fast, slower(0.3)], known({ positions: 64 }))).toEqual([0]);
    expect(chosen([fast, slower(0.9)], known({ answerTokens: 4 }))).toEqual([1]);
  });

  it('not where a node is gone, came back empty, or has no room', () => {
    expect(chosen([fast, slower(0.3)], known({ places: [place(7)] }))).toEqual([0]);
    expect(chosen([fast, slower(0.3)], known({ places: [place(1, WHOLE, 1)] }))).toEqual([0]);
    expect(chosen([fast, slower(0.3, { room: false })], known())).toEqual([0]);
    expect(chosen([fast, slower(0.3, { ready: [FRONT] })], known())).toEqual([0]);
  });

  it('not where its neighbours have no link any more, nor over fewer nodes than are wanted', () => {
    const halves = [
      routeNode(2, { ready: [FRONT], speed: speedOf(0.3) }),
      routeNode(3, { ready: [BACK], speed: speedOf(0.3) }),
    ];
    const places = [place(2, FRONT), place(3, BACK)];
    expect(chosen([fast, ...halves], known({ places }))).toEqual([1, 2]);
    expect(chosen([fast, ...halves], known({ places }), { links: new Map() })).toEqual([0]);
    const two = { minStages: 2 };
    expect(chosen([slower(0.1), ...halves], known(), two)).toEqual([1, 2]);
  });
});
