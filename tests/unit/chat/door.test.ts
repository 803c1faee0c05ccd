import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { httpDoor, type Opened } from '#components/chat/answer/door.ts';
import { newAnswer } from '#components/chat/answer/state.ts';
import type { StreamEvent } from '#components/chat/answer/wire.ts';
import { CHAT } from '#components/chat/limits.ts';

const COMMENT = ': keep-alive\n\n';
/** As often as the gateway says one. */
const KEEP_ALIVE_MS = 8_000;

describe('the gateway by fetch', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  /** A stream that the test writes, and what became of its reader. */
  async function openStream() {
    const cancelled = vi.fn();
    let writer: ReadableStreamDefaultController<Uint8Array> | null = null;
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => void (writer = controller),
      cancel: cancelled,
    });
    vi.stubGlobal('fetch', () => Promise.resolve(new Response(body)));
    const ask = { cacheKey: 'key', turns: [], settings: { temperature: 0, maxTokens: null } };
    const answer = newAnswer('model', 1, 0);
    const { signal } = new AbortController();
    const opened = await httpDoor(() => 0).open({ type: 'ask' }, { ask, answer, signal });
    const write = (text: string) => writer?.enqueue(new TextEncoder().encode(text));
    return { write, cancelled, events: eventsOf(opened) };
  }

  it('[CH2] gives up a connection on which nothing comes, and lets it go', async () => {
    const { write, cancelled, events } = await openStream();
    const seen: StreamEvent[] = [];
    const reading = (async () => {
      for await (const event of events) seen.push(event);
    })();
    const end = expect(reading).rejects.toThrow('silent');
    // While the gateway says something, were it a comment, it is waited for.
    for (let passed = 0; passed < 3 * CHAT.silenceMsMax; passed += KEEP_ALIVE_MS) {
      write(COMMENT);
      await vi.advanceTimersByTimeAsync(KEEP_ALIVE_MS);
    }
    write('data: [DONE]\n\n');
    await vi.advanceTimersByTimeAsync(CHAT.silenceMsMax - 1);
    expect([seen, cancelled.mock.calls.length]).toEqual([[{ type: 'end' }], 0]);
    await vi.advanceTimersByTimeAsync(1);
    await end;
    expect(cancelled).toHaveBeenCalledOnce();
  });
});

function eventsOf(opened: Opened): AsyncIterable<StreamEvent> {
  if (opened.type !== 'stream') throw new Error('refused');
  return opened.events;
}
