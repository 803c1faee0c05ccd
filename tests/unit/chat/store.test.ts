import 'fake-indexeddb/auto';
import { Dexie } from 'dexie';
import { describe, expect, it, vi } from 'vitest';
import { openChatDb } from '#components/chat/store/chat-db.ts';
import { createChatStore, type ChatStore } from '#components/chat/store/chat-store.ts';
import {
  DEFAULT_SETTINGS,
  type AnswerMessage,
  type Message,
} from '#components/chat/store/model.ts';
import type { ChatWorld } from '#components/chat/store/world.ts';
import { twinGateway, WHOLE, type Behaviour } from './twin-gateway.ts';

let names = 0;

interface HeldWrite {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** A page: its store, and the frames that it has asked for. */
function openPage(
  behaviours: readonly Behaviour[] = [],
  name = `chat-${String((names += 1))}`,
  change: Partial<ChatWorld> = {},
) {
  const gateway = twinGateway(behaviours);
  const frames: (() => void)[] = [];
  let now = 0;
  let ids = 0;
  const db = openChatDb(name);
  const store = createChatStore({
    door: gateway,
    db,
    clock: () => (now += 1),
    sleep: () => Promise.resolve(),
    requestFrame: (draw) => frames.push(draw),
    newId: () => `${name}-${String((ids += 1))}`,
    newSeed: () => 5,
    ...change,
  });
  const draw = () => frames.splice(0).forEach((frame) => frame());
  return { name, gateway, store, db, frames, draw };
}

/** Dexie and its twin take as long as the machine lets them. */
const eventually = (check: () => unknown) => vi.waitFor(check, { timeout: 10_000 });
const settle = () => new Promise((resolve) => setTimeout(resolve, 25));
const see = (store: ChatStore, id: string): readonly Message[] =>
  store.thread(id).getSnapshot().messages;
const lastAnswer = (store: ChatStore, id: string): AnswerMessage => {
  const last = see(store, id).at(-1);
  if (last?.role !== 'assistant') throw new Error('no answer at the end');
  return last;
};
const ask = (store: ChatStore, text = 'hello', into: string | null = null) =>
  store.ask({ into, text, model: 'm' });

describe('the chat store', () => {
  it('keeps conversations, newest first, with a title', async () => {
    const { store } = openPage();
    store.start();
    ask(store, 'first question\nmore');
    ask(store, 'second');
    const titles = () => store.conversations.getSnapshot().list.map(({ title }) => title);
    await eventually(() => expect(titles()).toEqual(['second', 'first question']));
  });

  it('[CH1] shows tokens at most once a frame', async () => {
    const { store, frames, draw } = openPage();
    const id = ask(store);
    let changes = 0;
    store.thread(id).subscribe(() => (changes += 1));
    await settle();
    expect(changes).toBe(0);
    expect(frames.length).toBe(1);
    draw();
    expect(changes).toBe(1);
    expect(lastAnswer(store, id).answer.text).toBe(WHOLE);
  });

  it('[CH2] asks for an answer once its prompt is kept, or cannot be, or a store has hung for long enough', async () => {
    const db = openChatDb('kept');
    const writes: HeldWrite[] = [];
    const sleeps: (() => void)[] = [];
    const { store, gateway } = openPage([], 'kept', {
      db: {
        ...db,
        replaceMessages: () =>
          new Promise<void>((resolve, reject) => void writes.push({ resolve, reject })),
      },
      sleep: () => new Promise((resolve) => void sleeps.push(resolve)),
    });
    for (const settled of [
      () => writes.at(-1)?.resolve(),
      () => writes.at(-1)?.reject(new Error('nothing is kept here')),
      () => sleeps.at(-1)?.(),
    ]) {
      const before = gateway.attempts.length;
      ask(store);
      await settle();
      expect(gateway.attempts.length).toBe(before);
      settled();
      await settle();
      expect(gateway.attempts.length).toBe(before + 1);
    }
  });

  it('[CH2] reads an interrupted answer on after a reload, in every conversation', async () => {
    const first = openPage([{ hangAfter: 4 }]);
    const id = ask(first.store);
    await settle();
    first.store.flush();
    await eventually(async () => {
      const kept = (await first.db.messages(id)).at(-1) as AnswerMessage | undefined;
      expect(kept?.answer.acceptedIds.length).toBe(4);
    });
    const second = openPage([], first.name);
    second.store.start();
    await eventually(() => expect(second.frames.length).toBe(1));
    await settle();
    second.draw();
    expect(second.gateway.attempts[0]).toEqual({ type: 'read-on', answerId: 'a1', from: 4 });
    expect(lastAnswer(second.store, id).answer).toMatchObject({
      text: WHOLE,
      phase: { type: 'done' },
    });
    await eventually(async () => expect(await second.db.unfinished()).toEqual([]));
    const kept = (await second.db.messages(id)).at(-1) as AnswerMessage;
    expect(kept.answer.text).toBe(WHOLE);
  });

  it('[CH4] stops, and goes on with the next prompt from what has come', async () => {
    const { store, draw, gateway } = openPage([{ hangAfter: 2 }]);
    const id = ask(store);
    await settle();
    draw();
    store.stop(lastAnswer(store, id).id);
    draw();
    expect(lastAnswer(store, id).answer).toMatchObject({
      text: 'The quick ',
      phase: { type: 'stopped' },
    });
    expect(gateway.stopped).toEqual(['a1']);
    ask(store, 'go on', id);
    expect(see(store, id).map(({ seq }) => seq)).toEqual([0, 1, 2, 3]);
  });

  it('regenerates, and edits with later messages replaced', async () => {
    const { store, draw, db } = openPage();
    const id = ask(store, 'one');
    await settle();
    ask(store, 'two', id);
    await settle();
    draw();
    const [prompt, answer] = see(store, id);
    store.regenerate(id, answer!.id);
    expect(see(store, id).map(({ role }) => role)).toEqual(['user', 'assistant']);
    expect(see(store, id)[1]!.id).not.toBe(answer!.id);
    store.resend(id, prompt!.id, 'one, but better');
    await settle();
    draw();
    expect(see(store, id)).toMatchObject([
      { text: 'one, but better' },
      { answer: { text: WHOLE } },
    ]);
    await eventually(async () => {
      const kept = await db.messages(id);
      expect(kept).toMatchObject([{ text: 'one, but better' }, { role: 'assistant' }]);
    });
  });

  it('[CH6] retries a lost answer from where it stopped', async () => {
    const { store, draw, gateway } = openPage([{ error: 'answer.lost', after: 3 }]);
    const id = ask(store);
    await settle();
    draw();
    const lost = lastAnswer(store, id);
    expect(lost.answer.phase.type).toBe('failed');
    store.retry(id, lost.id);
    await settle();
    draw();
    expect(lastAnswer(store, id)).toMatchObject({
      id: lost.id,
      answer: { text: WHOLE, marks: [{ type: 'resumed', at: 3 }] },
    });
    expect(gateway.attempts.map(({ type }) => type)).toEqual(['ask', 'resume']);
  });

  it('[CH7] deletes for good, also while an answer streams', async () => {
    const { store, db, gateway } = openPage([{ hangAfter: 2 }]);
    store.start();
    const id = ask(store);
    await settle();
    store.remove(id);
    store.flush();
    await settle();
    expect(gateway.stopped).toEqual(['a1']);
    await eventually(async () => expect(await db.messages(id)).toEqual([]));
    await eventually(() => expect(store.conversations.getSnapshot().list).toEqual([]));
  });

  it('[CH8] goes on in memory where the browser keeps nothing, and says so', async () => {
    const { indexedDB } = Dexie.dependencies;
    Dexie.dependencies.indexedDB = undefined as never;
    const { store, draw } = openPage();
    Dexie.dependencies.indexedDB = indexedDB;
    store.start();
    await eventually(() => expect(store.conversations.getSnapshot().status).toBe('unkept'));
    const id = ask(store);
    await settle();
    draw();
    expect(lastAnswer(store, id).answer.text).toBe(WHOLE);
  });

  it('keeps settings', async () => {
    const first = openPage();
    first.store.saveSettings({
      ...DEFAULT_SETTINGS,
      temperature: 0,
      maxTokens: 48,
    });
    await eventually(async () => expect((await first.db.settings()).maxTokens).toBe(48));
    const second = openPage([], first.name);
    second.store.start();
    const kept = () => second.store.settings.getSnapshot();
    await eventually(() => expect(kept()).toMatchObject({ temperature: 0, maxTokens: 48 }));
  });
});
