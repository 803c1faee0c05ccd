import type { LedgerCore } from './core.ts';
import { LedgerFailure, expected } from './failure.ts';
import { Readers } from './readers.ts';
import { calmScenario } from './scenario.ts';
import { World } from './world.ts';

const TRANSACTIONS = 200;
/** Between two requests: several are on their way at once. */
const PAUSE_MS = 4;
const SETTLE_MS = 400;

/** 200 transactions by four replicas, W = 8, and nothing goes wrong; all checkers look on. */
export function runCalm(core?: LedgerCore): LedgerFailure | null {
  const world = new World(1, { scenario: calmScenario(), ...(core && { core }) });
  try {
    const readers = new Readers(world);
    world.network.heal(world.scenario.healedMs);
    const sent: string[] = [];
    while (sent.length < TRANSACTIONS) {
      const request = world.clients.next();
      world.submit(request);
      sent.push(request.id);
      world.timeline.run(world.timeline.now + PAUSE_MS);
    }
    world.timeline.run(world.timeline.now + SETTLE_MS);
    const missing = sent.filter((id) => !world.chain.outcomes.has(id));
    expected(missing.length === 0, 'liveness', () => `${missing.length} were never executed`);
    readers.checkAcknowledged();
    world.chain.checkSupply();
    return null;
  } catch (error) {
    if (error instanceof LedgerFailure) return error;
    throw error;
  }
}
