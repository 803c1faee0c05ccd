import { expect, test } from 'vitest';
import { startGateway, type TestGateway } from '#tests/support/gateway-server.ts';
import { BYTE_EOS } from '#tests/support/byte-model.ts';

/** An answer 'é!' of three tokens and its end; each is told with itself and 'a' as likely ids. */
async function telling(): Promise<TestGateway> {
  const server = await startGateway();
  server.answers.onStart = (session) => {
    for (const id of [...Buffer.from('é!'), BYTE_EOS]) {
      const top = [[id, -0.25] as const, [97, -2] as const];
      const asked = session.request.sampling.logprobs;
      session.token(id, asked === null ? undefined : { logprob: -0.25, top: top.slice(0, asked) });
    }
  };
  return server;
}

const CHAT = { model: 'bytes', messages: [{ role: 'user', content: 'hi' }] };
const TEXT = { model: 'bytes', prompt: 'hi' };
const told = (token: string, bytes: number[], logprob = -0.25) => ({ token, logprob, bytes });

interface Choice {
  readonly index: number;
  readonly logprobs: unknown;
}

async function choicesOf(server: TestGateway, path: string, body: object): Promise<Choice[]> {
  const response = await server.post(path, body);
  expect(response.status).toBe(200);
  const text = await response.text();
  const lines = text.includes('data: ') ? text.split('data: ').slice(1, -1) : [text];
  return lines.flatMap((line) => (JSON.parse(line) as { choices: Choice[] }).choices);
}

test('[4.8.2] chat: logprobs of each token, bytes for what is no whole character, not of the end', async () => {
  await using server = await telling();
  const body = { ...CHAT, logprobs: true, top_logprobs: 2 };
  const [whole] = await choicesOf(server, '/v1/chat/completions', body);
  const a = told('a', [97], -2);
  const [first, second, mark] = [told('\ufffd', [0xc3]), told('\ufffd', [0xa9]), told('!', [33])];
  expect(whole?.logprobs).toEqual({
    content: [first, second, mark].map((token) => ({ ...token, top_logprobs: [token, a] })),
    refusal: null,
  });
  const chunks = await choicesOf(server, '/v1/chat/completions', { ...body, stream: true });
  const contents = chunks.flatMap(
    ({ logprobs }) => (logprobs as { content: unknown[] } | null)?.content ?? [],
  );
  expect(contents).toEqual((whole?.logprobs as { content: unknown[] }).content);
});

test('[4.8.2] chat: logprobs alone tell no alternatives; without them it is null', async () => {
  await using server = await telling();
  const [alone] = await choicesOf(server, '/v1/chat/completions', { ...CHAT, logprobs: true });
  expect(alone?.logprobs).toMatchObject({ content: [{ top_logprobs: [] }, {}, {}] });
  for (const extra of [{}, { logprobs: false }, { top_logprobs: 0 }]) {
    const [plain] = await choicesOf(server, '/v1/chat/completions', { ...CHAT, ...extra });
    expect(plain?.logprobs).toBeNull();
  }
});

test('[4.8.2] completions: four lists side by side, offsets in the text', async () => {
  await using server = await telling();
  const [whole] = await choicesOf(server, '/v1/completions', { ...TEXT, logprobs: 2 });
  expect(whole?.logprobs).toEqual({
    tokens: ['\ufffd', '\ufffd', '!'],
    token_logprobs: [-0.25, -0.25, -0.25],
    top_logprobs: [
      { '\ufffd': -0.25, a: -2 },
      { '\ufffd': -0.25, a: -2 },
      { '!': -0.25, a: -2 },
    ],
    text_offset: [0, 0, 1],
  });
});

test('[4.8.9] logprobs out of bounds, or alternatives without them, are a 400 that names them', async () => {
  await using server = await telling();
  const refused = async (path: string, body: object) => {
    const response = await server.post(path, body);
    const { error } = (await response.json()) as { error: { param: string } };
    return [response.status, error.param];
  };
  for (const [extra, param] of [
    [{ logprobs: 1 }, 'logprobs'],
    [{ logprobs: true, top_logprobs: 21 }, 'top_logprobs'],
    [{ top_logprobs: 3 }, 'top_logprobs'],
  ] as const) {
    expect(await refused('/v1/chat/completions', { ...CHAT, ...extra })).toEqual([400, param]);
  }
  for (const logprobs of [-1, 21, true]) {
    expect(await refused('/v1/completions', { ...TEXT, logprobs })).toEqual([400, 'logprobs']);
  }
});
