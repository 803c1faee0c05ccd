import { describe, expect, test } from 'vitest';
import { node, only, OwnerRig, place, plan, request, sent } from './rig.ts';

describe('tokens', () => {
  test('[S1] a token is accepted once, next in index, from the last place of the epoch', () => {
    const rig = new OwnerRig();
    rig.reachDecoding();
    expect(only(rig.token(0, 7), 'accept')).toEqual([
      { type: 'accept', index: 0, id: 7, finish: null },
    ]);
    expect(only(rig.token(0, 7), 'accept')).toEqual([]);
    expect(only(rig.token(2, 9), 'accept')).toEqual([]);
    expect(only(rig.token(1, 8, { place: 1 }), 'accept')).toEqual([]);
    expect(rig.state.acceptedIds).toEqual([7]);
  });

  test('[S1] a token of an older epoch is not accepted, whatever its index', () => {
    const rig = new OwnerRig();
    rig.reachDecoding();
    rig.fault(1, 'link-closed');
    expect(rig.token(0, 7, { epoch: 1 })).toEqual([]);
    expect(rig.state.acceptedIds).toEqual([]);
  });

  test('[S7] every token of the epoch is answered with the cumulative ack, taken or not', () => {
    const rig = new OwnerRig();
    rig.reachDecoding();
    expect(sent(rig.token(0, 7), 'ack', 3)).toMatchObject([{ accepted: 1 }]);
    expect(sent(rig.token(0, 7), 'ack', 3)).toMatchObject([{ accepted: 1 }]);
    expect(sent(rig.token(5, 7), 'ack', 3)).toMatchObject([{ accepted: 1 }]);
  });

  test('[S8] EOS and max tokens end the answer; ignore_eos is an empty list', () => {
    const eos = new OwnerRig();
    eos.reachDecoding();
    expect(only(eos.token(0, 2, { last: true }), 'accept')).toMatchObject([{ finish: 'stop' }]);
    expect(only(eos.out, 'done')).toEqual([{ type: 'done', outcome: { kind: 'finished' } }]);

    const length = new OwnerRig({ request: request({ maxTokens: 2, eosIds: [] }) });
    length.reachDecoding();
    expect(only(length.token(0, 2), 'accept')).toMatchObject([{ finish: null }]);
    expect(only(length.token(1, 2), 'accept')).toMatchObject([{ finish: 'length' }]);
    expect(length.phase).toBe('done');
  });

  test('[S8] an id that may not follow is not accepted: who said it is declared, the answer goes on', () => {
    const asked: [readonly number[], number][] = [];
    const mayFollow = (acceptedIds: readonly number[], id: number): boolean => {
      asked.push([acceptedIds, id]);
      return id < 10;
    };
    const rig = new OwnerRig({ request: request({ mayFollow }) });
    rig.reachDecoding();
    expect(only(rig.token(0, 7), 'accept')).toHaveLength(1);
    // Not next, or not of the last place: nobody asks.
    rig.token(0, 12);
    rig.token(1, 12, { place: 1 });
    expect(asked).toEqual([[[], 7]]);
    const out = rig.token(1, 12);
    expect(only(out, 'accept')).toEqual([]);
    expect(sent(out, 'ack', 3)).toEqual([]);
    expect(only(out, 'declare')).toMatchObject([{ node: node(3), why: 'wrong-answer' }]);
    expect(only(out, 'need-route')[0]?.keep.map((held) => held.node)).toEqual([node(1), node(2)]);
    expect(rig.state.acceptedIds).toEqual([7]);
    rig.step({ type: 'route', plan: plan([place(1, 0), place(2, 1), place(4, 2)]) });
    expect(rig.state.route?.resumeAt).toBe(5);
  });

  test('[S13] a session resumes after ids accepted elsewhere and samples none of them again', () => {
    const rig = new OwnerRig({ request: request({ acceptedIds: [7, 8] }) });
    expect(rig.state.route?.resumeAt).toBe(6);
    expect(sent(rig.out, 'prepare', 1)[0]?.ids).toEqual([11, 12, 13, 14, 15, 7, 8]);
    expect(sent(rig.reachDecoding(), 'handover')).toMatchObject([{ position: 6, id: 8 }]);
    expect(only(rig.token(1, 8), 'accept')).toEqual([]);
    expect(only(rig.token(2, 9), 'accept')).toMatchObject([{ index: 2, id: 9 }]);
  });

  test('[S13] a resumed session whose ids are complete ends at once', () => {
    const rig = new OwnerRig({ request: request({ acceptedIds: [7, 2] }) });
    expect(rig.out).toEqual([{ type: 'done', outcome: { kind: 'finished' } }]);
  });
});
