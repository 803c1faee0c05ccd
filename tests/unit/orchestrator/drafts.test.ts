import { expect, it } from 'vitest';
import { OrchestratorDriver } from '#tests/support/orchestrator-driver.ts';

it.each([0, 8])('[S8] places may guess at most %i ids a step, as is configured', (draftsMax) => {
  const driver = new OrchestratorDriver({ minStages: 3, draftsMax });
  [0, 1, 2].forEach((n) => driver.join(n));
  driver.pass(500);
  driver.start(1);
  driver.pass(500);
  const told = [0, 1, 2].flatMap((n) =>
    driver
      .sent(n)
      .flatMap((sent) =>
        sent.type === 'session' && sent.message.type === 'prepare' ? [sent.message.draftsMax] : [],
      ),
  );
  expect(told).toEqual([draftsMax, draftsMax, draftsMax]);
});
