import { describe, expect, test } from 'vitest';
import type { StageOutput } from '#lib/shard/stage/types.ts';
import type { Prepare } from '#lib/shard/wire/session-messages.ts';
import { faults, MANIFEST, prepare, rows, runs, session, StageRig } from './rig.ts';

const SCHEMA = '{"type":"null"}';
const REF = { manifest: MANIFEST, schema: SCHEMA };

/** The last place of two, with a prompt of two ids: position 0 is prefill, position 1 samples. */
function last(change: Partial<Prepare> = {}) {
  const rig = new StageRig(3);
  const asked = { resumeAt: 1, promptLength: 2, grammar: SCHEMA, ...change };
  const first = rig.order(prepare([1, 3], asked));
  return { rig, first, asked };
}

const row = (position: number) => rows(1, { seq: position, firstPosition: position, rows: 1 });
const asks = (out: readonly StageOutput[]) =>
  out.flatMap((output) => (output.type === 'grammar' ? [output] : []));
const ready = { type: 'grammar-ready', session: session(1) } as const;
const failed = { type: 'grammar-failed', session: session(1) } as const;

describe('an answer that has to fit a grammar', () => {
  test('[S8] prefill goes on while the grammar is made, a sample waits for it', () => {
    const { rig, first } = last();
    expect(asks(first)).toEqual([{ type: 'grammar', session: session(1), grammar: REF }]);
    expect(runs(rig.frame(1, row(0)))).toMatchObject([{ segments: [{ grammar: null }] }]);
    rig.finish();
    expect(runs(rig.frame(1, row(1)))).toEqual([]);
    expect(runs(rig.step(ready))).toMatchObject([{ segments: [{ grammar: REF }] }]);
  });

  test('[S8] each sample is told all that was said before it, with no penalty that looks', () => {
    const { rig } = last({ resumeAt: 1, promptLength: 1, history: said(55) });
    rig.step(ready);
    rig.frame(1, row(0));
    rig.finish();
    const seen = [1, 2].map((at) => {
      const [run] = runs(rig.frame(1, row(at)));
      rig.finish();
      return run?.segments[0]?.want;
    });
    expect(seen).toMatchObject([{ history: said(55) }, { history: said(55, 101) }]);
    // A row that is sent again is sampled again, with what was said before it.
    const again = rows(1, { seq: 3, firstPosition: 2, rows: 1 });
    expect(runs(rig.frame(1, again))[0]?.segments[0]?.want).toMatchObject({
      history: said(55, 101),
    });
  });

  test('[S4] a grammar that cannot be made is a fault, and the next epoch asks again', () => {
    const { rig, asked } = last();
    expect(faults(rig.step(failed))).toEqual(['load']);
    expect(asks(rig.order(prepare([1, 3], { ...asked, epoch: 2 })))).toHaveLength(1);
    rig.step(ready);
    expect(asks(rig.order(prepare([1, 3], { ...asked, epoch: 3 })))).toEqual([]);
  });

  test('[S8] a place that does not sample asks for none; of a session that ended nobody speaks', () => {
    const rig = new StageRig(1);
    expect(asks(rig.order(prepare([1, 3])))).toEqual([]);
    rig.order({ type: 'end', session: session(1) });
    expect(rig.step(ready)).toEqual([]);
    expect(rig.step(failed)).toEqual([]);
  });
});

function said(...answerIds: number[]) {
  return { promptIds: [], answerIds };
}
