import { describe, expect, it } from 'vitest';
import type { Prepare } from '#lib/shard/wire/session-messages.ts';
import { OrchestratorDriver, sessionId } from '#tests/support/orchestrator-driver.ts';
import { nodeId } from '#tests/support/placement.ts';

const PROMPT = Array.from({ length: 1000 }, (_, i) => i);

/** Three nodes for two stages; those of `slow` say that their links carry 100 KB/s. */
function ring(slow: readonly number[], change: object = {}): OrchestratorDriver {
  const driver = new OrchestratorDriver({ minStages: 2, wireDtype: 'measured', ...change });
  for (const n of [0, 1, 2]) driver.join(n);
  driver.pass(12_000);
  for (const n of slow) sayRates(driver, n, 100);
  return driver;
}

function sayRates(driver: OrchestratorDriver, n: number, bytesPerMs: number | null): void {
  const peers = [0, 1, 2].filter((peer) => peer !== n).map((peer) => nodeId(peer));
  driver.say(n, {
    ...{ type: 'load', sessions: 0, tokensServed: 0, stepMsP50: 0, stepRows: 0, steps: 0 },
    pagesFree: 0,
    linkRates: bytesPerMs === null ? [] : peers.map((peer) => ({ peer, bytesPerMs })),
  });
}

const prepares = (driver: OrchestratorDriver, n: number): Prepare[] =>
  driver.outputs.flatMap((output) => {
    const message = output.type === 'send' && output.message.type === 'session' && output.message;
    if (!message || message.message.type !== 'prepare') return [];
    return message.message.session === sessionId(n) ? [message.message] : [];
  });

const wireOf = (driver: OrchestratorDriver, n: number, change: object = {}) => {
  driver.start(n, { promptIds: PROMPT, maxTokens: 40, ...change });
  return prepares(driver, n).at(-1)?.wireDtype;
};

describe('[S9] how a session’s rows travel', () => {
  it('is chosen by what its links were measured to carry, while a node says so', () => {
    expect(wireOf(ring([]), 1)).toBe('f32');
    const driver = ring([0, 1, 2]);
    expect(wireOf(driver, 1)).toBe('int8');
    expect(wireOf(driver, 2, { promptIds: [1, 2, 3] })).toBe('f32');
    for (const n of [0, 1, 2]) sayRates(driver, n, null);
    expect(wireOf(driver, 3)).toBe('f32');
  });

  it('is never narrow where numerics are exact, and fixed where the operator fixed it', () => {
    expect(wireOf(ring([0, 1, 2], { numerics: 'exact' }), 1)).toBe('f32');
    expect(wireOf(ring([0, 1, 2], { wireDtype: 'f16' }), 1)).toBe('f16');
  });

  it('stays what it is when a holder is lost', () => {
    const driver = ring([0, 1, 2]);
    expect(wireOf(driver, 1, { maxTokens: 400 })).toBe('int8');
    driver.pass(2_000);
    const lost = prepares(driver, 1)[0]?.route[1]?.node;
    for (const n of [0, 1, 2]) sayRates(driver, n, null);
    driver.kill([0, 1, 2].find((n) => nodeId(n) === lost) ?? 0);
    driver.pass(4_000);
    const all = prepares(driver, 1);
    expect(all.at(-1)?.epoch).toBeGreaterThan(1);
    expect(new Set(all.map(({ wireDtype }) => wireDtype))).toEqual(new Set(['int8']));
  });

  it('is kept by a conversation, whose pages are of such rows', () => {
    const driver = ring([0, 1, 2]);
    const prefix = { salt: 'hers', public: null };
    expect(wireOf(driver, 1, { prefix })).toBe('int8');
    driver.pass(6_000);
    for (const n of [0, 1, 2]) sayRates(driver, n, null);
    const longer = [...PROMPT, ...driver.tokens(sessionId(1)), 7, 8];
    expect(wireOf(driver, 2, { prefix, promptIds: longer })).toBe('int8');
    expect(wireOf(driver, 3, { promptIds: longer })).toBe('f32');
  });
});
