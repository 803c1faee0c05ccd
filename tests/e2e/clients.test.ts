import { afterAll, beforeAll, describe, test } from 'vitest';
import { goldenRow } from '#tests/support/golden.ts';
import { CLIENT_SCENARIOS, type ClientTarget } from '#tests/support/openai-clients.ts';
import { TestServer } from '#tests/support/server.ts';

/** The public clients against the whole product: the built-in volunteer answers them. */
describe('[A5] public clients on the real server', () => {
  const row = goldenRow('capital');
  let server: TestServer;
  let target: ClientTarget;
  beforeAll(async () => {
    server = await TestServer.start();
    await server.until('the built-in volunteer', (status) => status.routes.length > 0);
    target = {
      url: server.url,
      model: 'smollm2-135m-instruct',
      prompt: row.messages?.[0]?.content ?? '',
      text: row.greedyText,
      promptTokens: row.promptIds.length,
      completionTokens: row.greedyIds.length,
      longPrompt: 'Tell me a very long story about a lighthouse, its keeper and the sea.',
    };
  }, 90_000);
  afterAll(() => server.stop());

  test.each(CLIENT_SCENARIOS)('$name', (scenario) => scenario.run(target), 30_000);
});
