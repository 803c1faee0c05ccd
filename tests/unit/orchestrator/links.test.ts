import { describe, expect, it } from 'vitest';
import { OrchestratorDriver } from '#tests/support/orchestrator-driver.ts';
import { nodeId } from '#tests/support/placement.ts';

describe('links', () => {
  const introduced = (driver: OrchestratorDriver) =>
    driver.outputs.flatMap((output) => (output.type === 'introduce' ? [output] : []));

  it('[M6] small clusters are linked all with all', () => {
    const driver = new OrchestratorDriver({ minStages: 3 });
    [0, 1, 2].forEach((n) => driver.join(n));
    expect(introduced(driver)).toHaveLength(3);
    expect(driver.view().nodes.every((node) => node.links.length === 2)).toBe(true);
  });

  it('[S4] a link that closed is made again, with patience that grows', () => {
    const driver = new OrchestratorDriver({ minStages: 2 });
    driver.join(0);
    driver.join(1);
    const link = '0'.repeat(32);
    const closed = {
      type: 'link',
      peer: nodeId(1),
      link,
      state: 'closed',
      path: 'direct',
      rttMs: null,
    } as const;
    driver.say(0, closed);
    expect(driver.view().routes).toEqual([]);
    driver.pass(300);
    expect(introduced(driver)).toHaveLength(2);
    expect(driver.view().routes).toHaveLength(1);
  });

  it('[M6] a pair that cannot reach each other is tried again, ever more seldom', () => {
    const driver = new OrchestratorDriver({ minStages: 2 });
    driver.join(0, { links: false });
    driver.join(1);
    const tries = (ms: number) => {
      const before = introduced(driver).length;
      driver.pass(ms, 500);
      return introduced(driver).length - before;
    };
    expect(tries(60_000)).toBeGreaterThanOrEqual(3);
    expect(tries(60_000)).toBeLessThanOrEqual(3);
    expect(driver.view().routes).toEqual([]);
  });

  it('[M6] large clusters link only neighbours of the ring', () => {
    const driver = new OrchestratorDriver({ minStages: 4 });
    for (let n = 0; n < 12; n += 1) driver.join(n);
    const pairs = driver.state.links.size;
    expect(pairs).toBeLessThan((12 * 11) / 2);
    expect(driver.view().routes[0]?.places).toHaveLength(4);
  });
});
