import { describe, expect, test } from 'vitest';
import type { Progress } from '#lib/shard/wire/session-messages.ts';
import { node, only, OwnerRig, place, plan, PLAN, request, sent, SESSION } from './rig.ts';

/** Each place's taken and sent, in order. */
function pongs(rig: OwnerRig, counts: readonly (readonly [number, number] | null)[]): void {
  for (const [at, count] of counts.entries()) {
    if (!count) continue;
    const [taken, done] = count;
    const progress: Progress[] = [
      { session: SESSION, epoch: rig.epoch, place: at, taken, sent: done },
    ];
    rig.step({ type: 'progress', node: node(at + 1), incarnation: 1, progress });
  }
}

describe('liveness', () => {
  test('[V1] a holder that did not answer prepare is dead at the deadline', () => {
    const rig = new OwnerRig();
    rig.prepared(1, 3);
    expect(rig.tickAt(1_999)).toEqual([]);
    const out = rig.tickAt(2_000);
    expect(only(out, 'declare')).toMatchObject([{ node: node(2), why: 'no-prepared' }]);
    expect(only(out, 'need-route')[0]?.keep.map(({ node: id }) => id)).toEqual([node(1), node(3)]);
  });

  test('[V1] an overdue epoch is followed by one of the same route with twice the patience', () => {
    const rig = new OwnerRig();
    rig.prepared(1, 2, 3);
    for (const n of [1, 2, 3]) rig.report(n, 0);
    expect(sent(rig.tickAt(2_000), 'prepare')).toHaveLength(3);
    rig.prepared(1, 2, 3);
    expect(rig.tickAt(5_999).filter((output) => output.type !== 'send')).toEqual([]);
    rig.tickAt(6_000);
    expect(rig.epoch > 2 || rig.phase === 'routing').toBe(true);
  });

  test('[V1] predicted times and loads stretch the deadline', () => {
    const slow = new OwnerRig({ plan: { ...PLAN, chunkMs: 1_000, loadMs: 500 } });
    slow.prepared(1, 2, 3);
    expect(slow.tickAt(4_499)).toEqual([]);
    expect(sent(slow.tickAt(4_500), 'prepare')).toHaveLength(3);
  });

  test('[V1] growth and tokens start patience anew', () => {
    const rig = new OwnerRig();
    rig.prepared(1, 2, 3);
    rig.now = 1_500;
    for (const n of [1, 2, 3]) rig.report(n, 0);
    rig.report(1, 4);
    expect(rig.tickAt(3_499)).toEqual([]);
    expect(sent(rig.tickAt(3_500), 'prepare')).toHaveLength(3);
  });

  test('[V1] a place that says 2, 3, 2, 3 … does not grow: its deadline passes, and it is declared', () => {
    const rig = new OwnerRig();
    rig.prepared(1, 2, 3);
    for (const n of [1, 3]) rig.report(n, 0);
    rig.report(2, 2);
    for (rig.now = 500; rig.now < 2_500; rig.now += 500) {
      rig.report(2, 3);
      rig.report(2, 2);
    }
    expect(rig.tickAt(2_499)).toEqual([]);
    expect(sent(rig.tickAt(2_500), 'prepare')).toHaveLength(3);
    rig.prepared(1, 2, 3);
    for (const n of [1, 2, 3]) rig.report(n, 0);
    for (let said = 0; said < 9; said += 1) rig.report(2, said % 2);
    pongs(rig, [
      [4, 4],
      [4, 0],
      [0, 0],
    ]);
    expect(only(rig.tickAt(4_500), 'declare')).toMatchObject([{ node: node(2) }]);
  });

  test('[V1] rows that are computed again are growth of the fill that asks for them', () => {
    const rig = new OwnerRig();
    rig.prepared(1, 2, 3);
    // Place 0 has all, but kept none of what the others need: it starts anew with them.
    rig.tickAt(2_000);
    rig.prepared(1, 2, 3);
    rig.report(1, 4, 4);
    for (const n of [2, 3]) rig.report(n, 0);
    expect(rig.phase).toBe('filling');
    rig.now = 5_000;
    rig.report(1, 1);
    expect(rig.tickAt(6_999).filter((output) => output.type !== 'send')).toEqual([]);
    expect(only(rig.tickAt(7_000), 'declare')).toHaveLength(1);
  });

  test('[V1] who says everything just in time keeps an answer as many deadlines as it has steps', () => {
    const rig = new OwnerRig();
    const { promptIds, maxTokens } = request();
    const inTime = () => (rig.now += 1_990);
    rig.prepared(1, 2, 3);
    for (let kvLength = 0; kvLength < promptIds.length; kvLength += 1) {
      for (const n of [1, 2, 3]) rig.report(n, kvLength);
      expect(rig.tickAt(inTime()).filter((output) => output.type !== 'send')).toEqual([]);
    }
    for (let index = 0; index < maxTokens; index += 1) {
      expect(only(rig.tickAt(rig.now), 'route-changed')).toEqual([]);
      rig.token(index, 7);
      inTime();
    }
    expect([rig.phase, rig.epoch]).toEqual(['done', 1]);
    expect(rig.now).toBeLessThanOrEqual((promptIds.length + maxTokens) * 2_000);
  });

  /** Decoding, one deadline passed without progress, the next one due at 6 s. */
  function overdueOnce(): OwnerRig {
    const rig = new OwnerRig();
    rig.reachDecoding();
    rig.tickAt(2_000);
    rig.reachDecoding();
    return rig;
  }

  test('[V1] second time: sent and not taken is the link, by relay from then on', () => {
    const rig = overdueOnce();
    pongs(rig, [
      [5, 5],
      [4, 4],
      [4, 4],
    ]);
    const asked = only(rig.tickAt(6_000), 'need-route');
    expect(asked).toMatchObject([{ relay: [[node(1), node(2)]] }]);
    expect(asked[0]?.keep).toHaveLength(3);
  });

  test('[V1] second time: taken and not sent is the node, and it is declared', () => {
    const rig = overdueOnce();
    pongs(rig, [
      [5, 5],
      [5, 4],
      [4, 4],
    ]);
    expect(only(rig.tickAt(6_000), 'declare')).toMatchObject([
      { node: node(2), why: 'not-working' },
    ]);
  });

  test('[V1] second time: a token that stage 0 never took is the link back', () => {
    const rig = overdueOnce();
    pongs(rig, [
      [5, 5],
      [5, 5],
      [5, 6],
    ]);
    expect(only(rig.tickAt(6_000), 'need-route')).toMatchObject([{ relay: [[node(3), node(1)]] }]);
  });

  test('[V1] second time: who reported nothing hangs, and not the one who waits for it', () => {
    const rig = new OwnerRig();
    rig.prepared(1, 2, 3);
    for (const n of [1, 2, 3]) rig.report(n, 0);
    rig.tickAt(2_000);
    rig.prepared(1, 2, 3);
    rig.report(1, 0);
    rig.report(2, 0);
    pongs(rig, [[4, 4], [4, 4], null]);
    expect(only(rig.tickAt(6_000), 'declare')).toMatchObject([{ node: node(3) }]);
  });

  test('[V1] second time: what a place held before its fill is not ready, and its link downstream is sound', () => {
    const rig = new OwnerRig();
    const fill = (): void => {
      rig.prepared(1, 2, 3);
      rig.report(1, 3);
      // A shared prefix, of which it has no rows to pass on: it computes them again.
      rig.report(2, 4, 4);
      rig.report(3, 0);
    };
    fill();
    rig.tickAt(2_000);
    fill();
    pongs(rig, [
      [3, 3],
      [0, 0],
      [0, 0],
    ]);
    const asked = only(rig.tickAt(6_000), 'need-route');
    expect(asked).toMatchObject([{ relay: [[node(1), node(2)]] }]);
  });

  test('[V1] one token an epoch does not clear a link that is dead in one direction', () => {
    const rig = new OwnerRig();
    rig.reachDecoding();
    rig.token(0, 7);
    rig.tickAt(2_000);
    rig.reachDecoding();
    rig.token(1, 8);
    pongs(rig, [
      [6, 6],
      [6, 6],
      [6, 7],
    ]);
    expect(only(rig.tickAt(4_000), 'need-route')).toMatchObject([{ relay: [[node(3), node(1)]] }]);
  });

  test('[V1] a node whose engine fails twice in a row is declared', () => {
    const rig = new OwnerRig();
    expect(only(rig.fault(2, 'engine'), 'declare')).toEqual([]);
    expect(only(rig.fault(2, 'engine'), 'declare')).toMatchObject([{ node: node(2) }]);
  });

  test('[V2] a node that leaves is replaced at once', () => {
    const rig = new OwnerRig();
    rig.reachDecoding();
    expect(only(rig.lose(2), 'need-route')).toHaveLength(1);
    const out = rig.step({ type: 'route', plan: plan([place(1, 0), place(4, 1), place(3, 2)]) });
    expect(only(out, 'route-changed')).toMatchObject([{ epoch: 2, cause: 'moved' }]);
  });

  test('[V3] a complaint expels nobody', () => {
    const rig = new OwnerRig();
    for (const why of ['link-closed', 'seq-gap', 'position-gap', 'not-finite'] as const) {
      expect(only(rig.fault(1, why), 'declare')).toEqual([]);
    }
    expect(rig.phase).not.toBe('routing');
  });

  test('[S10] keep-alives carry the epoch and go to the current route every 5 s', () => {
    const rig = new OwnerRig({ request: request(), plan: { ...PLAN, roundMs: 5_000 } });
    rig.reachDecoding();
    expect(sent(rig.tickAt(5_000), 'keepalive')).toEqual(
      [1, 2, 3].map(() => ({ type: 'keepalive', session: SESSION, epoch: 1 })),
    );
    expect(sent(rig.tickAt(9_999), 'keepalive')).toEqual([]);
  });

  test('[S13] 30 s without a token or growth end the session as lost', () => {
    const rig = new OwnerRig({ request: request(), plan: { ...PLAN, roundMs: 100_000 } });
    rig.reachDecoding();
    const out = rig.tickAt(30_000);
    expect(only(out, 'done')).toEqual([
      { type: 'done', outcome: { kind: 'lost', code: 'session/lost' } },
    ]);
    expect(sent(out, 'end')).toHaveLength(3);
  });
});
