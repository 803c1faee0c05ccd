import { beforeAll, describe, expect, test } from 'vitest';
import { GATEWAY } from '#server/gateway/limits.ts';
import { startGateway } from '#tests/support/gateway-server.ts';
import { begin, send } from '#tests/support/raw-http.ts';
import { textOf } from '#tests/support/sse.ts';
import { finishesOf, record, SPOKEN, type Recording } from './recordings.ts';

/** Rules 3, 4, 5 of 4.8 and the stream rows of 4.9, on the bytes of every kind of stream. */
let all: readonly Recording[];
beforeAll(async () => {
  all = await record();
});
const only = (goes: Recording['goes']) => all.filter((recording) => recording.goes === goes);
const called = (name: string) => all.find((recording) => recording.name === name)!;
/** `claim` for each stream, so that a failure names the one that broke it. */
const each = (list: readonly Recording[], claim: (recording: Recording) => unknown) =>
  list.map((recording) => [recording.name, claim(recording)]);
const names = (list: readonly Recording[], value: unknown) => list.map(({ name }) => [name, value]);

describe('rule 3: the stream', () => {
  test('[4.8.3] is text/event-stream, and every event one line `data: {json}` and an empty one', () => {
    expect(each(all, ({ status, contentType }) => `${status} ${contentType}`)).toEqual(
      names(all, '200 text/event-stream; charset=utf-8'),
    );
    const event = /^(data: (\{.*\}|\[DONE\])|: [^\n]*)$/;
    const strange = (recording: Recording) =>
      recording.body.split('\n\n').filter((text) => text !== '' && !event.test(text));
    expect(each(all, strange)).toEqual(names(all, []));
    expect(each(all, ({ body }) => body.endsWith('\n\n'))).toEqual(names(all, true));
  });

  test('[4.8.3] its text, finish_reason and last line are there', () => {
    expect(textOf(called('ends by itself').chunks)).toBe(SPOKEN);
    expect(textOf(called('ends by itself, text').chunks)).toBe(SPOKEN);
    expect(textOf(called('ends at a stop string').chunks)).toBe('one ');
    expect(textOf(called('ends at max_tokens').chunks)).toBe('abcd');
    expect(textOf(called('moves twice').chunks)).toBe('abc');
    expect(textOf(called('lost in the middle, with usage').chunks)).toBe('par');
    expect(each(only('finished'), ({ lines }) => lines.data.at(-1))).toEqual(
      names(only('finished'), '[DONE]'),
    );
  });

  test('[4.8.3] every chunk has id, object, created and model, the same throughout', () => {
    const heads = (recording: Recording) =>
      new Set(
        recording.chunks.map(({ id, object, created, model }) =>
          [id, object, created, model].join(),
        ),
      );
    expect(each(all, (recording) => heads(recording).size)).toEqual(names(all, 1));
    for (const { chat, chunks } of all) {
      expect(chunks[0]).toMatchObject({
        id: expect.stringMatching(
          chat ? /^chatcmpl-[0-9a-f]{32}$/ : /^cmpl-[0-9a-f]{32}$/,
        ) as string,
        object: chat ? 'chat.completion.chunk' : 'text_completion',
        model: 'bytes',
      });
      expect(Math.abs(Number(chunks[0]?.created) - Date.now() / 1000)).toBeLessThan(60);
    }
  });
});

describe('rule 4: usage', () => {
  const asked = () =>
    all.filter(({ name }) => name.includes('usage') || name === 'ends without a word');

  test('[4.8.4] one chunk with `choices: []` just before [DONE], and null before it, where asked for', () => {
    const finished = asked().filter(({ goes }) => goes === 'finished');
    expect(finished).toHaveLength(3);
    for (const { chunks, lines } of finished) {
      const usages = chunks.map(({ usage }) => usage);
      expect(usages.slice(0, -1)).toEqual(usages.slice(1).map(() => null));
      expect(chunks.at(-1)?.choices).toEqual([]);
      const { prompt_tokens, completion_tokens, total_tokens } = usages.at(-1)!;
      expect(total_tokens).toBe(prompt_tokens! + completion_tokens!);
      expect(JSON.parse(lines.data.at(-2)!)).toEqual(chunks.at(-1));
    }
    expect(called('ends without a word').chunks.at(-1)?.usage).toMatchObject({
      completion_tokens: 1,
    });
  });

  test('[4.8.4] no usage anywhere where nobody asked, none where the answer is lost', () => {
    const silent = all.filter((recording) => !asked().includes(recording));
    expect(each(silent, ({ body }) => body.includes('"usage"'))).toEqual(names(silent, false));
    const lost = called('lost in the middle, with usage');
    expect(lost.chunks.map(({ usage }) => usage)).toEqual(lost.chunks.map(() => null));
  });

  test('[4.8.4] a client that breaks off gets none', async () => {
    await using server = await startGateway();
    const body = {
      model: 'bytes',
      prompt: 'hi',
      stream: true,
      stream_options: { include_usage: true },
    };
    const answer = await begin(server.url, { path: '/v1/completions', body });
    server.answers.last.say('ab');
    await answer.until((text) => text.includes('"b"'));
    answer.hangUp();
    expect(await answer.whole).toBe(false);
    await expect.poll(() => server.answers.running).toBe(0);
    expect(answer.body()).not.toContain('"total_tokens"');
  });
});

describe('rule 5: what the strictest schema takes', () => {
  test('[4.8.5] `choices` is an array, `delta` an object, `role` "assistant" and only at first', () => {
    for (const { chunks, chat } of all) {
      expect(chunks.every(({ choices }) => Array.isArray(choices))).toBe(true);
      if (!chat) continue;
      const deltas = chunks.flatMap(({ choices }) => choices.map(({ delta }) => delta));
      expect(deltas[0]).toEqual({ role: 'assistant', content: '' });
      for (const delta of deltas.slice(1)) {
        expect(Object.keys(delta!).filter((key) => key !== 'content')).toEqual([]);
      }
    }
  });

  test('[4.8.5] a good chunk has no `error`; there is no reasoning here that could be lost', () => {
    for (const { chunks, body } of all) {
      expect(chunks.some((chunk) => 'error' in chunk)).toBe(false);
      expect(body).not.toMatch(/"reasoning/);
    }
  });
});

describe('the rows of streams', () => {
  test('[4.9.s1] usage is a chunk of its own: never on a chunk that has a choice', () => {
    const mixed = ({ chunks }: Recording) =>
      chunks.filter(({ choices, usage }) => choices.length > 0 && usage).length;
    expect(each(all, mixed)).toEqual(names(all, 0));
  });

  test('[4.9.s2] comments break silence and tell the place in the queue; nothing else does', () => {
    const { lines } = called('waits in the queue, with comments');
    expect(lines.comments).toContain(': keep-alive, queue position 3');
    expect(lines.comments.at(-1)).toBe(': keep-alive');
    const quick = all.filter(({ name }) => !name.includes('comments'));
    expect(each(quick, (recording) => recording.lines.comments)).toEqual(names(quick, []));
    // 3.13: not before 5 s of silence; 4.8.7: at least every 10 s.
    expect(GATEWAY.keepAliveMs).toBeGreaterThanOrEqual(5_000);
    expect(GATEWAY.keepAliveMs).toBeLessThanOrEqual(10_000);
  });

  test('[4.9.s3] the route and the index travel in the field `declai` of ordinary chunks', () => {
    const { chunks } = called('moves twice');
    expect(chunks.flatMap(({ declai }) => (declai?.['route'] ? [declai['epoch']] : []))).toEqual([
      1, 2, 3,
    ]);
    expect(chunks.flatMap(({ declai }) => (declai?.['moved'] ? [declai['moved']] : []))).toEqual([
      { at_index: 2, cause: 'socket', reason: 'answer.moved' },
      { at_index: 2, cause: 'deadline', reason: 'answer.moved' },
    ]);
    const again = called('read again from the middle');
    expect(again.chunks[0]?.declai?.index).toBe(3);
  });

  test('[4.9.s4] there is no named event: no line but data, comment and empty ones', () => {
    expect(each(all, ({ lines }) => lines.others)).toEqual(names(all, []));
    expect(each(all, ({ body }) => /^(event|id|retry):/m.test(body))).toEqual(names(all, false));
  });

  test('[4.9.s5] no chunk is without `choices`; only the usage chunk has none in it', () => {
    for (const { chunks } of all) {
      for (const { choices, usage } of chunks) expect(choices).toHaveLength(usage ? 0 : 1);
    }
  });

  test('[4.9.s6] [DONE] never comes without a finish_reason before it', () => {
    const done = all.filter(({ lines }) => lines.data.includes('[DONE]'));
    expect(done).toEqual(only('finished'));
    expect(each(done, (recording) => finishesOf(recording).filter(Boolean).length)).toEqual(
      names(done, 1),
    );
  });

  test('[4.9.s7] a body without a finish_reason never ends cleanly: an error or a broken socket', () => {
    const unfinished = all.filter((recording) => !finishesOf(recording).some(Boolean));
    expect(unfinished).toEqual([...only('failed'), ...only('broken')]);
    const safe = ({ whole, errors }: Recording) => !whole || errors.length === 1;
    expect(each(unfinished, safe)).toEqual(names(unfinished, true));
  });

  test('[4.9.s8] a gateway that ends breaks the socket of its reader', () => {
    const { whole, body } = called('the gateway ends');
    expect(whole).toBe(false);
    expect(body).not.toContain('[DONE]');
  });

  test('[4.9.s9] a failure in mid-stream is a `data:` line with the error, the last one, at status 200', () => {
    for (const { errors, lines, status } of only('failed')) {
      expect(status).toBe(200);
      expect(errors).toHaveLength(1);
      expect(JSON.parse(lines.data.at(-1)!)).toEqual(errors[0]);
      expect(Object.keys(errors[0]!['error'] as object).sort()).toEqual([
        'code',
        'message',
        'param',
        'type',
      ]);
    }
    const code = (name: string) => (called(name).errors[0]?.['error'] as { code: string }).code;
    expect(code('lost in the middle, with usage')).toBe('answer.lost');
    expect(code('lost in the middle, text')).toBe('answer.lost');
    expect(code('stopped by another')).toBe('answer.cancelled');
    expect(each(only('finished'), ({ errors }) => errors)).toEqual(names(only('finished'), []));
  });

  test('[4.9.s10] finish_reason is never "error": it is "stop" or "length"', () => {
    const reasons = ['stop', 'length', null];
    const strange = (recording: Recording) =>
      finishesOf(recording).filter((reason) => !reasons.includes(reason as string | null));
    expect(each(all, strange)).toEqual(names(all, []));
    expect(finishesOf(called('ends at max_tokens')).at(-1)).toBe('length');
    expect(finishesOf(called('ends at a stop string')).at(-1)).toBe('stop');
    expect(finishesOf(called('ends by itself')).at(-1)).toBe('stop');
  });

  test('[4.9.s11] finish_reason is null, not empty and not absent, until the one last choice', () => {
    for (const recording of only('finished')) {
      const reasons = finishesOf(recording);
      expect([recording.name, reasons.slice(0, -1)]).toEqual([
        recording.name,
        reasons.slice(1).map(() => null),
      ]);
      expect(reasons.at(-1)).toEqual(expect.any(String));
    }
  });

  test('[4.9.s12] the role stands in the first chunk, also of one that is read again', () => {
    const first = ({ chunks }: Recording) => chunks[0]?.choices[0]?.delta?.role;
    const chats = all.filter(({ chat }) => chat);
    expect(each(chats, first)).toEqual(names(chats, 'assistant'));
  });

  test('[4.9.s13] every choice has its index', () => {
    const indices = ({ chunks }: Recording) =>
      chunks.every(({ choices }) => choices.every(({ index }) => index === 0));
    expect(each(all, indices)).toEqual(names(all, true));
  });

  test('[4.9.s14] never nothing but [DONE]: an answer without a word has role and finish, a lost one an error', () => {
    const empty = called('ends without a word');
    expect(textOf(empty.chunks)).toBe('');
    expect(empty.chunks[0]?.choices[0]?.delta?.role).toBe('assistant');
    expect(finishesOf(empty).at(-1)).toBe('stop');
    const lost = called('lost before a token');
    expect(lost.lines.data).not.toContain('[DONE]');
    expect(lost.errors[0]).toMatchObject({ error: { code: 'answer.lost' } });
  });

  test('[4.9.s15] nothing follows [DONE], not even a comment, and nothing follows an error', () => {
    for (const { body, goes } of all) {
      if (goes === 'finished') expect(body.split('data: [DONE]')[1]).toBe('\n\n');
      if (goes === 'failed') expect(body).toMatch(/\ndata: \{"error":\{[^\n]*\}\}\n\n$/);
    }
  });

  test('[4.9.s16] lines end with LF, [DONE] is sent, and no event holds half a character', async () => {
    expect(each(all, ({ body }) => body.includes('\r'))).toEqual(names(all, false));
    expect(each(all, ({ body }) => body.includes('\ufffd'))).toEqual(names(all, false));
    await using server = await startGateway();
    server.answers.onStart = (session) => {
      session.say('🗼'.repeat(20));
      session.end();
    };
    const body = { model: 'bytes', prompt: 'hi', stream: true };
    const { body: said } = await send(server.url, { path: '/v1/completions', body });
    const texts = [...said.matchAll(/"text":"([^"]+)"/g)].map((match) => match[1]);
    expect(texts).toEqual(new Array(20).fill('🗼'));
    expect(said).toContain('data: [DONE]');
  });
});
