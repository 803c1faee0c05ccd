import { describe, expect, test } from 'vitest';
import {
  faults,
  frames,
  kvOps,
  prepare,
  reports,
  rows,
  runs,
  session,
  StageRig,
  words,
} from './rig.ts';

describe('epochs', () => {
  test('[S5] stage 0 fills from ids in chunks, and reports as it grows', () => {
    const rig = new StageRig(1);
    expect(reports(rig.order(prepare([1, 2, 3])))).toEqual([[0, 0, 0]]);
    const [run] = runs(rig.fill(0, 0, 0));
    expect(run?.segments).toMatchObject([{ firstPosition: 0, rows: 2, want: { kind: 'hidden' } }]);
    expect([...(run?.segments[0]?.ids ?? [])]).toEqual([11, 12]);
    expect(reports(rig.settle())).toEqual([
      [0, 2, 0],
      [0, 4, 0],
    ]);
  });

  test('[S5] a seat that must load asks for its shard once and reports when it is there', () => {
    const rig = new StageRig(1);
    rig.step({ type: 'shard-gone', shard: `${'f'.repeat(64)}/0-1` });
    const out = rig.order(prepare([1, 2, 3]));
    expect(out).toMatchObject([{ type: 'load', range: { first: 0, last: 1 } }]);
    expect(rig.order(prepare([1, 2, 3], { epoch: 2 }))).toEqual([]);
    expect(reports(rig.ready(0))).toEqual([[0, 0, 0]]);
  });

  test('[S5] prepare cuts KV and kept rows to L and starts windows and seq anew', () => {
    const rig = new StageRig(2);
    rig.order(prepare([1, 2, 3]));
    rig.fill(0, 0, 0);
    rig.frame(1, rows(1));
    rig.settle();
    rig.frame(1, rows(1, { seq: 1, firstPosition: 2 }));
    rig.settle();
    rig.frame(1, rows(1, { seq: 2, firstPosition: 4, rows: 1 }));
    rig.settle();
    expect(rig.seat(1).kvLength).toBe(5);
    const out = rig.order(prepare([1, 2, 3], { epoch: 2 }));
    expect(kvOps(out)).toEqual(['truncate 4']);
    expect(reports(out)).toEqual([[1, 4, 0]]);
    expect(rig.seat(1).kept.to).toBe(4);
    expect(rig.seat(1).flow).toMatchObject({ inSeq: 0, outSeq: 0, chunksSent: 0 });
  });

  test('[S5] a run of an older epoch changes nothing and sends nothing', () => {
    const rig = new StageRig(2);
    rig.order(prepare([1, 2, 3]));
    rig.fill(0, 0, 0);
    rig.frame(1, rows(1));
    expect(kvOps(rig.order(prepare([1, 2, 3], { epoch: 2 })))).toEqual([]);
    const out = rig.finish();
    expect(kvOps(out)).toEqual(['truncate 0']);
    expect(out).toHaveLength(1);
    expect(rig.seat(1).kvLength).toBe(0);
  });

  test('[S5] state of another since is dropped', () => {
    const rig = new StageRig(1);
    rig.order(prepare([1, 2, 3]));
    rig.fill(0, 0, 0);
    rig.settle();
    const next = prepare([1, 2, 3], { epoch: 3 });
    const route = next.route.map((each, at) => (at === 0 ? { ...each, since: 3 } : each));
    const out = rig.order({ ...next, route });
    expect(kvOps(out)).toEqual(['close 0', 'open 0']);
    expect(reports(out)).toEqual([[0, 0, 0]]);
  });

  test('[S5] kept rows fill the gap of the next place, and only what it lacks is sent', () => {
    const rig = new StageRig(1);
    rig.order(prepare([1, 2, 3]));
    rig.fill(0, 4, 4);
    rig.settle();
    expect(frames(rig.all)).toEqual([]);
    rig.order(prepare([1, 2, 3], { epoch: 2 }));
    const out = frames(rig.fill(4, 1, 4));
    expect(out).toMatchObject([
      { type: 'rows', epoch: 2, place: 1, seq: 0, firstPosition: 1, rows: 2 },
      { type: 'rows', epoch: 2, place: 1, seq: 1, firstPosition: 3, rows: 1 },
    ]);
    expect(out[0]?.type === 'rows' && [...out[0].data]).toEqual([1, 1, 2, 2]);
    expect(runs(rig.all)).toHaveLength(2);
  });

  test('[S5] a place cut below its length computes again from there', () => {
    const rig = new StageRig(1);
    rig.order(prepare([1, 2, 3]));
    rig.fill(0, 4, 4);
    rig.settle();
    rig.order(prepare([1, 2, 3], { epoch: 2 }));
    const out = rig.fill(2, 2, 4);
    expect(kvOps(out)).toEqual(['truncate 2']);
    expect(runs(out)[0]?.segments).toMatchObject([{ firstPosition: 2 }]);
  });

  test('[S5] the last stage samples only rows at positions from L on', () => {
    const rig = new StageRig(3);
    rig.order(prepare([1, 2, 3]));
    rig.fill(0, 0, 0);
    rig.frame(2, rows(2));
    rig.settle();
    rig.frame(2, rows(2, { seq: 1, firstPosition: 2 }));
    rig.settle();
    rig.frame(2, rows(2, { seq: 2, firstPosition: 4, rows: 1 }));
    const wants = runs(rig.all).map((run) => run.segments[0]?.want);
    expect(wants).toMatchObject([{ kind: 'none' }, { kind: 'none' }, { kind: 'sample', index: 0 }]);
  });

  test('[S5] a fill order that comes after the first decode row sends nothing twice', () => {
    const rig = new StageRig(2);
    rig.order(prepare([1, 2, 3], { resumeAt: 0, promptLength: 1 }));
    rig.frame(1, rows(1, { rows: 1 }));
    expect(frames(rig.settle())).toMatchObject([{ firstPosition: 0 }]);
    expect(frames(rig.fill(0, 0, 0))).toEqual([]);
    rig.frame(1, rows(1, { seq: 1, firstPosition: 1, rows: 1 }));
    expect(frames(rig.settle())).toMatchObject([{ firstPosition: 1, seq: 1 }]);
  });

  test('[S5] a frame that overtakes the fill order cuts the KV, and nothing is sent before it', () => {
    const rig = new StageRig(2);
    rig.order(prepare([1, 2, 3]));
    rig.fill(0, 0, 4);
    rig.frame(1, rows(1));
    rig.settle();
    rig.order(prepare([1, 2, 3], { epoch: 2 }));
    rig.frame(1, rows(1, { epoch: 2 }));
    const isRows = (frame: { type: string }) => frame.type === 'rows';
    expect(frames(rig.settle()).filter(isRows)).toEqual([]);
    expect(frames(rig.fill(0, 0, 0)).filter(isRows)).toMatchObject([{ firstPosition: 0, rows: 2 }]);
  });

  test('[S4] stage 0 takes one hand-over an epoch, at L', () => {
    const rig = new StageRig(1);
    rig.order(prepare([1, 2, 3]));
    rig.fill(0, 4, 4);
    const handover = {
      type: 'handover',
      session: session(1),
      epoch: 1,
      position: 4,
      id: 15,
    } as const;
    expect(faults(rig.order(handover))).toEqual(['position-gap']);
    rig.settle();
    rig.order(handover);
    rig.settle();
    expect(rig.seat(0).kvLength).toBe(5);
    expect(rig.order(handover)).toEqual([]);
  });

  test('[S4] after a reconnect un-acked tokens go again, then sessions and epochs are named', () => {
    const rig = new StageRig(3);
    rig.order(prepare([1, 2, 3], { resumeAt: 0, promptLength: 1 }));
    rig.frame(2, rows(2, { rows: 1 }));
    rig.settle();
    const told = words(rig.step({ type: 'socket-back' }));
    expect(told).toMatchObject([
      { type: 'token', index: 0, id: 100 },
      { type: 'resync', sessions: [{ session: session(1), epoch: 1 }] },
    ]);
  });

  test('[S6] a seat keeps KV and kept rows when the route around it changes its place', () => {
    const rig = new StageRig(3);
    rig.order(prepare([1, 2, 3]));
    rig.fill(0, 0, 0);
    rig.frame(2, rows(2));
    rig.settle();
    const next = prepare([4, 3], { epoch: 2 });
    const route = [
      { ...next.route[0], range: { first: 0, last: 3 }, since: 2 },
      { ...next.route[1], range: { first: 4, last: 5 }, since: 1 },
    ] as typeof next.route;
    const out = rig.order({ ...next, route });
    expect(reports(out)).toEqual([[1, 2, 2]]);
    expect(kvOps(out)).toEqual([]);
  });

  test('[S6] hops of one node are joined in memory', () => {
    const rig = new StageRig(1);
    rig.order(prepare([1, 1]));
    rig.fill(0, 0);
    rig.settle();
    expect(frames(rig.all)).toEqual([]);
    rig.order({ type: 'handover', session: session(1), epoch: 1, position: 4, id: 15 });
    rig.finish();
    expect(words(rig.finish())).toMatchObject([{ type: 'token', index: 0, id: 100 }]);
  });
});
