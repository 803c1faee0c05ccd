import { describe, expect, test } from 'vitest';
import { SESSION as BOUNDS } from '#lib/shard/session/limits.ts';
import type { OwnerOutput } from '#lib/shard/session/types.ts';
import { node, only, OwnerRig, place, plan, sent, SESSION } from './rig.ts';

/** Nodes 1, 2, 3 in a row; what the latest ask leaves out, and what it keeps. */
function asked(out: readonly OwnerOutput[]) {
  return only(out, 'need-route').map(({ keep, without }) => ({
    keep: keep.map((held) => held.node),
    without,
  }));
}

const route = (rig: OwnerRig, ...nodes: number[]) =>
  rig.step({ type: 'route', plan: plan(nodes.map((n, at) => place(n, at))) });

const nobody = (rig: OwnerRig) => rig.step({ type: 'route', plan: null });

const lost = [{ type: 'done', outcome: { kind: 'lost', code: 'session/lost' } }];

describe('who refuses what it is sent', () => {
  test.each(['not-finite', 'unfit'] as const)(
    '[V3] twice %s: another takes its place, nobody is declared',
    (why) => {
      const rig = new OwnerRig();
      expect(sent(rig.fault(2, why), 'prepare')).toHaveLength(3);
      const out = rig.fault(2, why);
      expect(asked(out)).toEqual([{ keep: [node(1), node(3)], without: [node(2)] }]);
      expect(only(out, 'declare')).toEqual([]);
      const next = route(rig, 1, 4, 3);
      expect(sent(next, 'release', 2)).toHaveLength(1);
      expect(sent(next, 'prepare').map((prepare) => prepare.epoch)).toEqual([3, 3, 3]);
    },
  );

  test('[V3] it is put off for the rest of the session, with tokens between, too', () => {
    const rig = new OwnerRig();
    rig.fault(2, 'not-finite');
    rig.reachDecoding();
    rig.token(0, 7);
    expect(asked(rig.fault(2, 'not-finite'))).toHaveLength(1);
    route(rig, 1, 4, 3);
    expect(asked(rig.lose(3))).toEqual([{ keep: [node(1), node(4)], without: [node(2)] }]);
  });

  test('[V3] a plan that names it all the same is no plan', () => {
    const rig = new OwnerRig();
    rig.fault(2, 'unfit');
    rig.fault(2, 'unfit');
    expect(only(route(rig, 1, 2, 3), 'route-changed')).toEqual([]);
  });

  test('[V3] a second node that refuses the same sender has the sender put off, and the first is back', () => {
    const rig = new OwnerRig();
    rig.fault(2, 'not-finite');
    rig.fault(2, 'not-finite');
    route(rig, 1, 4, 3);
    expect(asked(rig.fault(4, 'not-finite'))).toEqual([
      { keep: [node(4), node(3)], without: [node(1)] },
    ]);
  });

  test('[V3] place 0 refuses the last place’s ids', () => {
    const rig = new OwnerRig();
    rig.fault(1, 'unfit');
    rig.fault(1, 'unfit');
    route(rig, 4, 2, 3);
    expect(asked(rig.fault(4, 'unfit'))).toMatchObject([{ without: [node(3)] }]);
  });

  test('[V3] where nobody else can, the sender goes and it stays; then the answer ends at once', () => {
    const rig = new OwnerRig();
    rig.fault(2, 'not-finite');
    rig.fault(2, 'not-finite');
    expect(asked(nobody(rig))).toEqual([{ keep: [node(2), node(3)], without: [node(1)] }]);
    expect(only(nobody(rig), 'done')).toEqual(lost);
    expect(rig.now).toBe(0);
  });

  test('[V3] a node that refuses what it sent itself is put off, and nobody besides', () => {
    const rig = new OwnerRig({ plan: plan([place(1, 0), place(2, 1), place(2, 2)]) });
    const fault = { type: 'fault', session: SESSION, place: 2, why: 'not-finite' } as const;
    const say = () => rig.say(2, { ...fault, epoch: rig.epoch });
    say();
    expect(asked(say())).toEqual([{ keep: [node(1)], without: [node(2)] }]);
    expect(only(nobody(rig), 'done')).toEqual(lost);
  });

  test('[V3] a wait for another loss is no wait for another: it may last 30 s', () => {
    const rig = new OwnerRig();
    rig.fault(2, 'unfit');
    rig.fault(2, 'unfit');
    route(rig, 1, 4, 3);
    rig.lose(3);
    expect(only(nobody(rig), 'done')).toEqual([]);
    expect(rig.phase).toBe('routing');
  });
});

describe('faults without end', () => {
  const often = (rig: OwnerRig, times: number) => {
    let out: readonly OwnerOutput[] = [];
    for (let i = 0; i < times; i += 1) out = rig.fault(2, 'seq-gap');
    return out;
  };

  test('[V3] many of one node with no token between: another route', () => {
    const rig = new OwnerRig();
    expect(asked(often(rig, BOUNDS.faultsMax - 1))).toEqual([]);
    expect(asked(often(rig, 1))).toEqual([{ keep: [node(1), node(3)], without: [node(2)] }]);
  });

  test('[V3] a token between begins anew', () => {
    const rig = new OwnerRig();
    often(rig, BOUNDS.faultsMax - 1);
    rig.reachDecoding();
    rig.token(0, 7);
    expect(asked(often(rig, BOUNDS.faultsMax - 1))).toEqual([]);
  });

  test('[V3] the link may be to blame: where nobody else is there, it is forgiven', () => {
    const rig = new OwnerRig();
    often(rig, BOUNDS.faultsMax);
    expect(asked(nobody(rig))).toMatchObject([{ without: [] }]);
    expect(only(nobody(rig), 'done')).toEqual([]);
    rig.step({ type: 'nodes-changed' });
    expect(sent(route(rig, 1, 2, 3), 'prepare')).toHaveLength(3);
  });

  test('[S13] epochs in vain end an answer, however much was said to have grown in them', () => {
    const rig = new OwnerRig();
    const ends: (readonly OwnerOutput[])[] = [];
    for (let epoch = 0; epoch < BOUNDS.vainEpochsMax; epoch += 1) {
      rig.now += 1_000;
      rig.prepared(1, 2, 3);
      rig.report(2, 1);
      // Of all three in turn: nobody has many.
      ends.push(only(rig.fault(1 + (epoch % 3), 'link-closed'), 'done'));
      if (rig.phase === 'routing') {
        nobody(rig);
        route(rig, 1, 2, 3);
      }
    }
    expect(ends.at(-1)).toEqual(lost);
    expect(ends.slice(0, -1).flat()).toEqual([]);
  });

  test('[S11] sessions that take turns for pages are not ended for it', () => {
    const rig = new OwnerRig();
    for (let epoch = 0; epoch < 4 * BOUNDS.vainEpochsMax; epoch += 1) {
      rig.fault(2, 'no-room');
      route(rig, 1, 2 + 2 * ((epoch + 1) % 2), 3);
      rig.fault(4, 'no-room');
      route(rig, 1, 2, 3);
    }
    expect(rig.phase).not.toBe('done');
  });
});

describe('engines', () => {
  test('[V1] two nodes whose engines fail in turn are each declared at their second', () => {
    const rig = new OwnerRig();
    rig.fault(2, 'engine');
    rig.fault(3, 'engine');
    expect(only(rig.fault(2, 'engine'), 'declare')).toMatchObject([{ node: node(2) }]);
  });
});

describe('one word against the other', () => {
  test('[V1] sent by relay and not taken either: another takes the place', () => {
    const rig = new OwnerRig();
    const stuck = () => {
      rig.reachDecoding();
      const progress = [0, 1, 2].map((at) => ({
        ...{ session: SESSION, epoch: rig.epoch, place: at },
        ...(at === 0 ? { taken: 5, sent: 5 } : { taken: 4, sent: 4 }),
      }));
      for (const n of [1, 2, 3])
        rig.step({ type: 'progress', node: node(n), incarnation: 1, progress });
    };
    stuck();
    rig.tickAt(2_000);
    stuck();
    expect(only(rig.tickAt(6_000), 'need-route')).toMatchObject([
      { relay: [[node(1), node(2)]], without: [] },
    ]);
    route(rig, 1, 2, 3);
    stuck();
    expect(asked(rig.tickAt(14_000))).toEqual([{ keep: [node(1), node(3)], without: [node(2)] }]);
  });
});
