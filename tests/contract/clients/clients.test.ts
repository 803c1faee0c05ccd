import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { ChatOpenAI } from '@langchain/openai';
import { streamText } from 'ai';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startGateway, type TestGateway } from '#tests/support/gateway-server.ts';
import { BYTE_EOS, bytesOf } from '#tests/support/byte-model.ts';
import { CLIENT_SCENARIOS, type ClientTarget } from '#tests/support/openai-clients.ts';

/** The public clients against the gateway alone; the same scenarios run on the real server in e2e. */
const TEXT = 'Paris — la ville lumière 🗼.';
let server: TestGateway;
let target: ClientTarget;

beforeAll(async () => {
  server = await startGateway();
  server.answers.onStart = (session) => {
    session.route();
    const long = session.request.promptIds.length > 100;
    const ids = long ? new Array<number>(1000).fill(65) : [...bytesOf(TEXT), BYTE_EOS];
    const speak = () => {
      const id = ids.shift();
      if (id === undefined || !session.open) return;
      session.token(id);
      setTimeout(speak, long ? 5 : 0);
    };
    speak();
  };
  target = {
    url: server.url,
    model: 'bytes',
    prompt: 'What is the capital of France?',
    text: TEXT,
    promptTokens: bytesOf('user: What is the capital of France?\n').length,
    completionTokens: bytesOf(TEXT).length + 1,
    longPrompt: 'Tell me a long story. '.repeat(6),
  };
});
afterAll(() => server[Symbol.asyncDispose]());

describe('[A5] public clients, unchanged', () => {
  test.each(CLIENT_SCENARIOS)('$name', (scenario) => scenario.run(target));
});

describe('[G6] a lost answer is an error in every client', () => {
  const lost = async () => {
    const broken = await startGateway();
    broken.answers.onStart = (session) => {
      session.say('par');
      setTimeout(() => session.lose(), 20);
    };
    return broken;
  };
  const messages = [{ role: 'user' as const, content: 'hi' }];

  test('openai throws in mid-stream, and asks once for a plain answer', async () => {
    await using broken = await lost();
    const client = new OpenAI({ baseURL: `${broken.url}/v1`, apiKey: 'any' });
    const stream = await client.chat.completions.create({ model: 'bytes', messages, stream: true });
    let text = '';
    const reading = (async () => {
      for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
    })();
    await expect(reading).rejects.toThrow('could not be continued');
    expect(text).toBe('par');
    const plain = client.chat.completions.create({ model: 'bytes', messages });
    await expect(plain).rejects.toBeInstanceOf(OpenAI.InternalServerError);
    expect(broken.answers.sessions).toHaveLength(2);
  });

  test('langchain throws in mid-stream', async () => {
    await using broken = await lost();
    const configuration = { baseURL: `${broken.url}/v1` };
    const model = new ChatOpenAI({ model: 'bytes', apiKey: 'any', configuration });
    let text = '';
    const reading = (async () => {
      for await (const chunk of await model.stream('hi')) text += chunk.text;
    })();
    await expect(reading).rejects.toThrow('could not be continued');
    expect(text).toBe('par');
  });

  test('ai sdk ends with an error part', async () => {
    await using broken = await lost();
    const provider = createOpenAICompatible({ name: 'declai', baseURL: `${broken.url}/v1` });
    const errors: unknown[] = [];
    const result = streamText({
      model: provider('bytes'),
      prompt: 'hi',
      onError: ({ error }) => void errors.push(error),
    });
    let text = '';
    for await (const part of result.textStream) text += part;
    expect(text).toBe('par');
    expect(errors).toHaveLength(1);
    expect(await result.finishReason).toBe('error');
  });
});

describe('[G12] a full queue is asked again after retry-after', () => {
  test('openai waits as told and gets its answer', async () => {
    await using busy = await startGateway({ answerMsGuess: 900 });
    busy.answers.refusal = 'session/queue-full';
    setTimeout(() => (busy.answers.refusal = null), 500);
    busy.answers.onStart = (session) => {
      session.say('ok');
      session.end();
    };
    const client = new OpenAI({ baseURL: `${busy.url}/v1`, apiKey: 'any' });
    const started = Date.now();
    const answer = await client.chat.completions.create({
      model: 'bytes',
      messages: [{ role: 'user', content: 'hi' }],
    });
    expect(answer.choices[0]?.message.content).toBe('ok');
    expect(Date.now() - started).toBeGreaterThanOrEqual(990);
  });
});
