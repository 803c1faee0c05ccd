import { expect } from 'vitest';
import type { GatewayConfig } from '#server/gateway/limits.ts';
import { startGateway, type TestGateway } from '#tests/support/gateway-server.ts';
import { begin, errorOf, send, type RawRequest } from '#tests/support/raw-http.ts';
import { chunksOf, textOf } from '#tests/support/sse.ts';

/** What an attack must leave as it was: the process, its log, and a stranger's running answer. */
export async function underAttack(
  attack: (server: TestGateway) => Promise<void>,
  config: Partial<GatewayConfig> = {},
): Promise<void> {
  await using server = await startGateway(config);
  const bystander = await begin(server.url, {
    path: '/v1/completions',
    body: { model: 'bytes', prompt: 'hi', stream: true },
  });
  const session = server.answers.last;
  session.say('before, ');
  await attack(server);
  session.say('after');
  session.end();
  expect(await bystander.whole).toBe(true);
  expect(textOf(chunksOf(bystander.body()))).toBe('before, after');
  expect(session.cancelled).toBe(0);
  expect((await send(server.url, { path: '/healthz' })).status).toBe(200);
  expect(server.answers.running).toBe(0);
  expect(server.reported).toEqual([]);
}

/** Sends it and expects a refusal in the dialect: its status, code and the parameter to blame. */
export async function refused(server: TestGateway, ask: RawRequest) {
  const { status, headers, body } = await send(server.url, ask);
  expect([status, body.slice(0, 300)]).toEqual([status, expect.stringContaining('{"error":')]);
  expect(headers['content-type']).toBe('application/json');
  const { code, param } = errorOf(body);
  return { status, code, param };
}

export const CHAT = '/v1/chat/completions';
export const ASK = { model: 'bytes', messages: [{ role: 'user', content: 'hi' }] };
