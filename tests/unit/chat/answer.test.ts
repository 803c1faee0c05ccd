import { describe, expect, it } from 'vitest';
import {
  applyBroken,
  applyChunk,
  applyFailed,
  applyResumed,
  applyStopped,
} from '#components/chat/answer/apply.ts';
import { planAttempt, reconnectDelayMs } from '#components/chat/answer/attempt.ts';
import { requestBody } from '#components/chat/answer/request.ts';
import { factsOf, newAnswer, type AnswerState } from '#components/chat/answer/state.ts';
import { readEvent, readRefusal, type Chunk } from '#components/chat/answer/wire.ts';
import { CHAT } from '#components/chat/limits.ts';

const chunk = (json: object): Chunk => {
  const event = readEvent(JSON.stringify(json));
  if (event.type !== 'chunk') throw new Error('not a chunk');
  return event.chunk;
};
const opening = chunk({
  id: 'chatcmpl-1',
  choices: [{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }],
  prompt_token_ids: [5, 6],
  declai: {
    answer: 'chatcmpl-1',
    index: 0,
    route: [{ node: 'ab', kind: 'tab', first_layer: 0, last_layer: 29, path: 'direct' }],
  },
});
const token = (index: number, content: string, extra: object = {}): Chunk =>
  chunk({
    choices: [{ index: 0, delta: { content }, finish_reason: null, token_ids: [100 + index] }],
    declai: { index, ...extra },
  });
const closing = (index: number): Chunk =>
  chunk({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }], declai: { index } });

const fold = (chunks: readonly Chunk[], start = newAnswer('m', 7, 1_000)): AnswerState =>
  chunks.reduce((answer, next, i) => applyChunk(answer, next, 1_100 + 10 * i), start);

describe('an answer', () => {
  it('[CH1] grows by its chunks and keeps what a reload needs', () => {
    const answer = fold([opening, token(0, 'Hel'), token(1, ''), token(2, 'lo'), closing(3)]);
    expect(answer).toMatchObject({
      phase: { type: 'done', finish: 'stop' },
      answerId: 'chatcmpl-1',
      promptIds: [5, 6],
      acceptedIds: [100, 101, 102],
      text: 'Hello',
      route: [{ node: 'ab' }],
    });
  });

  it('[CH2] takes a token once, however often it is read', () => {
    const once = fold([opening, token(0, 'a'), token(1, 'b')]);
    const again = fold([opening, token(0, 'a'), token(1, 'b'), token(2, 'c')], once);
    expect(again.text).toBe('abc');
    expect(again.acceptedIds).toEqual([100, 101, 102]);
  });

  it('[CH2] does not go on over a gap', () => {
    expect(() => fold([opening, token(0, 'a'), token(2, 'c')])).toThrow(/missing/);
  });

  it('waits until the first token has come', () => {
    expect(fold([opening]).phase.type).toBe('asking');
    expect(fold([opening, token(0, 'a')]).phase.type).toBe('streaming');
  });

  it('[CH5] marks a failover once, at its first token', () => {
    const moved = token(1, 'b', { moved: { at_index: 1, cause: 'dead' } });
    expect(fold([opening, token(0, 'a'), moved, moved]).marks).toEqual([{ type: 'moved', at: 1 }]);
  });

  it('[CH4] keeps the text that was there when it was stopped, and nothing after', () => {
    const stopped = applyStopped(fold([opening, token(0, 'a')]));
    expect(fold([token(1, 'b')], stopped)).toBe(stopped);
    expect(applyFailed(stopped, { code: 'x', message: '', retryAt: null })).toBe(stopped);
    expect(applyBroken(stopped)).toBe(stopped);
  });

  it('tells first token and speed by the clock', () => {
    const facts = factsOf(fold([opening, token(0, 'a'), token(1, 'b'), token(2, 'c')]));
    expect(facts).toEqual({ ttftMs: 110, tokensPerSecond: 100, tokens: 3 });
    expect(factsOf(newAnswer('m', 1, 0))).toEqual({
      ttftMs: null,
      tokensPerSecond: null,
      tokens: 0,
    });
  });
});

describe('the next connection', () => {
  it('[CH2] asks, reads on by name and index, resumes where the name is forgotten', () => {
    const asked = newAnswer('m', 7, 0);
    expect(planAttempt(asked)).toEqual({ type: 'ask' });
    const read = fold([opening, token(0, 'a')]);
    expect(planAttempt(read)).toEqual({ type: 'read-on', answerId: 'chatcmpl-1', from: 1 });
    expect(planAttempt({ ...read, answerId: null })).toEqual({ type: 'resume' });
    // No prompt ids: the same seed gives the same tokens again, and those known are dropped.
    expect(planAttempt({ ...read, answerId: null, promptIds: [] })).toEqual({ type: 'ask' });
  });

  it('waits longer each time and gives up', () => {
    const delays = Array.from({ length: CHAT.reconnectsMax + 2 }, (_, i) =>
      reconnectDelayMs(i + 1),
    );
    expect(delays.slice(0, 3)).toEqual([300, 600, 1_200]);
    expect(Math.max(...delays.map((delay) => delay ?? 0))).toBeLessThanOrEqual(8_000);
    expect(delays.at(-1)).toBeNull();
  });

  it('[CH3] sends prompt, accepted ids and seed, and says that it may be read on', () => {
    const ask = {
      cacheKey: 'c'.repeat(32),
      turns: [{ role: 'user', content: 'hi' } as const],
      settings: { temperature: 0, maxTokens: null },
    };
    const answer = applyResumed(fold([opening, token(0, 'a')]));
    expect(answer.marks).toEqual([{ type: 'resumed', at: 1 }]);
    expect(requestBody(ask, answer, true)).toEqual({
      model: 'm',
      messages: ask.turns,
      temperature: 0,
      seed: 7,
      stream: true,
      stream_options: { include_usage: true },
      return_token_ids: true,
      prompt_cache_key: 'c'.repeat(32),
      declai: {
        resumable_s: CHAT.resumableSeconds,
        resume: { prompt_ids: [5, 6], accepted_ids: [100], seed: 7 },
      },
    });
    const first = requestBody(
      { ...ask, settings: { temperature: 1, maxTokens: 9 } },
      answer,
      false,
    );
    expect(first).toMatchObject({ max_tokens: 9, declai: { resumable_s: CHAT.resumableSeconds } });
    expect(first).not.toHaveProperty('declai.resume');
  });
});

describe('what comes over the wire', () => {
  it('tells chunks, errors and the end apart', () => {
    expect(readEvent('[DONE]')).toEqual({ type: 'end' });
    expect(
      readEvent('{"error":{"message":"gone","type":"server_error","code":"answer.lost"}}'),
    ).toEqual({ type: 'error', code: 'answer.lost', message: 'gone' });
    expect(readEvent('{"choices":[],"usage":{"total_tokens":3}}')).toMatchObject({ type: 'chunk' });
  });

  it('refuses what is none of them', () => {
    for (const data of ['', 'null', '{', '{"choices":3}', '{"choices":[{"token_ids":["a"]}]}']) {
      expect(() => readEvent(data), data).toThrow(
        expect.objectContaining({ code: 'wire/malformed' }),
      );
    }
  });

  it('reads a refusal, and makes one of a body that is none', () => {
    expect(readRefusal('{"error":{"message":"m","code":"refuse.queue"}}', 429)).toEqual({
      code: 'refuse.queue',
      message: 'm',
    });
    expect(readRefusal('<html>', 502)).toEqual({ code: 'http.502', message: '' });
  });
});
