import { describe, expect, it } from 'vitest';
import type { Prepare } from '#lib/shard/wire/session-messages.ts';
import { kvOps, prepare, reports, rows, session, shardAt, StageRig, words } from './rig.ts';

const DIGESTS = ['aa', 'bb'].map((text) => text.padEnd(32, '0'));
const [A, B] = DIGESTS;
const C = 'cc'.padEnd(32, '0');

/** L is 4, pages of 2 positions: both whole pages below it have names. */
const sharing = (change: Partial<Prepare> = {}, mayHit = true): Prepare =>
  prepare([1], { prefix: { pagePositions: 2, mayHit, digests: DIGESTS }, ...change });

const shared = (rig: StageRig, length: number, epoch = 1) =>
  rig.step({ type: 'kv-shared', shard: shardAt(0), session: session(1), place: 0, epoch, length });

describe('[S5] a newcomer reports its prefix hit', () => {
  it('when it knows it, and computes what is missing', () => {
    const rig = new StageRig(1);
    const out = rig.order(sharing());
    expect(kvOps(out)).toEqual(['open 0', `share ${A},${B}`]);
    expect(reports(out)).toEqual([]);
    expect(reports(shared(rig, 2))).toEqual([[0, 2, 2]]);
    rig.fill(2);
    expect(rig.core.running?.segments).toMatchObject([{ firstPosition: 2, rows: 2 }]);
    const done = rig.finish();
    // Of the pages only the one that it computed gets a name here.
    expect(kvOps(done)).toEqual([`keep 1: ${B}`]);
    expect(reports(done)).toEqual([[0, 4, 4]]);
  });

  it('asks nothing where the owner says that nobody has it, but names what it computes', () => {
    const rig = new StageRig(1);
    expect(kvOps(rig.order(sharing({}, false)))).toEqual(['open 0']);
    rig.fill(0);
    expect([...kvOps(rig.finish()), ...kvOps(rig.finish())]).toEqual([
      `keep 0: ${A}`,
      `keep 1: ${B}`,
    ]);
  });

  it('of pages of another size it has none', () => {
    const rig = new StageRig(1);
    const prefix = { pagePositions: 3, mayHit: true, digests: DIGESTS };
    const out = rig.order(prepare([1], { prefix }));
    expect(kvOps(out)).toEqual(['open 0']);
    expect(reports(out)).toEqual([[0, 0, 0]]);
  });

  it('keys tell models, ranges, numerics and wire types apart, halves by every hop before', () => {
    const keysOf = (change: Partial<Prepare>): readonly string[] => {
      const rig = new StageRig(1);
      const out = rig.order({
        ...sharing(),
        ...prepare([2, 1]),
        prefix: sharing().prefix,
        ...change,
      });
      return out.flatMap((each) => (each.type === 'kv' && each.op === 'share' ? each.keys : []));
    };
    const halves = { wireDtype: 'f16' } as const;
    const threePlaces = prepare([2, 3, 1]);
    const cut = threePlaces.route.map((place, at) => ({
      ...place,
      range: [
        { first: 0, last: 0 },
        { first: 1, last: 1 },
        { first: 2, last: 3 },
      ][at]!,
    }));
    const all = [
      keysOf({}),
      keysOf({ numerics: 'int16' }),
      keysOf(halves),
      keysOf({ ...halves, route: cut }),
      keysOf({ wireDtype: 'int8' }),
    ];
    expect(new Set(all.flat()).size).toBe(10);
    expect(keysOf({ route: cut })).toEqual(keysOf({}));
    // Rows that went from node to node nowhere before are not rounded.
    const inOneNode = prepare([1, 1]).route;
    expect(keysOf({ ...halves, route: inOneNode })).toEqual(keysOf({ route: inOneNode }));
  });
});

describe('[S9] of a prompt that travelled in bytes', () => {
  const narrow = { ...prepare([2, 1], { wireDtype: 'int8', promptLength: 4, resumeAt: 6 }) };
  const digests = [A, B, C].map((each) => each ?? '');

  it('pages with rows of the answer have no name: elsewhere those may be the prompt’s', () => {
    const keys = (change: Partial<Prepare>): number => {
      const prefix = { pagePositions: 2, mayHit: true, digests };
      const out = new StageRig(1).order({ ...narrow, prefix, ...change });
      return out.flatMap((each) => (each.type === 'kv' && each.op === 'share' ? each.keys : []))
        .length;
    };
    // Positions 0 and 1 alone: the row at 3 belongs to the first id that is sampled.
    expect(keys({})).toBe(1);
    expect(keys({ promptLength: 5 })).toBe(2);
    expect(keys({ wireDtype: 'f16' })).toBe(3);
    expect(keys({ route: prepare([1, 2]).route })).toBe(3);
  });
});

describe('[S3] [S5] what was asked for an older epoch is void', () => {
  it('is cut off before it is asked again', () => {
    const rig = new StageRig(1);
    rig.order(sharing());
    const again = rig.order(sharing({ epoch: 2 }));
    expect(kvOps(again)).toEqual(['truncate 0', `share ${A},${B}`]);
    expect(reports(shared(rig, 4))).toEqual([]);
    expect(rig.seat(0).kvLength).toBe(0);
    expect(reports(shared(rig, 2, 2))).toEqual([[0, 2, 2]]);
  });

  it('also by an end', () => {
    const rig = new StageRig(1);
    rig.order(sharing());
    expect(kvOps(rig.order({ type: 'end', session: session(1) }))).toEqual(['close 0']);
    expect(shared(rig, 4)).toEqual([]);
  });

  it('rows that come meanwhile are a fault: no fill has begun', () => {
    const rig = new StageRig(1);
    rig.order({ ...prepare([2, 1]), prefix: { ...sharing().prefix!, mayHit: true } });
    const out = rig.frame(2, rows(1));
    expect(words(out)).toMatchObject([{ type: 'fault', why: 'position-gap' }]);
    expect(rig.core.running).toBeNull();
  });
});

describe('[S3] [S10] an answer’s pages get their names at its end', () => {
  const decoded = (): StageRig => {
    const rig = new StageRig(1);
    rig.order(sharing({}, false));
    rig.fill(0);
    rig.finish();
    rig.finish();
    rig.order({ type: 'handover', session: session(1), epoch: 1, position: 4, id: 15 });
    rig.settle();
    return rig;
  };
  const end = (rig: StageRig, epoch: number, digests = [C]) =>
    kvOps(rig.order({ type: 'end', session: session(1), pages: { epoch, digests } }));

  it('as far as the owner accepted them', () => {
    const rig = decoded();
    expect(rig.seat(0).kvLength).toBeGreaterThan(8);
    expect(end(rig, 1)).toEqual([`keep 2: ${C}`, 'close 0']);
  });

  it('not where the owner was in another epoch', () => {
    expect(end(decoded(), 2)).toEqual(['close 0']);
  });

  it('a page that was cut is named again when it is whole again', () => {
    const rig = decoded();
    rig.order(
      sharing({ epoch: 2, resumeAt: 3, prefix: { pagePositions: 2, mayHit: true, digests: [A!] } }),
    );
    expect(rig.seat(0).namedTo).toBe(3);
    rig.fill(3);
    rig.order({ type: 'handover', session: session(1), epoch: 2, position: 3, id: 14 });
    rig.settle();
    expect(end(rig, 2, [B!, C])).toEqual([`keep 1: ${B},${C}`, 'close 0']);
  });
});

it('[S3] a session that shares nothing orders nothing of it', () => {
  const rig = new StageRig(1);
  rig.order(prepare([1]));
  rig.fill(0);
  rig.finish();
  rig.finish();
  expect(kvOps(rig.all)).toEqual(['open 0']);
});
