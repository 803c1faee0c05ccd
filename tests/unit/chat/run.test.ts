import { describe, expect, it } from 'vitest';
import { runAnswer } from '#components/chat/answer/run.ts';
import { hasEnded, newAnswer, type AnswerState } from '#components/chat/answer/state.ts';
import { CHAT } from '#components/chat/limits.ts';
import { twinGateway, WHOLE, WORDS, type Behaviour, type TwinGateway } from './twin-gateway.ts';

const ask = { cacheKey: 'c'.repeat(32), turns: [], settings: { temperature: 0, maxTokens: null } };

function start(behaviours: readonly Behaviour[], from: AnswerState = newAnswer('m', 1, 0)) {
  const gateway = twinGateway(behaviours);
  const states: AnswerState[] = [from];
  let now = 0;
  const world = { door: gateway, clock: () => (now += 5), sleep: () => Promise.resolve() };
  const run = runAnswer(world, { ask, answer: from }, (answer) => states.push(answer));
  return { gateway, states, run, last: () => states.at(-1)! };
}

const types = ({ attempts }: TwinGateway): string[] => attempts.map(({ type }) => type);

describe('an answer on its way', () => {
  it('comes whole over one connection', async () => {
    const { run, last, gateway } = start([]);
    await run.ended;
    expect(last()).toMatchObject({
      text: WHOLE,
      phase: { type: 'done', finish: 'stop' },
      marks: [],
    });
    expect(types(gateway)).toEqual(['ask']);
  });

  it('[CH2] is the same text wherever the connection breaks', async () => {
    for (let at = 0; at <= WORDS.length - 1; at += 1) {
      const { run, last, gateway } = start([{ breakAfter: at }, { breakAfter: 1 }]);
      await run.ended;
      expect(last().text, `broken after ${at}`).toBe(WHOLE);
      expect(last().acceptedIds).toEqual(WORDS.map((_, index) => index));
      expect(types(gateway)[1]).toBe('read-on');
    }
  });

  it('[CH2] is the same text wherever the page is reloaded', async () => {
    for (let at = 0; at <= WORDS.length - 1; at += 1) {
      const before = start([{ hangAfter: at }]);
      await new Promise((resolve) => setTimeout(resolve));
      before.run.release();
      await before.run.ended;
      // What dexie gives back after the reload.
      const kept = JSON.parse(JSON.stringify(before.last())) as AnswerState;
      expect(hasEnded(kept)).toBe(false);
      const after = start([], kept);
      await after.run.ended;
      expect(after.last().text, `reloaded after ${at}`).toBe(WHOLE);
      expect(before.gateway.stopped).toEqual([]);
    }
  });

  it('[CH2] waits for the next server where this one is being stopped', async () => {
    const stopping = { refuse: { status: 503, code: 'server_stopping' } };
    const broken = start([{ breakAfter: 4 }, stopping, stopping]);
    await broken.run.ended;
    expect(broken.last()).toMatchObject({ text: WHOLE, phase: { type: 'done' } });
    expect(types(broken.gateway)).toEqual(['ask', 'read-on', 'read-on', 'read-on']);
    const early = start([stopping]);
    await early.run.ended;
    expect(early.last().text).toBe(WHOLE);
  });

  it('[CH3] goes on in a new session where the gateway has forgotten it, and says so', async () => {
    const gone = { refuse: { status: 404, code: 'not_found' } };
    const { run, last, gateway } = start([{ breakAfter: 4 }, gone]);
    await run.ended;
    expect(types(gateway)).toEqual(['ask', 'read-on', 'resume']);
    expect(last()).toMatchObject({ text: WHOLE, marks: [{ type: 'resumed', at: 4 }] });
  });

  it('[CH3] asks again, unseen, where nothing had come yet', async () => {
    const gone = { refuse: { status: 404, code: 'not_found' } };
    const { run, last, gateway } = start([{ breakAfter: 0 }, gone]);
    await run.ended;
    expect(types(gateway)).toEqual(['ask', 'read-on', 'ask']);
    expect(last()).toMatchObject({ text: WHOLE, marks: [] });
  });

  it('[CH4] stops by an explicit message; what has come stays', async () => {
    const { run, last, gateway } = start([{ hangAfter: 3 }]);
    await new Promise((resolve) => setTimeout(resolve));
    run.stop();
    await run.ended;
    expect(last()).toMatchObject({ text: 'The quick brown ', phase: { type: 'stopped' } });
    expect(gateway.stopped).toEqual(['a1']);
  });

  it('[CH6] ends with what the gateway says: refused, lost, stopped elsewhere', async () => {
    const refused = start([{ refuse: { status: 429, code: 'refuse.no_cover' } }]);
    await refused.run.ended;
    expect(refused.last().phase).toMatchObject({
      type: 'failed',
      failure: { code: 'refuse.no_cover' },
    });

    const lost = start([{ error: 'answer.lost', after: 3 }]);
    await lost.run.ended;
    expect(lost.last()).toMatchObject({
      text: 'The quick brown ',
      phase: { type: 'failed', failure: { code: 'answer.lost' } },
    });

    const elsewhere = start([{ error: 'answer.cancelled', after: 3 }]);
    await elsewhere.run.ended;
    expect(elsewhere.last().phase).toEqual({ type: 'stopped' });
  });

  it('[CH6] gives up where the server stays away, and never spins', async () => {
    const away = Array.from({ length: 100 }, () => ({ unreachable: true }) as const);
    const { run, last, gateway } = start(away);
    await run.ended;
    expect(last().phase).toMatchObject({ type: 'failed', failure: { code: 'page.offline' } });
    expect(gateway.attempts.length).toBe(CHAT.reconnectsMax + 1);
  });

  it('[CH6] a server that this page does not understand is not called away', async () => {
    const { run, last } = start(Array.from({ length: 20 }, () => ({ garbage: true }) as const));
    await run.ended;
    expect(last().phase).toMatchObject({ type: 'failed', failure: { code: 'page.unreadable' } });
  });

  it('[CH6] a connection that ends early without an error is a broken one', async () => {
    const { run, last } = start([{ breakAfter: 2 }, { breakAfter: 0 }, { breakAfter: 2 }]);
    await run.ended;
    expect(last().text).toBe(WHOLE);
  });
});
