import { afterAll, beforeAll, expect, test } from 'vitest';
import { ChildServer } from '#tests/support/child-server.ts';
import { begin, send } from '#tests/support/raw-http.ts';
import { parseStream } from '#tests/support/sse.ts';

/** A real server process with its built-in volunteer, as an operator has it: its output, its figures, its end. */

const SECRET = 'Peculiar aubergine';
const ASK = {
  model: 'smollm2-135m-instruct',
  messages: [{ role: 'user', content: `${SECRET}: say something about it.` }],
  ...{ temperature: 0, ignore_eos: true },
};
const STOPPING = { error: { type: 'server_error', code: 'server_stopping', param: null } };

let server: ChildServer;
beforeAll(async () => {
  server = await ChildServer.start();
  await server.readyNode();
}, 50_000);
afterAll(async () => {
  if (server.alive) server.kill('SIGKILL');
  await server.end();
});

const path = '/v1/chat/completions';
const asking = (body: object) => ({ path, body: { ...ASK, ...body } });

const linesOf = (text: string) => text.split('\n').filter((line) => line !== '');
const sample = (text: string, name: string): number =>
  Number(
    linesOf(text)
      .find((line) => line.startsWith(`${name} `))
      ?.slice(name.length + 1),
  );

test('[O1] an answer and a refusal are in the next scrape', async () => {
  const { status, body } = await send(server.url, asking({ max_tokens: 12 }));
  expect(status).toBe(200);
  const { usage } = JSON.parse(body) as { usage: { prompt_tokens: number } };
  expect((await send(server.url, asking({ model: 'none' }))).status).toBe(404);
  const response = await fetch(`${server.url}/metrics`);
  expect(response.headers.get('access-control-allow-origin')).toBeNull();
  const metrics = await response.text();
  expect(sample(metrics, 'declai_answers_total{end="length"}')).toBe(1);
  expect(sample(metrics, 'declai_generated_tokens_total')).toBe(12);
  expect(sample(metrics, 'declai_prompt_tokens_total')).toBe(usage.prompt_tokens);
  expect(sample(metrics, 'declai_time_to_first_token_seconds_count')).toBe(1);
  expect(sample(metrics, 'declai_tokens_per_second_count')).toBe(1);
  expect(sample(metrics, 'declai_refusals_total{door="api",code="model_not_found"}')).toBe(1);
  expect(sample(metrics, 'declai_nodes_joined_total')).toBe(1);
  expect(sample(metrics, 'declai_nodes{state="ready"}')).toBe(1);
});

test('[G24] 200 000 spaces are cut into tokens within the 5 s that a prompt has', async () => {
  const since = performance.now();
  // One token more than the context: refused as soon as the prompt has been read.
  const content = `${' '.repeat(200_000)}${'a b '.repeat(5_000)}`;
  const { status, body } = await send(
    server.url,
    asking({ messages: [{ role: 'user', content }] }),
  );
  expect(performance.now() - since).toBeLessThan(5_000);
  expect(status).toBe(400);
  expect(JSON.parse(body)).toMatchObject({ error: { code: 'context_length_exceeded' } });
});

test('[G13] SIGTERM in mid-answer: error and reset for the stream, a 503 for the plain reader', async () => {
  const stream = await begin(server.url, asking({ max_tokens: 4_000, stream: true }));
  await stream.until((body) => parseStream(body).data.length > 4);
  // No byte of a plain answer comes before its end.
  const plain = send(server.url, asking({ max_tokens: 4_000 }));
  const sessions = async () => {
    const status = await send(server.url, { path: '/api/status' });
    return (JSON.parse(status.body) as { sessions: number }).sessions;
  };
  await expect.poll(sessions).toBe(2);
  const since = performance.now();
  server.kill('SIGTERM');

  expect(await stream.whole).toBe(false);
  const { data } = parseStream(stream.body());
  expect(JSON.parse(data.at(-1) ?? '')).toMatchObject(STOPPING);
  expect(data).not.toContain('[DONE]');

  const refused = await plain;
  expect([refused.status, refused.whole]).toEqual([503, true]);
  expect(JSON.parse(refused.body)).toMatchObject(STOPPING);

  expect(await server.exited).toBe(0);
  expect(performance.now() - since).toBeLessThan(6_000);
});

test('[O2] stdout is the plain line `ready` and JSON, an event a line', () => {
  // Next says a word of its own before it is ready.
  const plain = linesOf(server.stdout).filter((line) => !/^(\{|✓ Running next\.config)/.test(line));
  expect(plain).toEqual([`ready ${server.url}`]);
  const events = server.entries().map(({ event }) => event);
  for (const event of ['node-joined', 'plan', 'started', 'answer', 'stopping', 'volunteer']) {
    expect(events).toContain(event);
  }
  expect(server.entries().filter(({ event }) => event === 'answer')).toMatchObject([
    { end: 'length', tokens: 12, ttftMs: expect.any(Number) as number },
    { end: 'server_stopping' },
    { end: 'server_stopping' },
  ]);
});

test('[O3] no line has a word of the prompt, of the answer, or an address', () => {
  const log = linesOf(server.stdout)
    .filter((line) => line.startsWith('{'))
    .join('\n');
  expect(log.length).toBeGreaterThan(500);
  expect(log + server.stderr).not.toMatch(/peculiar|aubergine|content|127\.0\.0\.1|::1/i);
});
