import { describe, expect, it } from 'vitest';
import { pairKey, planRoute, replaceRoute } from '#lib/shard/placement/core.ts';
import { clusterOf, meshOf, nodeId, routeNode, speedOf } from '#tests/support/placement.ts';

const A = { first: 0, last: 12 };
const B = { first: 13, last: 25 };
const C = { first: 26, last: 29 };
const WHOLE = { first: 0, last: 29 };
const three = [
  routeNode(0, { ready: [A], standby: [B] }),
  routeNode(1, { ready: [B], standby: [C] }),
  routeNode(2, { ready: [C], standby: [A] }),
];
const holders = (plan: ReturnType<typeof planRoute>) => plan?.places.map((place) => place.node);

describe('a route for a new session', () => {
  it('[P2] goes over the holders in order', () => {
    const plan = planRoute(clusterOf(30, three, { minStages: 3, stages: [A, B, C] }));
    expect(holders(plan)).toEqual([nodeId(0), nodeId(1), nodeId(2)]);
    expect(plan?.loadMs).toBe(0);
  });

  it('[P2] prefers the least loaded of equals', () => {
    const nodes = [routeNode(0, { ready: [WHOLE], sessions: 3 }), routeNode(1, { ready: [WHOLE] })];
    expect(holders(planRoute(clusterOf(30, nodes)))).toEqual([nodeId(1)]);
  });

  it('[P2] takes three nodes where three are wanted, though one holds everything', () => {
    const nodes = [routeNode(9, { ready: [WHOLE] }), ...three];
    const plan = planRoute(clusterOf(30, nodes, { minStages: 3 }));
    expect(new Set(holders(plan)).size).toBe(3);
  });

  it('[P2] waits for links: neighbours that cannot reach each other are no route', () => {
    const links = new Map(meshOf(three));
    links.delete(pairKey(nodeId(0), nodeId(2)));
    expect(planRoute(clusterOf(30, three, { links }))).toBeNull();
    // Where waiting is no use, a neighbour loads what it was named for.
    const plan = planRoute(clusterOf(30, three, { links }), { load: true });
    expect(holders(plan)).toEqual([nodeId(0), nodeId(1), nodeId(1)]);
    expect(plan?.loadMs).toBeGreaterThan(0);
  });

  it('[M6] avoids a relayed pair where a direct one exists', () => {
    const nodes = [...three, routeNode(3, { ready: [B] })];
    const links = new Map(meshOf(nodes));
    links.set(pairKey(nodeId(0), nodeId(1)), { path: 'relay', rttMs: 1.4 });
    const plan = planRoute(clusterOf(30, nodes, { links, minStages: 3 }));
    expect(holders(plan)).toEqual([nodeId(0), nodeId(3), nodeId(2)]);
  });

  it('[V1] a chunk keeps the slowest place for 250 ms at most', () => {
    const slow = [routeNode(0, { ready: [WHOLE], speed: speedOf(0.4) })];
    const plan = planRoute(clusterOf(30, slow));
    expect(plan?.chunkMs).toBeLessThanOrEqual(250);
    expect(plan?.chunkRows).toBeLessThan(128);
    const fast = [routeNode(0, { ready: [WHOLE], speed: speedOf(0.01) })];
    expect(planRoute(clusterOf(30, fast))?.chunkRows).toBe(256);
  });
});

describe('the next route of the same session', () => {
  const cluster = clusterOf(30, three, { minStages: 3, stages: [A, B, C] });
  const route = planRoute(cluster);
  const without = (dead: number, more = three.slice(0, 0)) => {
    const nodes = [...three.filter((node) => node.id !== nodeId(dead)), ...more];
    const keep = route?.places.filter((place) => place.node !== nodeId(dead)) ?? [];
    return replaceRoute({ ...cluster, nodes, links: meshOf(nodes) }, keep, []);
  };

  it('[S6] a spare that holds the lost range takes it, without loading', () => {
    const plan = without(1, [routeNode(7, { ready: [B] })]);
    expect(holders(plan)).toEqual([nodeId(0), nodeId(7), nodeId(2)]);
    expect(plan?.loadMs).toBe(0);
  });

  it('[S6] else the node named as its take-over, in one more place', () => {
    const plan = without(1);
    expect(holders(plan)).toEqual([nodeId(0), nodeId(0), nodeId(2)]);
    expect(plan?.places[1]?.range).toEqual(B);
    expect(plan?.loadMs).toBeGreaterThan(0);
    expect(plan?.places[0]?.path).toBe('direct');
  });

  it('[S6] two lost stages are two gaps, each to the one who has it', () => {
    const nodes = [
      routeNode(0, { ready: [A], standby: [B], cached: [A, B] }),
      routeNode(3, { standby: [C], cached: [C] }),
    ];
    const keep = route?.places.slice(0, 1) ?? [];
    const plan = replaceRoute({ ...cluster, nodes, links: meshOf(nodes) }, keep, []);
    expect(holders(plan)).toEqual([nodeId(0), nodeId(0), nodeId(3)]);
    expect(plan?.places.map((place) => place.range)).toEqual([A, B, C]);
  });

  it('[S6] whoever can load it, where nobody is named', () => {
    const nodes = [routeNode(0, { ready: [A] })];
    const keep = route?.places.slice(0, 1) ?? [];
    const plan = replaceRoute({ ...cluster, nodes, links: meshOf(nodes) }, keep, []);
    expect(plan?.places.map((place) => place.range)).toEqual([A, { first: 13, last: 29 }]);
  });

  it('[V1] a suspect pair goes by relay from now on', () => {
    const plan = replaceRoute(cluster, route?.places ?? [], [[nodeId(1), nodeId(0)]]);
    expect(plan?.places.map((place) => place.path)).toEqual(['relay', 'direct', 'direct']);
  });

  it('[V3] a place of an earlier incarnation is not kept', () => {
    const nodes = three.map((node) => ({ ...node, incarnation: node.incarnation + 10 }));
    expect(replaceRoute({ ...cluster, nodes }, route?.places ?? [], [])).toBeNull();
  });

  it('[S6] nobody left is no route', () => {
    expect(replaceRoute({ ...cluster, nodes: [] }, [], [])).toBeNull();
  });
});
