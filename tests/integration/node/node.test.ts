import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { goldenRow } from '#tests/support/golden.ts';
import { SmallServer, untilPhase } from './small-server.ts';

const row = goldenRow('capital');

describe('one volunteer process', () => {
  let server: SmallServer;
  beforeAll(async () => {
    server = await SmallServer.start(1);
  });
  afterAll(() => server.end());

  it('[N3] joins, loads, is checked, and answers with the golden ids', async () => {
    const volunteer = server.volunteer('a');
    await untilPhase(volunteer, ['ready']);
    const ids = await server.ask(row.promptIds, row.greedyIds.length);
    expect(ids).toEqual(row.greedyIds);
      JSON.stringify(volunteer.getSnapshot()),
      JSON.stringify(server.orchestrator.view()),
    );
  });
});
