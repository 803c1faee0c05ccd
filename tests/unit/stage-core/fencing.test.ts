import { describe, expect, test } from 'vitest';
import { STAGE } from '#lib/shard/stage/core/limits.ts';
import { faults, node, prepare, rows, runs, session, StageRig, VOCAB } from './rig.ts';

/** Node 2 at place 1 of three, filling from 0. */
function middle(): StageRig {
  const rig = new StageRig(2);
  rig.order(prepare([1, 2, 3]));
  rig.fill(0, 0, 0);
  return rig;
}

describe('fencing', () => {
  test('[S2] the next frame of the epoch from the sender of its place is taken', () => {
    expect(runs(middle().frame(1, rows(1)))).toHaveLength(1);
  });

  test('[S2] lower epoch or seq: dropped and counted, no fault', () => {
    const rig = middle();
    rig.order(prepare([1, 2, 3], { epoch: 2 }));
    rig.fill(0, 0, 0);
    expect(rig.frame(1, rows(1, { epoch: 1 }))).toEqual([]);
    rig.frame(1, rows(1, { epoch: 2 }));
    expect(rig.frame(1, rows(1, { epoch: 2 }))).toEqual([]);
    expect(rig.core.framesDropped).toBe(2);
  });

  test('[S2] higher seq: dropped, one fault an epoch', () => {
    const rig = middle();
    expect(faults(rig.frame(1, rows(1, { seq: 1, firstPosition: 2 })))).toEqual(['seq-gap']);
    expect(faults(rig.frame(1, rows(1, { seq: 2 })))).toEqual([]);
    expect(runs(rig.all)).toEqual([]);
  });

  test('[S2] frames of a higher epoch are held for their prepare', () => {
    const rig = middle();
    expect(rig.frame(1, rows(1, { epoch: 2 }))).toEqual([]);
    expect(runs(rig.order(prepare([1, 2, 3], { epoch: 2 })))).toHaveLength(1);
  });

  test('[S2] held at most 1 s and 4 frames, then dropped with a fault', () => {
    const rig = new StageRig(2);
    for (let seq = 0; seq < 4; seq += 1) {
      expect(rig.frame(1, rows(1, { seq, firstPosition: 2 * seq }))).toEqual([]);
    }
    expect(faults(rig.frame(1, rows(1, { seq: 4 })))).toEqual(['held-overflow']);
    rig.now = 1_000;
    expect(faults(rig.step({ type: 'tick' }))).toEqual(Array(4).fill('held-expired'));
  });

  test('[S2] floods of frames for sessions not open here say few faults: the server would fence us', () => {
    const rig = new StageRig(2);
    for (let i = 0; i < 1_000; i += 1) rig.frame(1, rows(1, { session: session(100 + i) }));
    rig.now = 1_000;
    rig.step({ type: 'tick' });
    expect(faults(rig.all)).toHaveLength(2 * STAGE.heldFaultsPerSecondMax);
    expect(rig.core.framesDropped).toBe(1_000);
    rig.now = 2_000;
    rig.order(prepare([1, 2, 3]));
    expect(faults(rig.frame(1, rows(1, { seq: 9 })))).toEqual(['seq-gap']);
  });

  test('[S2] one peer fills its own share of the held frames, and keeps no other out', () => {
    const rig = new StageRig(2);
    const early = (at: number) => rows(1, { session: session(100 + at) });
    for (let i = 0; i < STAGE.heldFramesMax; i += 1) rig.frame(3, early(i));
    expect(rig.core.held).toHaveLength(STAGE.heldFramesPerPeerMax);
    expect(rig.frame(1, rows(1))).toEqual([]);
    expect(runs(rig.order(prepare([1, 2, 3])))).toHaveLength(1);
  });

  test('[S2] where strangers hold every slot, the greediest gives one to a peer with less', () => {
    const rig = new StageRig(2);
    for (const stranger of [3, 4, 5, 6]) {
      for (let i = 0; i < STAGE.heldFramesPerPeerMax; i += 1)
        rig.frame(stranger, rows(1, { session: session(100 * stranger + i) }));
    }
    expect(rig.core.held).toHaveLength(STAGE.heldFramesMax);
    rig.now = 1;
    expect(faults(rig.frame(1, rows(1)))).toEqual(['held-overflow']);
    expect(rig.core.held).toHaveLength(STAGE.heldFramesMax);
    expect(runs(rig.order(prepare([1, 2, 3])))).toHaveLength(1);
  });

  test('[S2] a peer cannot take the slots of another for the same place', () => {
    const rig = new StageRig(2);
    for (let seq = 0; seq < 4; seq += 1) rig.frame(3, rows(1, { seq }));
    expect(rig.frame(1, rows(1))).toEqual([]);
    expect(runs(rig.order(prepare([1, 2, 3])))).toHaveLength(1);
  });

  test('[S2] a current frame from another than the sender of its place rejects the peer', () => {
    const rig = middle();
    const wrong = { type: 'reject-peer', peer: node(3), why: 'not its place in the route' };
    expect(rig.frame(3, rows(1))).toEqual([wrong]);
    const token = { type: 'token', session: session(1), epoch: 1, place: 1, seq: 0 } as const;
    expect(rig.frame(1, { ...token, position: 5, id: 7, drafts: [] })).toMatchObject([
      { type: 'reject-peer' },
    ]);
  });

  test('[S2] two hops of one node are told apart by place', () => {
    const rig = new StageRig(2);
    rig.order(prepare([1, 2, 1, 2]));
    rig.fill(0, 0, 0, 0);
    rig.frame(1, rows(1));
    rig.frame(1, rows(3));
    expect(rig.seat(1).flow.inSeq).toBe(1);
    expect(rig.seat(3).flow.inSeq).toBe(1);
  });

  test('[S3] a frame above the KV length is dropped with a fault', () => {
    expect(faults(middle().frame(1, rows(1, { firstPosition: 2 })))).toEqual(['position-gap']);
  });

  test('[S3] a frame below the KV length cuts KV and kept rows to it', () => {
    const rig = middle();
    rig.frame(1, rows(1));
    rig.settle();
    const out = rig.frame(1, rows(1, { seq: 1, firstPosition: 1, rows: 1 }));
    expect(out).toMatchObject([{ type: 'kv', op: 'truncate', length: 1 }, { type: 'run' }]);
    expect(rig.seat(1).kept.to).toBe(1);
  });

  test('[S3] rows that are not finite reject the peer and are a fault', () => {
    const data = Float32Array.of(0, 1, NaN, 2);
    const out = middle().frame(1, rows(1, { data }));
    expect(out).toMatchObject([{ type: 'reject-peer', peer: node(1) }, { type: 'owner' }]);
    expect(faults(out)).toEqual(['not-finite']);
  });

  test('[S3] rows of another width reject the peer before the engine sees them', () => {
    const rig = middle();
    const out = rig.frame(1, rows(1, { width: 1, data: new Float32Array(2) }));
    expect(out).toMatchObject([{ type: 'reject-peer', peer: node(1) }, { type: 'owner' }]);
    expect(faults(out)).toEqual(['unfit']);
    expect(rig.core.running).toBeNull();
  });

  test('[S3] an id outside the vocabulary rejects the last place before the engine sees it', () => {
    const rig = new StageRig(1);
    rig.order(prepare([1, 2, 3], { resumeAt: 0, promptLength: 1, ids: [5] }));
    rig.order({ type: 'handover', session: session(1), epoch: 1, position: 0, id: 5 });
    rig.settle();
    const at = { session: session(1), epoch: 1, place: 0, seq: 0, position: 1 };
    const out = rig.frame(3, { type: 'token', ...at, id: VOCAB, drafts: [] });
    expect(out).toMatchObject([{ type: 'reject-peer', peer: node(3) }, { type: 'owner' }]);
    expect(faults(out)).toEqual(['unfit']);
    expect(rig.core.running).toBeNull();
  });

  test('[S4] a link of the route that closed is a fault, also when it opened again at once', () => {
    const rig = middle();
    const stranger = rig.step({ type: 'link-closed', peer: node(7) });
    expect(stranger).toEqual([]);
    const again = rig.step({ type: 'link-open', peer: node(3), path: 'direct' });
    expect(faults(again)).toEqual(['link-closed']);
  });

  test('[S10] end beats any prepare for 60 s, and frames of the session are not held', () => {
    const rig = middle();
    rig.order({ type: 'end', session: session(1) });
    expect(rig.order(prepare([1, 2, 3], { epoch: 9 }))).toEqual([]);
    rig.frame(1, rows(1, { epoch: 9 }));
    expect(rig.core.held).toEqual([]);
    expect(rig.core.sessions.size).toBe(0);
    rig.now = 60_000;
    rig.step({ type: 'tick' });
    expect(rig.core.fences.size).toBe(0);
  });

  test('[S10] release frees up to its epoch; a later prepare opens anew', () => {
    const rig = middle();
    rig.order({ type: 'release', session: session(1), epoch: 2 });
    expect(rig.core.sessions.size).toBe(0);
    rig.order(prepare([1, 2, 3], { epoch: 2 }));
    expect(rig.core.sessions.size).toBe(0);
    rig.order(prepare([1, 2, 3], { epoch: 3 }));
    expect(rig.core.sessions.size).toBe(1);
  });

  test('[S10] without frame or keep-alive for 15 s the session is freed, and said so', () => {
    const rig = middle();
    rig.now = 14_000;
    rig.order({ type: 'keepalive', session: session(1), epoch: 1 });
    rig.order({ type: 'keepalive', session: session(1), epoch: 0 });
    rig.now = 28_999;
    expect(rig.step({ type: 'tick' })).toEqual([]);
    rig.now = 29_000;
    expect(faults(rig.step({ type: 'tick' }))).toEqual(['expired']);
    expect(rig.core.sessions.size).toBe(0);
  });
});
