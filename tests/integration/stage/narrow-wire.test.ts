import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeRing, TWO_PLACES } from '#tests/support/drafted-ring.ts';
import { goldenRow } from '#tests/support/golden.ts';
import type { HostRing } from '#tests/support/host-ring.ts';

const NAMES = ['capital', 'sky', 'digits', 'emoji', 'unicode', 'turns', 'story', 'math'];
const TOKENS = 32;

const short = (name: string) => {
  const { promptIds, greedyIds } = goldenRow(name);
  return { promptIds, ids: greedyIds.slice(0, TOKENS) };
};

describe.each(['f16', 'int8'] as const)('[S9] rows that travel as %s', (wireDtype) => {
  let ring: HostRing;
  beforeAll(async () => {
    ring = await makeRing(TWO_PLACES, { wireDtype, spares: 1 });
  });
  afterAll(() => ring.end());

  it('give the ids of golden rows', async () => {
    const rows = NAMES.map(short);
    const answers = await Promise.all(
      rows.map(({ promptIds, ids }) => ring.answer({ promptIds, maxTokens: ids.length })),
    );
    const differing = NAMES.filter((_, at) => answers[at]?.join() !== rows[at]?.ids.join());
    expect(differing).toEqual([]);
  });

  it.each([0, 1])('have the same bits where place %i is lost in mid-answer', async (at) => {
    const { promptIds } = short('sky');
    const whole = await ring.answer({ promptIds, maxTokens: 24 });
    const lost: number[] = [];
    const ids = await ring.answer({
      ...{ promptIds, maxTokens: 24 },
      onToken: (count, feed) => {
        if (count !== 10) return;
        lost.push(count);
        feed({ type: 'node-lost', node: ring.nodes[at]!.id, incarnation: 1 });
      },
      reroute: () => ring.plan(at === 0 ? [2, 1] : [0, 2]),
    });
    expect([lost, ids]).toEqual([[10], whole]);
  });

  it('leave pages of which a longer prompt has the same ids as without', async () => {
    const { promptIds } = short('story');
    const prefix = { salt: 'a reader', public: null, pagePositions: 32 };
    const turn = (ids: readonly number[], mayHit: boolean) =>
      ring.answer({
        ...{ promptIds: ids, maxTokens: 40 },
        choosing: { prefix: { ...prefix, mayHit } },
      });
    const said = await turn(promptIds, false);
    const longer = [...promptIds, ...said, ...short('turns').promptIds];
    const again = await turn(longer, true);
    expect(ring.hits).toHaveLength(1);
    expect(await ring.answer({ promptIds: longer, maxTokens: 40 })).toEqual(again);
  });
});

it('[S9] a prompt is read sooner over a slow link in narrow rows', async () => {
  const promptIds = goldenRow('long300').promptIds.slice(0, 80);
  const firstMs = async (wireDtype: 'f32' | 'int8'): Promise<number> => {
    // Small chunks: one of 64 rows would take the link longer than the owner waits.
    const ring = await makeRing(TWO_PLACES, { wireDtype, linkBytesPerMs: 50, chunkRows: 8 });
    const startedAt = performance.now();
    await ring.answer({ promptIds, maxTokens: 1 });
    ring.end();
    return performance.now() - startedAt;
  };
  const [whole, bytes] = [await firstMs('f32'), await firstMs('int8')];
  process.stderr.write(`first token: f32 ${whole.toFixed(0)}, int8 ${bytes.toFixed(0)} ms\n`);
  expect(bytes).toBeLessThan(whole);
}, 60_000);
