import { describe, expect, test } from 'vitest';
import type { StageMessage } from '#lib/shard/wire/session-messages.ts';
import { GREEDY, type Penalties } from '#lib/webgpu/sampling/params.ts';
import type { OwnerOutput } from '#lib/shard/session/types.ts';
import { planFill } from '#lib/shard/session/fill.ts';
import { node, only, OwnerRig, place, plan, PLAN, request, sent, SESSION } from './rig.ts';

describe('epochs', () => {
  test('[S2] prepare names epoch, L and for each place node, incarnation and since', () => {
    const rig = new OwnerRig();
    const [first] = sent(rig.out, 'prepare', 1);
    expect(first).toMatchObject({ epoch: 1, resumeAt: 4, promptLength: 5 });
    expect(
      first?.route.map(({ node: id, incarnation, since }) => [id, incarnation, since]),
    ).toEqual([1, 2, 3].map((n) => [node(n), 1, 1]));
    expect(first?.ids).toEqual([11, 12, 13, 14, 15]);
    expect(sent(rig.out, 'prepare', 2)[0]?.ids).toEqual([]);
  });

  test('[S8] only the last place learns ids, and no more than the penalties look at', () => {
    const learnt = (penalties: Partial<Penalties>): unknown[] => {
      const none = { repetition: 1, presence: 0, frequency: 0, bias: [] };
      const sampling = { ...GREEDY, penalties: { ...none, ...penalties } };
      const asked = request({ promptIds: [11, 12, 11], acceptedIds: [7], sampling });
      const { out } = new OwnerRig({ request: asked });
      return [1, 2, 3].map((n) => sent(out, 'prepare', n)[0]?.history);
    };
    const nothing = { promptIds: [], answerIds: [] };
    const all = { promptIds: [11, 12], answerIds: [7] };
    expect(learnt({ bias: [[5, 1]] })).toEqual([nothing, nothing, nothing]);
    expect(learnt({ frequency: 1 })).toEqual([nothing, nothing, { ...all, promptIds: [] }]);
    expect(learnt({ repetition: 2 })).toEqual([nothing, nothing, all]);
  });

  test('[S8] the last place learns prompt and answer where it may guess, and no place between', () => {
    const told = (draftsMax: number): unknown[] => {
      const asked = request({ promptIds: [11, 12, 11], acceptedIds: [7], draftsMax });
      const { out } = new OwnerRig({ request: asked });
      return [1, 2, 3].map((n) => {
        const [message] = sent(out, 'prepare', n);
        return [message?.draftsMax, message?.ids];
      });
    };
    const all = [11, 12, 11, 7];
    expect(told(0)).toEqual([
      [0, all],
      [0, []],
      [0, []],
    ]);
    expect(told(5)).toEqual([
      [5, all],
      [5, []],
      [5, all],
    ]);
  });

  test('[S8] only the last place learns what the answer has to fit, with all that was said', () => {
    const grammar = '{"type":"null"}';
    const rig = new OwnerRig({ request: request({ acceptedIds: [7], grammar }) });
    const told = (out: readonly OwnerOutput[]): unknown[] =>
      [1, 2, 3].map((n) => {
        const [message] = sent(out, 'prepare', n);
        return [message?.grammar, message?.history.answerIds];
      });
    expect(told(rig.out)).toEqual([
      [null, []],
      [null, []],
      [grammar, [7]],
    ]);
    rig.reachDecoding();
    rig.token(1, 8);
    expect(told(rig.fault(2, 'seq-gap'))[2]).toEqual([grammar, [7, 8]]);
  });

  test('[S2] one prepare a node, also where it holds two places', () => {
    const rig = new OwnerRig({ plan: plan([place(1, 0), place(2, 1), place(1, 2)]) });
    expect(sent(rig.out, 'prepare', 1)).toHaveLength(1);
  });

  test('[S4] a fault of the current epoch is a new epoch on the same route; an older one is not', () => {
    const rig = new OwnerRig();
    rig.reachDecoding();
    expect(sent(rig.fault(2, 'seq-gap'), 'prepare')).toHaveLength(3);
    expect(rig.epoch).toBe(2);
    expect(rig.fault(2, 'seq-gap', 1)).toEqual([]);
    expect(rig.epoch).toBe(2);
  });

  test('[S4] a fault from a node that does not hold the place is not heard', () => {
    const rig = new OwnerRig();
    const fault = { type: 'fault', session: SESSION, epoch: 1, place: 0, why: 'seq-gap' } as const;
    expect(rig.say(2, fault)).toEqual([]);
  });

  test('[S4] resync: ack where a token was accepted in the epoch, else a new epoch', () => {
    const named = (epoch: number): StageMessage => {
      return { type: 'resync', sessions: [{ session: SESSION, epoch }] };
    };
    const proven = new OwnerRig();
    proven.reachDecoding();
    proven.token(0, 7);
    expect(proven.say(1, named(1))).toMatchObject([{ message: { type: 'ack', accepted: 1 } }]);
    const early = new OwnerRig();
    early.reachDecoding();
    expect(sent(early.say(1, named(1)), 'prepare')).toHaveLength(3);
    const forgotten = new OwnerRig();
    forgotten.reachDecoding();
    forgotten.token(0, 7);
    expect(sent(forgotten.say(2, { type: 'resync', sessions: [] }), 'prepare')).toHaveLength(3);
  });

  test('[S4] resync of a node outside the route is answered with release', () => {
    const rig = new OwnerRig();
    const resync: StageMessage = { type: 'resync', sessions: [{ session: SESSION, epoch: 1 }] };
    expect(sent(rig.say(9, resync), 'release', 9)).toHaveLength(1);
  });

  test('[S4] resync of a holder that paused is answered with release: the first may be lost', () => {
    const rig = new OwnerRig();
    const resync: StageMessage = { type: 'resync', sessions: [{ session: SESSION, epoch: 1 }] };
    rig.lose(2);
    expect(sent(rig.say(2, resync), 'release', 2)).toHaveLength(1);
    expect(sent(rig.say(1, resync), 'release')).toEqual([]);
  });

  test('[S5] the first fill waits for no report; later ones for all', () => {
    const rig = new OwnerRig();
    expect(sent(rig.out, 'fill', 2)).toMatchObject([{ epoch: 1, starts: [0, 0, 0] }]);
    rig.fault(1, 'link-closed');
    expect(sent(rig.out, 'fill')).toEqual([]);
    rig.report(1, 4);
    rig.report(2, 2, 1);
    expect(sent(rig.report(3, 0), 'fill', 1)).toMatchObject([{ epoch: 2, starts: [4, 0, 0] }]);
  });

  test('[S5] a gap whose rows were dropped upstream makes the upstream start there too', () => {
    const report = (kvLength: number, keptFrom: number) => ({ kvLength, keptFrom });
    expect(planFill([report(9, 0), report(9, 0), report(9, 9)], 9)).toEqual([9, 9, 9]);
    expect(planFill([report(9, 0), report(9, 0), report(3, 3)], 9)).toEqual([9, 9, 3]);
    expect(planFill([report(9, 0), report(9, 5), report(3, 3)], 9)).toEqual([9, 3, 3]);
    expect(planFill([report(9, 6), report(9, 5), report(3, 3)], 9)).toEqual([3, 3, 3]);
    expect(planFill([report(9, 6), report(2, 0), report(5, 5)], 9)).toEqual([2, 2, 5]);
    expect(planFill([report(9, 6), report(7, 0), report(9, 9)], 9)).toEqual([9, 7, 9]);
  });

  test('[S5] hand-over goes out once, when all report L', () => {
    const rig = new OwnerRig();
    rig.prepared(1, 2, 3);
    rig.report(1, 4);
    expect(sent(rig.report(2, 4), 'handover')).toEqual([]);
    expect(sent(rig.report(3, 4), 'handover', 1)).toMatchObject([{ position: 4, id: 15 }]);
    expect(rig.report(3, 4)).toEqual([]);
  });

  test('[S5] a living node that the new route leaves out is released', () => {
    const rig = new OwnerRig();
    rig.lose(3);
    const out = rig.step({ type: 'route', plan: plan([place(1, 0), place(4, 1), place(5, 2)]) });
    expect(sent(out, 'release', 2)).toMatchObject([{ epoch: 2 }]);
    expect(sent(out, 'release', 3)).toEqual([]);
  });

  test('[S6] need-route keeps living holders at their ranges; since stays theirs alone', () => {
    const rig = new OwnerRig();
    rig.reachDecoding();
    expect(only(rig.lose(2), 'need-route')[0]?.keep).toEqual([place(1, 0), place(3, 2)]);
    const next = plan([place(1, 0), place(4, 1), place(3, 2)]);
    const [prepare] = sent(rig.step({ type: 'route', plan: next }), 'prepare', 4);
    expect(prepare?.route.map(({ since }) => since)).toEqual([1, 2, 1]);
  });

  test('[S6] a holder that left and returns starts from nothing', () => {
    const rig = new OwnerRig();
    rig.lose(3);
    rig.step({ type: 'route', plan: plan([place(1, 0), place(4, 1), place(5, 2)]) });
    rig.lose(5);
    const back = plan([place(1, 0), place(2, 1), place(4, 2)]);
    const [prepare] = sent(rig.step({ type: 'route', plan: back }), 'prepare', 2);
    expect(prepare?.route.map(({ since }) => since)).toEqual([1, 3, 3]);
  });

  test('[S9] other numerics void what every holder has', () => {
    const rig = new OwnerRig();
    rig.lose(3);
    const next = { ...PLAN, places: [place(1, 0), place(2, 1), place(4, 2)] };
    const out = rig.step({ type: 'route', plan: { ...next, numerics: 'int16' } });
    expect(sent(out, 'prepare', 1)[0]?.route.map(({ since }) => since)).toEqual([2, 2, 2]);
  });

  test('[S10] the end goes to every living node of every epoch, and no epoch follows', () => {
    const rig = new OwnerRig();
    rig.lose(3);
    rig.step({ type: 'route', plan: plan([place(1, 0), place(4, 1), place(5, 2)]) });
    const out = rig.step({ type: 'cancel' });
    const ended = only(out, 'send').map((output) => output.node);
    expect(ended.sort()).toEqual([1, 2, 4, 5].map(node));
    expect(only(out, 'done')).toMatchObject([{ outcome: { kind: 'cancelled' } }]);
    expect(rig.fault(1, 'seq-gap')).toMatchObject([{ message: { type: 'end' } }]);
    expect(rig.lose(1)).toEqual([]);
    expect(rig.phase).toBe('done');
  });

  test('[S11] a room that was lost with its socket is no wait for ever, in a proven epoch too', () => {
    const rig = new OwnerRig();
    rig.reachDecoding();
    rig.token(0, 7);
    rig.fault(2, 'no-room');
    rig.step({ type: 'route', plan: null });
    expect(rig.phase).toBe('routing');
    const back: StageMessage = { type: 'resync', sessions: [{ session: SESSION, epoch: 1 }] };
    expect(sent(rig.say(1, back), 'prepare')).toHaveLength(0);
    expect(sent(rig.say(2, back), 'prepare')).toHaveLength(3);
    expect(rig.epoch).toBe(2);
  });

  test('[S11] no-room waits for that node, or for another holder', () => {
    const waits = new OwnerRig();
    waits.reachDecoding();
    const asked = only(waits.fault(2, 'no-room'), 'need-route');
    expect(asked[0]?.keep.map(({ node: id }) => id)).toEqual([node(1), node(3)]);
    expect(waits.step({ type: 'route', plan: PLAN })).toEqual([]);
    expect(waits.phase).toBe('routing');
    const room = { type: 'room', session: SESSION, epoch: 1, place: 1 } as const;
    expect(sent(waits.say(2, room), 'prepare')).toHaveLength(3);

    const moves = new OwnerRig();
    moves.fault(2, 'no-room');
    const next = plan([place(1, 0), place(4, 1), place(3, 2)]);
    expect(sent(moves.step({ type: 'route', plan: next }), 'release', 2)).toHaveLength(1);
  });

  test('[S13] without a route it asks when nodes change, and is lost after 30 s', () => {
    const rig = new OwnerRig({ request: request(), plan: null });
    expect(only(rig.step({ type: 'nodes-changed' }), 'need-route')).toHaveLength(1);
    rig.step({ type: 'route', plan: null });
    expect(rig.tickAt(29_999)).toEqual([]);
    const lost = { kind: 'lost', code: 'session/no-cover' };
    expect(only(rig.tickAt(30_000), 'done')).toEqual([{ type: 'done', outcome: lost }]);
  });

  test('[V3] words of an ended incarnation are not heard', () => {
    const rig = new OwnerRig();
    rig.reachDecoding();
    const token = { type: 'token', session: SESSION, epoch: 1, place: 2, index: 0, id: 7 } as const;
    expect(rig.say(3, { ...token, last: false }, 2)).toEqual([]);
    rig.lose(3);
    expect(rig.say(3, { ...token, last: false }, 1)).toEqual([]);
  });

  test('[V3] a plan made before a node was lost is not taken', () => {
    const rig = new OwnerRig();
    rig.lose(2);
    rig.lose(3);
    const stale = plan([place(1, 0), place(4, 1), place(3, 2)]);
    expect(only(rig.step({ type: 'route', plan: stale }), 'need-route')).toHaveLength(1);
    expect(rig.epoch).toBe(1);
  });
});
