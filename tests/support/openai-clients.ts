import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { ChatOpenAI } from '@langchain/openai';
import { generateText, streamText } from 'ai';
import OpenAI from 'openai';
import { expect } from 'vitest';

/** A server to try the public clients on, and what it is known to answer. */
export interface ClientTarget {
  /** Without `/v1`. */
  readonly url: string;
  readonly model: string;
  /** Asked greedily; its whole answer. */
  readonly prompt: string;
  readonly text: string;
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** A prompt whose answer is still running after its first words: for the aborts. */
  readonly longPrompt: string;
}

export interface ClientScenario {
  readonly name: string;
  run(target: ClientTarget): Promise<void>;
}

/** Public clients as their users write them, unchanged (A5). */
export const CLIENT_SCENARIOS: readonly ClientScenario[] = [
  { name: 'openai: models', run: openaiModels },
  { name: 'openai: plain', run: openaiPlain },
  { name: 'openai: stream', run: openaiStream },
  { name: 'openai: .stream() helper', run: openaiHelper },
  { name: 'openai: text completion', run: openaiCompletion },
  { name: 'openai: abort', run: openaiAbort },
  { name: 'openai: break out of a stream', run: openaiBreak },
  { name: 'openai: errors become its classes', run: openaiErrors },
  { name: 'langchain: invoke', run: langchainInvoke },
  { name: 'langchain: stream', run: langchainStream },
  { name: 'ai sdk: generateText', run: aiGenerate },
  { name: 'ai sdk: streamText', run: aiStream },
];

const openai = ({ url }: ClientTarget) => new OpenAI({ baseURL: `${url}/v1`, apiKey: 'any' });
const user = (content: string) => [{ role: 'user' as const, content }];

async function openaiModels(target: ClientTarget): Promise<void> {
  const client = openai(target);
  const ids = [];
  for await (const model of client.models.list()) ids.push(model.id);
  expect(ids).toContain(target.model);
  expect(await client.models.retrieve(target.model)).toMatchObject({ object: 'model' });
}

async function openaiPlain(target: ClientTarget): Promise<void> {
  const { data, request_id } = await openai(target)
    .chat.completions.create({
      model: target.model,
      messages: user(target.prompt),
      temperature: 0,
    })
    .withResponse();
  expect(request_id).toMatch(/^req_/);
  expect(data.choices[0]?.message).toMatchObject({ role: 'assistant', content: target.text });
  expect(data.choices[0]?.finish_reason).toBe('stop');
  expect(data.usage).toMatchObject(usageOf(target));
}

const usageOf = ({ promptTokens, completionTokens }: ClientTarget) => ({
  prompt_tokens: promptTokens,
  completion_tokens: completionTokens,
  total_tokens: promptTokens + completionTokens,
});

async function openaiStream(target: ClientTarget): Promise<void> {
  const stream = await openai(target).chat.completions.create({
    model: target.model,
    messages: user(target.prompt),
    temperature: 0,
    stream: true,
    stream_options: { include_usage: true },
  });
  let text = '';
  const finishes = [];
  let usage;
  for await (const chunk of stream) {
    const [choice] = chunk.choices;
    text += choice?.delta.content ?? '';
    if (choice?.finish_reason) finishes.push(choice.finish_reason);
    usage = chunk.usage ?? usage;
  }
  expect(text).toBe(target.text);
  expect(finishes).toEqual(['stop']);
  expect(usage).toMatchObject(usageOf(target));
}

async function openaiHelper(target: ClientTarget): Promise<void> {
  const runner = openai(target).chat.completions.stream({
    model: target.model,
    messages: user(target.prompt),
    temperature: 0,
  });
  let deltas = '';
  runner.on('content', (delta) => (deltas += delta));
  const completion = await runner.finalChatCompletion();
  expect(deltas).toBe(target.text);
  expect(completion.choices[0]?.message.content).toBe(target.text);
  expect(completion.choices[0]?.finish_reason).toBe('stop');
}

async function openaiCompletion(target: ClientTarget): Promise<void> {
  const completion = await openai(target).completions.create({
    model: target.model,
    prompt: target.prompt,
    temperature: 0,
    max_tokens: 3,
  });
  expect(completion.object).toBe('text_completion');
  expect(completion.usage?.completion_tokens).toBeLessThanOrEqual(3);
  expect(completion.usage?.completion_tokens).toBeGreaterThan(0);
}

async function openaiAbort(target: ClientTarget): Promise<void> {
  const stream = await openai(target).chat.completions.create({
    model: target.model,
    messages: user(target.longPrompt),
    stream: true,
  });
  let chunks = 0;
  for await (const chunk of stream) {
    chunks += chunk.choices.length;
    if (chunks === 3) stream.controller.abort();
  }
  expect(chunks).toBeGreaterThanOrEqual(3);
  await expectIdle(target);
}

async function openaiBreak(target: ClientTarget): Promise<void> {
  const stream = await openai(target).chat.completions.create({
    model: target.model,
    messages: user(target.longPrompt),
    stream: true,
  });
  for await (const chunk of stream) if (chunk.choices[0]?.delta.content) break;
  await expectIdle(target);
}

/** A hang-up frees the session within a second (S10). */
async function expectIdle({ url }: ClientTarget): Promise<void> {
  const sessions = async () => {
    const status = (await (await fetch(`${url}/api/status`)).json()) as { sessions: number };
    return status.sessions;
  };
  await expect.poll(sessions, { timeout: 1000, interval: 50 }).toBe(0);
}

async function openaiErrors(target: ClientTarget): Promise<void> {
  const client = openai(target);
  const ask = { model: target.model, messages: user(target.prompt) };
  const tools = [{ type: 'function' as const, function: { name: 'f' } }];
  await expect(client.chat.completions.create({ ...ask, tools })).rejects.toMatchObject({
    status: 400,
    code: 'unsupported_parameter',
    param: 'tools',
    type: 'invalid_request_error',
  });
  await expect(client.chat.completions.create({ ...ask, tools })).rejects.toBeInstanceOf(
    OpenAI.BadRequestError,
  );
  const elsewhere = client.chat.completions.create({ ...ask, model: 'no-such-model' });
  await expect(elsewhere).rejects.toBeInstanceOf(OpenAI.NotFoundError);
}

const langchain = ({ url, model }: ClientTarget) =>
  new ChatOpenAI({ model, temperature: 0, apiKey: 'any', configuration: { baseURL: `${url}/v1` } });

async function langchainInvoke(target: ClientTarget): Promise<void> {
  const message = await langchain(target).invoke(target.prompt);
  expect(message.content).toBe(target.text);
  expect(message.usage_metadata).toMatchObject({ output_tokens: target.completionTokens });
}

async function langchainStream(target: ClientTarget): Promise<void> {
  let text = '';
  let outputTokens = 0;
  for await (const chunk of await langchain(target).stream(target.prompt)) {
    text += chunk.text;
    const usage = chunk.usage_metadata as { output_tokens: number } | undefined;
    outputTokens = usage?.output_tokens ?? outputTokens;
  }
  expect(text).toBe(target.text);
  expect(outputTokens).toBe(target.completionTokens);
}

const aiModel = ({ url, model }: ClientTarget) =>
  createOpenAICompatible({ name: 'declai', baseURL: `${url}/v1`, includeUsage: true })(model);

async function aiGenerate(target: ClientTarget): Promise<void> {
  const result = await generateText({
    model: aiModel(target),
    prompt: target.prompt,
    temperature: 0,
  });
  expect(result.text).toBe(target.text);
  expect(result.finishReason).toBe('stop');
  expect(result.usage.outputTokens).toBe(target.completionTokens);
}

async function aiStream(target: ClientTarget): Promise<void> {
  const errors: unknown[] = [];
  const result = streamText({
    model: aiModel(target),
    prompt: target.prompt,
    temperature: 0,
    onError: ({ error }) => void errors.push(error),
  });
  let text = '';
  for await (const part of result.textStream) text += part;
  expect(errors).toEqual([]);
  expect(text).toBe(target.text);
  expect(await result.finishReason).toBe('stop');
  expect((await result.usage).outputTokens).toBe(target.completionTokens);
}
