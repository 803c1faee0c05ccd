import { setTimeout as sleep } from 'node:timers/promises';
import type { GatewayConfig } from '#server/gateway/limits.ts';
import { startGateway, type TestGateway } from '#tests/support/gateway-server.ts';
import type { MemorySession } from '#tests/support/memory-answers.ts';
import { begin, send, type RawAnswer } from '#tests/support/raw-http.ts';
import { parseStream, type RawStream, type WireChunk } from '#tests/support/sse.ts';

/** Every way a stream can go, as bytes: the rows of 4.9 are claims about all of them. */
export interface Recording {
  readonly name: string;
  readonly goes: Going;
  readonly chat: boolean;
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
  /** False: the socket broke before the body's end. */
  readonly whole: boolean;
  readonly lines: RawStream;
  /** Objects of the `data:` lines that are chunks, in order. */
  readonly chunks: readonly WireChunk[];
  readonly errors: readonly Record<string, unknown>[];
}

/** How it should end: with a finish_reason, with an error event, or with a broken socket. */
export type Going = 'finished' | 'failed' | 'broken';

interface Scenario {
  readonly name: string;
  readonly goes: Going;
  readonly ask?: Readonly<Record<string, unknown>>;
  readonly path?: string;
  readonly config?: Partial<GatewayConfig>;
  /** What the ring does, once the session is there and the headers are out. */
  drive(session: MemorySession, server: TestGateway, answer: RawAnswer): void | Promise<void>;
  /** Reads the answer again by its id, from this token, instead of the first time. */
  readonly again?: number;
}

const CHAT = '/v1/chat/completions';
const TEXT = '/v1/completions';
export const SPOKEN = 'Grüße — 🗼';

const finish = (session: MemorySession) => {
  session.route();
  session.say(SPOKEN);
  session.end();
};
const SCENARIOS: readonly Scenario[] = [
  { name: 'ends by itself', goes: 'finished', drive: finish },
  { name: 'ends by itself, text', goes: 'finished', path: TEXT, drive: finish },
  {
    name: 'with usage',
    goes: 'finished',
    ask: { stream_options: { include_usage: true } },
    drive: finish,
  },
  {
    name: 'with usage and ids, text',
    goes: 'finished',
    path: TEXT,
    ask: { stream_options: { include_usage: true }, return_token_ids: true },
    drive: finish,
  },
  {
    name: 'ends at max_tokens',
    goes: 'finished',
    ask: { max_tokens: 4 },
    drive: (session) => session.say('abcdefgh'),
  },
  {
    name: 'ends at a stop string',
    goes: 'finished',
    ask: { stop: ['STOP'] },
    drive: (session) => session.say('one STOP two'),
  },
  {
    name: 'ends without a word',
    goes: 'finished',
    ask: { stream_options: { include_usage: true } },
    drive: (session) => session.end(),
  },
  {
    name: 'moves twice',
    goes: 'finished',
    drive: (session) => {
      session.route();
      session.say('ab');
      session.route(2, 'socket');
      session.route(3, 'deadline');
      session.say('c');
      session.end();
    },
  },
  {
    name: 'waits in the queue, with comments',
    goes: 'finished',
    config: { keepAliveMs: 10 },
    drive: async (session, _server, answer) => {
      session.emit({ type: 'queued', position: 3 });
      await answer.until((body) => body.includes('queue position 3'));
      session.route();
      session.say('a');
      await answer.until((body) => body.endsWith(': keep-alive\n\n'));
      session.end();
    },
  },
  { name: 'lost before a token', goes: 'failed', drive: (session) => session.lose() },
  {
    name: 'lost in the middle, with usage',
    goes: 'failed',
    ask: { stream_options: { include_usage: true } },
    drive: (session) => {
      session.route();
      session.say('par');
      session.lose();
    },
  },
  {
    name: 'lost in the middle, text',
    goes: 'failed',
    path: TEXT,
    drive: (session) => {
      session.say('par');
      session.lose();
    },
  },
  {
    name: 'stopped by another',
    goes: 'failed',
    drive: async (session, server, answer) => {
      session.say('par');
      const id = String(answer.headers['x-declai-answer']);
      await send(server.url, { method: 'DELETE', path: `/api/answers/${id}` });
    },
  },
  {
    name: 'read again from the middle',
    goes: 'finished',
    ask: { declai: { resumable_s: 30 } },
    again: 3,
    drive: finish,
  },
  {
    name: 'the gateway ends',
    goes: 'broken',
    drive: async (session, server) => {
      session.say('par');
      await sleep(5);
      await server.gateway.close();
    },
  },
];

/** Plays all scenarios, each on a gateway of its own, and keeps what the wire said. */
export const record = (): Promise<readonly Recording[]> => Promise.all(SCENARIOS.map(play));

async function play(scenario: Scenario): Promise<Recording> {
  const { name, goes, path = CHAT, again } = scenario;
  await using server = await startGateway(scenario.config);
  const prompt = path === CHAT ? { messages: [{ role: 'user', content: 'hi' }] } : { prompt: 'hi' };
  const ask = { model: 'bytes', ...prompt, stream: true, ...scenario.ask };
  const first = await begin(server.url, { path, body: ask });
  await scenario.drive(server.answers.last, server, first);
  await first.whole;
  const id = String(first.headers['x-declai-answer']);
  const answer =
    again === undefined
      ? first
      : await begin(server.url, { path: `/api/answers/${id}?from=${again}` });
  const whole = await answer.whole;
  const body = answer.body();
  const lines = parseStream(body);
  const objects = lines.data
    .filter((data) => data !== '[DONE]')
    .map((data) => JSON.parse(data) as Record<string, unknown>);
  return {
    name,
    goes,
    chat: path === CHAT,
    status: answer.status,
    contentType: String(answer.headers['content-type']),
    body,
    whole,
    lines,
    chunks: objects.filter((object) => !('error' in object)) as unknown as WireChunk[],
    errors: objects.filter((object) => 'error' in object),
  };
}

export const finishesOf = ({ chunks }: Recording): unknown[] =>
  chunks.flatMap(({ choices }) => choices.map((choice) => choice.finish_reason));
