import { describe, expect, it } from 'vitest';
import type { RowsFrame } from '#lib/shard/wire/frame.ts';
import type { StageOutput } from '#lib/shard/stage/types.ts';
import { faults, frames, prepare, rows, session, StageRig } from './rig.ts';

const sent = (out: readonly StageOutput[]) =>
  frames(out)
    .filter((frame): frame is RowsFrame => frame.type === 'rows')
    .map(({ firstPosition, rows: count, dtype }) => [firstPosition, count, dtype]);

describe('[S9] how rows travel on a narrow route', () => {
  it('in bytes those of the prompt, in halves what an id is sampled from', () => {
    const rig = new StageRig(1);
    rig.order(prepare([1, 2], { wireDtype: 'int8' }));
    rig.fill(0, 0);
    expect(sent(rig.settle())).toEqual([
      [0, 2, 'int8'],
      [2, 2, 'int8'],
    ]);
    const { epoch } = rig.session(1).prepare;
    rig.order({ type: 'handover', session: session(1), epoch, position: 4, id: 15 });
    expect(sent(rig.settle())).toEqual([[4, 1, 'f16']]);
  });

  it('the same where they are sent again, which cuts a chunk in two', () => {
    const rig = new StageRig(1);
    const ids = [11, 12, 13, 14, 15, 101, 102];
    rig.order(prepare([1, 2], { wireDtype: 'int8', resumeAt: 6, ids, chunkRows: 6 }));
    rig.fill(0, 0);
    expect(sent(rig.settle())).toEqual([
      [0, 4, 'int8'],
      [4, 2, 'f16'],
    ]);
  });

  it.each(['f32', 'f16'] as const)('all of them in %s', (wireDtype) => {
    const rig = new StageRig(1);
    rig.order(
      prepare([1, 2], { wireDtype, resumeAt: 6, ids: [1, 2, 3, 4, 5, 6, 7], chunkRows: 6 }),
    );
    rig.fill(0, 0);
    expect(sent(rig.settle())).toEqual([[0, 6, wireDtype]]);
  });

  it('[M4] rows that travelled otherwise are refused', () => {
    const refused = (change: Partial<RowsFrame>) => {
      const rig = new StageRig(2);
      rig.order(prepare([1, 2], { wireDtype: 'int8', resumeAt: 6, chunkRows: 6 }));
      const out = rig.frame(1, rows(1, change));
      const peers = out.flatMap((each) => (each.type === 'reject-peer' ? [each.why] : []));
      return [...faults(out), ...peers];
    };
    expect(refused({ dtype: 'int8' })).toEqual([]);
    expect(refused({ dtype: 'f32' })).toEqual(['unfit', 'unfit']);
    expect(refused({ dtype: 'f16' })).toEqual(['unfit', 'unfit']);
    expect(refused({ dtype: 'int8', rows: 6 })).toEqual(['unfit', 'unfit']);
    const rig = new StageRig(2);
    rig.order(prepare([1, 2]));
    expect(faults(rig.frame(1, rows(1, { dtype: 'f16' })))).toEqual(['unfit']);
  });
});
