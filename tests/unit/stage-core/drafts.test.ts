import { describe, expect, test } from 'vitest';
import { must } from '#lib/kernel/assert.ts';
import { GREEDY } from '#lib/webgpu/sampling/params.ts';
import { viewStage } from '#lib/shard/stage/core/core.ts';
import type { RowsFrame, TokenFrame } from '#lib/shard/wire/frame.ts';
import { RING } from '#lib/shard/wire/limits.ts';
import type { OwnerMessage, Prepare } from '#lib/shard/wire/session-messages.ts';
import type { StageOutput } from '#lib/shard/stage/types.ts';
import {
  faults,
  frames,
  kvOps,
  node,
  prepare,
  rows,
  runs,
  session,
  StageRig,
  VOCAB,
  WIDTH,
  words,
} from './rig.ts';

// The rig samples 100 + index: after 7, this prompt has the first three of these and then another.
const PROMPT = [7, 100, 101, 102, 90, 91, 7];
const GUESSING = { ids: PROMPT, resumeAt: 6, promptLength: 7, draftsMax: 5 };

/** The last of two places: the fill has come, and the row at L waits to be sampled. */
function last(change: Partial<Prepare> = {}): StageRig {
  const rig = new StageRig(3, { drafting: 'always' });
  rig.order(prepare([1, 3], { ...GUESSING, ...change }));
  for (const seq of [0, 1, 2]) {
    rig.frame(1, rows(1, { seq, firstPosition: 2 * seq }));
    rig.settle();
  }
  return rig;
}

const step = (seq: number, firstPosition: number, count: number): RowsFrame =>
  rows(1, { seq, firstPosition, rows: count });

const handover: OwnerMessage = {
  type: 'handover',
  session: session(1),
  epoch: 1,
  position: 6,
  id: 7,
};

/** Stage 0 of two places, with the first token on its way. */
function first(change: Partial<Prepare> = {}): StageRig {
  const rig = new StageRig(1);
  rig.order(prepare([1, 3], { ...GUESSING, ...change }));
  rig.fill(0, 6);
  rig.settle();
  rig.order(handover);
  rig.settle();
  return rig;
}

const token = (position: number, [id, ...drafts]: readonly [number, ...number[]]): TokenFrame => ({
  ...{ type: 'token', session: session(1), epoch: 1, place: 0 },
  ...{ seq: 0, position, id, drafts },
});

const tokens = (out: readonly StageOutput[]): (readonly [number, number])[] =>
  words(out).flatMap((word) => (word.type === 'token' ? [[word.index, word.id] as const] : []));

describe('drafts at the last place', () => {
  test('[S8] what came after the same words before goes to stage 0 with the token', () => {
    const rig = last();
    rig.frame(1, step(3, 6, 1));
    const out = rig.finish();
    expect(tokens(out)).toEqual([[0, 100]]);
    expect(frames(out)).toMatchObject([
      { type: 'token', position: 7, id: 100, drafts: [101, 102, 90, 91, 7] },
    ]);
  });

  test('[S8] each row of a step is sampled by its own index; drafts stand up to the first that differs', () => {
    const rig = last();
    rig.frame(1, step(3, 6, 1));
    rig.finish();
    const [run] = runs(rig.frame(1, step(4, 7, 6)));
    const points = [1, 2, 3, 4, 5, 6].map((index) => ({ index }));
    expect(run?.segments).toMatchObject([{ rows: 6, want: { kind: 'sample-rows', points } }]);
    const out = rig.finish();
    expect(tokens(out)).toEqual([1, 2, 3].map((index) => [index, 100 + index]));
    expect(frames(out)).toMatchObject([{ type: 'token', seq: 1, position: 10, id: 103 }]);
    // The rows of what was sampled otherwise go when the next frame begins below them.
    expect(rig.seat(1).kvLength).toBe(13);
    expect(kvOps(rig.frame(1, step(5, 10, 1)))).toEqual(['truncate 10']);
  });

  test('[S8] penalties see the drafts before a row as said', () => {
    const sampling = {
      ...GREEDY,
      penalties: { repetition: 1, presence: 1, frequency: 0, bias: [] },
    };
    const rig = last({ sampling, history: { promptIds: [], answerIds: [] } });
    rig.frame(1, step(3, 6, 1));
    rig.finish();
    const [run] = runs(rig.frame(1, step(4, 7, 3)));
    expect(run?.segments[0]?.want).toMatchObject({
      points: [[100], [100, 101], [100, 101, 102]].map((answerIds) => ({ history: { answerIds } })),
    });
  });

  test('[S8] each answer makes what was seen of drafts’ cost less sure, until one sees it again', () => {
    const rig = last();
    const { route } = rig.session(1).prepare;
    const key = route.map(({ node: at, range }) => `${at}/${range.last}`).join();
    const costs = must(rig.core.shards.get(rig.seat(1).shard), 'it is loaded').draftCosts;
    costs.set(key, { ofRound: 2, trust: 1 });
    rig.frame(1, step(3, 6, 1));
    rig.finish();
    expect(costs.get(key)?.trust).toBeCloseTo(0.9);
    rig.frame(1, step(4, 7, 1));
    rig.finish();
    expect(costs.get(key)?.trust).toBeCloseTo(0.9);
    rig.frame(1, step(5, 8, 2));
    rig.finish();
    expect(costs.get(key)?.trust).toBe(1);
  });

  test('[S8] EOS ends the answer among drafts, and nothing after it is said', () => {
    const rig = last({ eosIds: [102] });
    rig.frame(1, step(3, 6, 1));
    rig.finish();
    rig.frame(1, step(4, 7, 6));
    const out = rig.finish();
    expect(tokens(out)).toEqual([
      [1, 101],
      [2, 102],
    ]);
    expect(frames(out)).toEqual([]);
  });

  test('[S8] no more drafts than the answer has room for', () => {
    const rig = last({ maxTokens: 4 });
    rig.frame(1, step(3, 6, 1));
    expect(frames(rig.finish())).toMatchObject([{ drafts: [101, 102] }]);
  });

  test('[S7] a step samples no more than may be un-acked', () => {
    const rig = last({ maxTokens: 100 });
    rig.frame(1, step(3, 6, 1));
    rig.finish();
    const { flow } = rig.seat(1);
    const [one] = flow.unacked;
    while (one && flow.unacked.length < RING.unackedTokensMax - 3) flow.unacked.push(one);
    rig.frame(1, step(4, 7, 1));
    // Fourteen now: the token of the next step, and one more.
    const out = rig.finish();
    expect(frames(out)).toMatchObject([{ id: 101, drafts: [102] }]);
  });

  test('[S2] more rows than were guessed reject the peer', () => {
    // Two of the five that it may guess: the answer has no room for more.
    const rig = last({ maxTokens: 4 });
    rig.frame(1, step(3, 6, 1));
    rig.finish();
    const out = rig.frame(1, step(4, 7, 4));
    expect(out[0]).toMatchObject({ type: 'reject-peer', why: 'position-gap' });
    expect(faults(out)).toEqual(['position-gap']);
    const plain = last({ draftsMax: 0, ids: [] });
    plain.frame(1, step(3, 6, 1));
    expect(frames(plain.finish())).toMatchObject([{ drafts: [] }]);
    expect(faults(plain.frame(1, step(4, 7, 2)))).toEqual(['position-gap']);
  });

  test('[S5] a new epoch ends a step: nothing of it is said, and its rows go', () => {
    const rig = last();
    rig.frame(1, step(3, 6, 1));
    rig.finish();
    rig.frame(1, step(4, 7, 6));
    const next = { epoch: 2, resumeAt: 7, ids: [...PROMPT, 100] };
    rig.order(prepare([1, 3], { ...GUESSING, ...next }));
    const out = rig.finish();
    expect(words(out)).toEqual([]);
    expect(kvOps(out)).toEqual(['truncate 7']);
    // It guesses again from what the owner accepted.
    rig.fill(7, 7);
    rig.frame(1, { ...step(0, 7, 1), epoch: 2 });
    expect(frames(rig.finish())).toMatchObject([{ id: 101, drafts: [102, 90, 91, 7, 100] }]);
  });
});

describe('a step of drafts on its way', () => {
  test('[S3] stage 0 embeds token and drafts, and the next token cuts those that fell', () => {
    const rig = first();
    const [run] = runs(rig.frame(3, token(7, [100, 101, 102, 90])));
    expect(run?.segments).toMatchObject([{ firstPosition: 7, rows: 4 }]);
    expect([...(run?.segments[0]?.ids ?? [])]).toEqual([100, 101, 102, 90]);
    const out = rig.finish();
    expect(frames(out)).toMatchObject([{ type: 'rows', seq: 1, firstPosition: 7, rows: 4 }]);
    const next = rig.frame(3, { ...token(9, [55, 56]), seq: 1 });
    expect(kvOps(next)).toEqual(['truncate 9']);
    expect(runs(next)).toMatchObject([{ segments: [{ firstPosition: 9, rows: 2 }] }]);
    expect(frames(rig.finish())).toMatchObject([{ seq: 2, firstPosition: 9, rows: 2 }]);
  });

  test('[S3] a place between passes a step on as one, and the next one cuts it', () => {
    const rig = new StageRig(2);
    rig.order(prepare([1, 2, 3], { ...GUESSING, resumeAt: 0, promptLength: 1, ids: [] }));
    rig.frame(1, step(0, 0, 4));
    expect(frames(rig.finish())).toMatchObject([{ place: 2, firstPosition: 0, rows: 4 }]);
    expect(kvOps(rig.frame(1, step(1, 2, 2)))).toEqual(['truncate 2']);
    expect(frames(rig.finish())).toMatchObject([{ seq: 1, firstPosition: 2, rows: 2 }]);
    expect(faults(rig.frame(1, step(2, 4, 7)))).toEqual(['position-gap']);
  });

  test('[S3] a frame that waits loses the rows that another takes the place of', () => {
    const rig = new StageRig(2);
    rig.order(prepare([1, 2, 3], { ...GUESSING, resumeAt: 0, promptLength: 1, ids: [] }));
    rig.step({ type: 'pause' });
    rig.frame(1, step(0, 0, 4));
    rig.frame(1, step(1, 1, 2));
    const [run] = runs(rig.step({ type: 'resume' }));
    expect(run?.segments).toMatchObject([{ firstPosition: 0, rows: 1, hidden: { length: WIDTH } }]);
    expect(runs(rig.finish())).toMatchObject([{ segments: [{ firstPosition: 1, rows: 2 }] }]);
    rig.finish();
    expect(rig.seat(1).kvLength).toBe(3);
  });

  test('[V1] progress counts a step as its first row, which is never cut again', () => {
    const rig = new StageRig(2);
    rig.order(prepare([1, 2, 3], { ...GUESSING, resumeAt: 0, promptLength: 1, ids: [] }));
    const seen: (readonly [number, number])[] = [];
    const look = (): void => {
      for (const { taken, sent } of viewStage(rig.core).progress) seen.push([taken, sent]);
    };
    rig.frame(1, step(0, 0, 4));
    look();
    rig.finish();
    look();
    rig.frame(1, step(1, 1, 1));
    look();
    rig.finish();
    look();
    expect(seen).toEqual([
      [1, 0],
      [1, 1],
      [2, 1],
      [2, 2],
    ]);
    // Without a link, what is computed counts as sent.
    const alone = new StageRig(2);
    alone.step({ type: 'link-closed', peer: node(3) });
    alone.order(prepare([1, 2, 3], { ...GUESSING, resumeAt: 0, promptLength: 1, ids: [] }));
    alone.frame(1, step(0, 0, 4));
    alone.finish();
    expect(viewStage(alone.core).progress).toMatchObject([{ taken: 1, sent: 1 }]);
    const ring = last();
    ring.frame(1, step(3, 6, 1));
    ring.finish();
    ring.frame(1, step(4, 7, 6));
    ring.finish();
    expect(viewStage(ring.core).progress).toMatchObject([{ taken: 8, sent: 11 }]);
  });

  test.each([
    ['more than may be guessed', token(7, [100, 1, 2, 3, 4, 5, 6])],
    ['past the answer’s end', token(34, [100, 1, 2, 3])],
  ])('[S2] a token with drafts %s rejects the last place', (_, frame) => {
    const rig = first();
    const out = rig.frame(3, frame);
    expect(out[0]).toMatchObject({ type: 'reject-peer' });
    expect(faults(out)).toEqual(['position-gap']);
    expect(rig.core.running).toBeNull();
  });

  test('[S3] a draft outside the vocabulary rejects the last place before the engine sees it', () => {
    const rig = first();
    expect(faults(rig.frame(3, token(7, [100, 101, VOCAB])))).toEqual(['unfit']);
    expect(rig.core.running).toBeNull();
  });

  test('[S12] steps of several sessions run together, each as a whole', () => {
    const rig = new StageRig(2);
    const asked = { ...GUESSING, resumeAt: 0, promptLength: 1, ids: [] };
    for (const i of [1, 2, 3, 4]) {
      rig.order(prepare([1, 2, 3], { ...asked, session: session(i) }));
    }
    const together = [1, 2, 3, 4].map((i) => ({ ...step(0, 0, 6), session: session(i) }));
    rig.step({ type: 'frames', from: prepare([1]).route[0]!.node, frames: together });
    const taken: number[][] = [];
    while (rig.core.running) {
      taken.push(rig.core.running.segments.map((segment) => segment.rows));
      rig.finish();
    }
    // Four sessions over three places: two a run; twelve rows a run.
    expect(taken).toEqual([
      [6, 6],
      [6, 6],
    ]);
  });
});
