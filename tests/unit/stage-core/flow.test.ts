import { describe, expect, test } from 'vitest';
import { GREEDY, NO_HISTORY } from '#lib/webgpu/sampling/params.ts';
import { viewStage } from '#lib/shard/stage/core/core.ts';
import {
  faults,
  frames,
  kvOps,
  node,
  prepare,
  reports,
  rows,
  runs,
  session,
  shardAt,
  StageRig,
  words,
} from './rig.ts';

/** The last place of two, decoding from position 0 on: a prompt of one id. */
function last(): StageRig {
  const rig = new StageRig(3);
  rig.order(prepare([1, 3], { resumeAt: 0, promptLength: 1 }));
  return rig;
}

const decodeRow = (position: number) =>
  rows(1, { seq: position, firstPosition: position, rows: 1 });

describe('flow', () => {
  test('[S7] a token goes to the owner and to stage 0', () => {
    const rig = last();
    rig.frame(1, decodeRow(0));
    const out = rig.finish();
    expect(words(out)).toMatchObject([{ type: 'token', place: 1, index: 0, id: 100, last: false }]);
    expect(frames(out)).toMatchObject([{ type: 'token', place: 0, seq: 0, position: 1, id: 100 }]);
  });

  test('[S7] at 16 un-acked tokens it stops sampling and holds the frame that waits', () => {
    const rig = last();
    for (let i = 0; i < 16; i += 1) {
      rig.frame(1, decodeRow(i));
      rig.finish();
    }
    expect(runs(rig.frame(1, decodeRow(16)))).toEqual([]);
    expect(rig.seat(1).flow.inbox).toHaveLength(1);
    const other = { type: 'ack', session: session(1), epoch: 0, accepted: 9 } as const;
    expect(runs(rig.order(other))).toEqual([]);
    expect(runs(rig.order({ ...other, epoch: 1, accepted: 1 }))).toHaveLength(1);
  });

  test('[H9] what one message brought runs together, but for the share of the other places', () => {
    const rig = new StageRig(3);
    const together = [1, 2, 3, 4].map((i) => {
      rig.order(prepare([1, 3], { session: session(i), resumeAt: 0, promptLength: 1 }));
      return { ...decodeRow(0), session: session(i) };
    });
    const [run] = runs(rig.step({ type: 'frames', from: node(1), frames: together }));
    expect(run?.segments.map((segment) => segment.session)).toEqual([session(1), session(2)]);
    const [next] = runs(rig.finish());
    expect(next?.segments.map((segment) => segment.session)).toEqual([session(3), session(4)]);
  });

  test('[S8] penalties see what was accepted and what this epoch sampled; others get no ids', () => {
    const bias = { repetition: 1, presence: 1, frequency: 0, bias: [] };
    const history = { promptIds: [], answerIds: [55] };
    const sampling = { ...GREEDY, penalties: bias };
    const rig = new StageRig(3);
    rig.order(prepare([1, 3], { resumeAt: 0, promptLength: 0, sampling, history }));
    const seen = [0, 1].map((at) => {
      const [run] = runs(rig.frame(1, decodeRow(at)));
      rig.finish();
      return run?.segments[0]?.want;
    });
    expect(seen).toMatchObject([{ history }, { history: { answerIds: [55, 101] } }]);
    // A row that is sent again is sampled again, with what was said before it.
    const again = rows(1, { seq: 2, firstPosition: 1, rows: 1 });
    const [second] = runs(rig.frame(1, again));
    expect(second?.segments[0]?.want).toMatchObject({ history: { answerIds: [55, 101] } });
    const plain = last();
    const [run] = runs(plain.frame(1, decodeRow(0)));
    expect(run?.segments[0]?.want).toMatchObject({ history: NO_HISTORY });
  });

  test('[S8] EOS and max tokens end at the last stage: nothing goes back to stage 0', () => {
    const rig = new StageRig(3);
    rig.order(prepare([1, 3], { resumeAt: 0, promptLength: 1, eosIds: [100] }));
    rig.frame(1, decodeRow(0));
    const out = rig.finish();
    expect(words(out)).toMatchObject([{ id: 100, last: true }]);
    expect(frames(out)).toEqual([]);
    const short = new StageRig(3);
    short.order(prepare([1, 3], { resumeAt: 0, promptLength: 1, maxTokens: 1 }));
    short.frame(1, decodeRow(0));
    expect(words(short.finish())).toMatchObject([{ last: true }]);
  });

  test('[S11] kept rows past the budget go, oldest first; this raises kept-from, told at once', () => {
    const rig = new StageRig(1, { keptBlockRows: 1, keptBytesMax: 24 });
    rig.order(prepare([1, 2, 3]));
    rig.fill(0, 4, 4);
    rig.settle();
    expect(viewStage(rig.core).keptBytes).toBe(24);
    expect(reports(rig.all).at(-1)).toEqual([0, 4, 1]);
    rig.order(prepare([1, 2, 3], { epoch: 2 }));
    expect(faults(rig.fill(4, 0, 4))).toEqual(['position-gap']);
  });

  test('[S11] rows that a fill order on its way may want are not dropped: the youngest gives way', () => {
    const rig = new StageRig(2, { keptBlockRows: 1, keptBytesMax: 24 });
    rig.order(prepare([1, 2, 3]));
    rig.frame(1, rows(1));
    rig.frame(1, rows(1, { seq: 1, firstPosition: 2 }));
    expect(faults(rig.settle())).toEqual(['no-room']);
    expect(faults(rig.fill(0, 0, 0))).toEqual([]);
  });

  test('[S11] short of pages the youngest session gives its own back, and is told room later', () => {
    const rig = new StageRig(1, { pagesMax: 4 });
    rig.order(prepare([1, 2, 3]));
    rig.order(prepare([1, 2, 3], { session: session(2) }));
    rig.fill(0, 4, 4);
    rig.settle();
    rig.order({ type: 'fill', session: session(2), epoch: 1, starts: [0, 4, 4] });
    rig.settle();
    const handover = {
      type: 'handover',
      session: session(1),
      epoch: 1,
      position: 4,
      id: 15,
    } as const;
    const out = rig.order(handover);
    expect(words(out)).toMatchObject([{ type: 'fault', why: 'no-room', session: session(2) }]);
    expect(runs(out)).toHaveLength(1);
    rig.settle();
    const room = words(rig.order({ type: 'end', session: session(1) }));
    expect(room).toMatchObject([{ type: 'room', session: session(2), epoch: 1 }]);
    expect(words(rig.step({ type: 'tick' }))).toEqual([]);
  });

  test('[S12] at most two prefill chunks are on the way to a hop until they are acked', () => {
    const rig = new StageRig(1);
    const long = { resumeAt: 12, promptLength: 13, ids: Array.from({ length: 13 }, (_, i) => i) };
    rig.order(prepare([1, 2, 3], long));
    rig.fill(0, 0, 12);
    rig.settle();
    expect(frames(rig.all)).toHaveLength(2);
    // It computes two chunks ahead and no further: back-pressure reaches the ids.
    expect(rig.seat(0).kvLength).toBe(8);
    const ack = { type: 'chunk-ack', session: session(1), epoch: 1, place: 0, taken: 1 } as const;
    rig.frame(2, { ...ack, epoch: 0 });
    expect(frames(rig.all)).toHaveLength(2);
    rig.frame(2, ack);
    expect(frames(rig.all)).toHaveLength(3);
  });

  test('[S12] a computed chunk is acked to the place it came from; decode rows are not', () => {
    const rig = new StageRig(2);
    rig.order(prepare([1, 2, 3]));
    rig.fill(0, 0, 4);
    rig.frame(1, rows(1));
    const first = frames(rig.finish()).filter((frame) => frame.type === 'chunk-ack');
    expect(first).toMatchObject([{ place: 0, taken: 1 }]);
    rig.frame(1, rows(1, { seq: 1, firstPosition: 2 }));
    rig.finish();
    rig.frame(1, rows(1, { seq: 2, firstPosition: 4, rows: 1 }));
    expect(frames(rig.finish()).map((frame) => frame.type)).toEqual(['rows']);
  });

  test('[S12] decode rows of all sessions go first, then prefill up to one chunk', () => {
    const rig = new StageRig(1);
    rig.order(prepare([1, 2, 3]));
    rig.fill(0, 4, 4);
    rig.settle();
    for (const i of [2, 3]) {
      rig.order(prepare([1, 2, 3], { session: session(i) }));
      rig.order({ type: 'fill', session: session(i), epoch: 1, starts: [0, 4, 4] });
    }
    rig.order({ type: 'handover', session: session(1), epoch: 1, position: 4, id: 15 });
    const [run] = runs(rig.finish());
    expect(run?.segments.map((segment) => [segment.session, segment.rows])).toEqual([
      [session(1), 1],
      [session(3), 2],
    ]);
  });

  test('[V1] progress tells the last position taken and sent; without a link it counts as sent', () => {
    const rig = new StageRig(2);
    rig.order(prepare([1, 2, 3]));
    rig.fill(0, 0, 0);
    rig.step({ type: 'link-closed', peer: node(3) });
    rig.frame(1, rows(1));
    expect(viewStage(rig.core).progress).toMatchObject([{ place: 1, taken: 2, sent: 0 }]);
    rig.settle();
    expect(viewStage(rig.core).progress).toMatchObject([{ place: 1, taken: 2, sent: 2 }]);
    expect(frames(rig.all).filter((frame) => frame.type === 'rows')).toEqual([]);
    rig.step({ type: 'link-open', peer: node(3), path: 'direct' });
    expect(frames(rig.all).filter((frame) => frame.type === 'rows')).toHaveLength(1);
  });

  test('[V1] a hop named relay does not use the direct link', () => {
    const rig = new StageRig(2);
    const relayed = prepare([1, 2, 3]);
    const route = relayed.route.map((each, at) =>
      at === 1 ? { ...each, path: 'relay' as const } : each,
    );
    rig.order({ ...relayed, route });
    rig.fill(0, 0, 0);
    rig.frame(1, rows(1));
    expect(frames(rig.settle()).map((frame) => frame.type)).toEqual(['chunk-ack']);
    const out = rig.step({ type: 'link-open', peer: node(3), path: 'relay' });
    expect(frames(out)).toMatchObject([{ type: 'rows', place: 2 }]);
    expect(faults(out)).toEqual([]);
  });

  test('[V2] pause starts no run and drops nothing; resume goes on', () => {
    const rig = new StageRig(2);
    rig.order(prepare([1, 2, 3]));
    rig.fill(0, 0, 0);
    rig.step({ type: 'pause' });
    expect(runs(rig.frame(1, rows(1)))).toEqual([]);
    expect(runs(rig.step({ type: 'resume' }))).toHaveLength(1);
  });

  test('[S4] a lost shard or a failed run is a fault, and the seat starts from nothing', () => {
    const rig = new StageRig(2);
    rig.order(prepare([1, 2, 3]));
    rig.fill(0, 0, 0);
    rig.frame(1, rows(1));
    const failed = rig.step({ type: 'run-failed', run: rig.core.runs, why: 'engine' });
    expect(faults(failed)).toEqual(['engine']);
    // Also where nothing was there before: it may have come half way.
    expect(kvOps(failed)).toEqual(['truncate 0']);
    expect(reports(rig.order(prepare([1, 2, 3], { epoch: 2 })))).toEqual([[1, 0, 0]]);
    expect(faults(rig.step({ type: 'shard-gone', shard: shardAt(1) }))).toEqual(['engine']);
    expect(faults(rig.step({ type: 'shard-failed', shard: shardAt(1) }))).toEqual([]);
    rig.order(prepare([1, 2, 3], { epoch: 3 }));
    expect(faults(rig.step({ type: 'shard-failed', shard: shardAt(1) }))).toEqual(['load']);
  });
});
