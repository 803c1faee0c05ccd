import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GREEDY } from '#lib/webgpu/sampling/params.ts';
import { GUESSING, makeRing, stepsOf, TWO_PLACES } from '#tests/support/drafted-ring.ts';
import { goldenRow } from '#tests/support/golden.ts';
import type { HostRing } from '#tests/support/host-ring.ts';
import { sampledPrompt, sampledRows } from '#tests/support/sampled.ts';

// Where all that could be guessed is guessed: what is said must not change by it.
let ring: HostRing;
beforeAll(async () => {
  ring = await makeRing(TWO_PLACES, { drafting: 'always', spares: 1 });
});
afterAll(() => ring.end());

describe('answers whose ids are guessed', () => {
  it.each(['digits', 'emoji', 'unicode', 'math', 'whitespace'])(
    '[S8] are those of the golden row %s, in fewer steps',
    async (name) => {
      const { promptIds, greedyIds } = goldenRow(name);
      const asked = { promptIds, maxTokens: greedyIds.length };
      const [, before = 0] = stepsOf(ring);
      expect(await ring.answer({ ...asked, choosing: GUESSING })).toEqual(greedyIds);
      const [, after = 0] = stepsOf(ring);
      const prefill = Math.ceil(promptIds.length / 64);
      expect(after - before).toBeLessThan(greedyIds.length + prefill - 3);
    },
  );

  it('[S8] are the same with every way to sample', async () => {
    for (const { name, params, ids } of sampledRows().filter((_, i) => i % 3 === 0)) {
      const choosing = { ...GUESSING, sampling: params };
      const answer = { promptIds: sampledPrompt(), maxTokens: ids.length, choosing };
      expect(await ring.answer(answer), name).toEqual(ids);
    }
  });

  it('[S8] are the same with penalties that look at what was just guessed', async () => {
    const { promptIds } = goldenRow('emoji');
    const penalties = { repetition: 1, presence: 0, frequency: 0.3, bias: [] };
    const asked = { promptIds, maxTokens: 48 };
    const sampling = { ...GREEDY, penalties };
    const plain = await ring.answer({ ...asked, choosing: { sampling } });
    expect(await ring.answer({ ...asked, choosing: { ...GUESSING, sampling } })).toEqual(plain);
  });

  it('[S8] are the same where they have to fit a schema', async () => {
    const said = { const: 'the capital of France' };
    const schema = {
      type: 'object',
      properties: { a: said, b: said, c: said },
      required: ['a', 'b', 'c'],
    };
    const { promptIds } = goldenRow('capital');
    const choosing = { grammar: JSON.stringify(schema), eosIds: [2] };
    const asked = { promptIds, maxTokens: 48 };
    const plain = await ring.answer({ ...asked, choosing });
    const [, before = 0] = stepsOf(ring);
    expect(await ring.answer({ ...asked, choosing: { ...GUESSING, ...choosing } })).toEqual(plain);
    const [, after = 0] = stepsOf(ring);
    expect(after - before).toBeLessThan(plain.length);
  });

  it('[S8] are told with the same log probabilities', async () => {
    const { promptIds, greedyIds } = goldenRow('emoji');
    const sampling = { ...GREEDY, logprobs: 3 };
    const asked = { promptIds, maxTokens: greedyIds.length };
    expect(await ring.answer({ ...asked, choosing: { sampling } })).toEqual(greedyIds);
    const plain = ring.told.splice(0);
    expect(plain).toHaveLength(greedyIds.length);
    expect(await ring.answer({ ...asked, choosing: { ...GUESSING, sampling } })).toEqual(greedyIds);
    expect(ring.told.splice(0)).toEqual(plain);
  });

  it('[S8] are the same eight at once', async () => {
    const names = ['digits', 'emoji', 'unicode', 'math', 'python', 'rawcode', 'turns', 'sky'];
    const rows = names.map(goldenRow);
    const answers = await Promise.all(
      rows.map(({ promptIds, greedyIds }, i) =>
        ring.answer({
          ...{ promptIds, maxTokens: Math.min(40, greedyIds.length) },
          // Some of them guess nothing.
          choosing: i % 4 === 3 ? {} : GUESSING,
        }),
      ),
    );
    answers.forEach((ids, i) => expect(ids, names[i]).toEqual(rows[i]?.greedyIds.slice(0, 40)));
  });

  it.each([0, 1])('[S5] are the same where place %i is lost in a step of guesses', async (at) => {
    const { promptIds, greedyIds } = goldenRow('emoji');
    const lost: number[] = [];
    const ids = await ring.answer({
      ...{ promptIds, maxTokens: greedyIds.length, choosing: GUESSING },
      onToken: (count, feed) => {
        if (count !== 30) return;
        lost.push(count);
        feed({ type: 'node-lost', node: ring.nodes[at]!.id, incarnation: 1 });
      },
      reroute: () => ring.plan(at === 0 ? [2, 1] : [0, 2]),
    });
    expect([lost, ids]).toEqual([[30], greedyIds]);
  });

  it('[S3] leave pages behind that are right: nothing of a guess that fell is shared', async () => {
    const { promptIds, greedyIds } = goldenRow('unicode');
    const prefix = { salt: 'a reader', public: null, pagePositions: 32 };
    const asked = { maxTokens: greedyIds.length };
    const choosing = (mayHit: boolean) => ({ ...GUESSING, prefix: { ...prefix, mayHit } });
    await ring.answer({ ...asked, promptIds, choosing: choosing(false) });
    // Goes on from each of the pages: what comes next is what came next.
    const whole = Math.floor((promptIds.length + greedyIds.length - 1) / 32) * 32;
    const known = [...promptIds, ...greedyIds].slice(0, whole + 1);
    const rest = greedyIds.slice(known.length - promptIds.length);
    const again = { promptIds: known, maxTokens: rest.length, choosing: choosing(true) };
    expect(await ring.answer(again)).toEqual(rest);
    expect(ring.hits).toEqual([whole]);
  });
});
