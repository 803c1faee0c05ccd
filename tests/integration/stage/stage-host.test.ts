import { fileURLToPath } from 'node:url';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { LayerRange, Numerics } from '#lib/webgpu/model.ts';
import { GREEDY } from '#lib/webgpu/sampling/params.ts';
import type { StageFactory } from '#lib/webgpu/stage.ts';
import { cpuStageFactory } from '#lib/webgpu/cpu/core.ts';
import { loadKernels } from '#lib/webgpu/cpu/server.ts';
import { manifestHash } from '#lib/shard/package/manifest.ts';
import { openPackageFolder, type OpenPackage } from '#lib/shard/package/server.ts';
import { goldenRow } from '#tests/support/golden.ts';
import { HostRing } from '#tests/support/host-ring.ts';

const FOLDER = fileURLToPath(
  new URL('../../../public/models/smollm2-135m-instruct', import.meta.url),
);

let pack: OpenPackage;
let factory: StageFactory;
let ring: HostRing | null = null;
beforeAll(async () => {
  pack = await openPackageFolder(FOLDER);
  factory = cpuStageFactory(await loadKernels());
});
afterEach(() => {
  ring?.end();
  ring = null;
});

function makeRing(ranges: readonly LayerRange[], spares = 0, numerics: Numerics = 'int16') {
  ring = new HostRing(
    {
      ...{ hash: manifestHash(pack.manifest), ranges, numerics, tokens: pack.tokenizer },
      load: (order) =>
        factory({
          ...{ shape: pack.manifest.shape, range: order.range, numerics: order.numerics },
          ...{ kvBytesMax: 64e6, weights: pack.weights },
        }),
    },
    spares,
  );
  return ring;
}

const row = goldenRow('capital');

describe('hosts in a ring', () => {
  it('one host alone gives the golden ids', async () => {
    const made = makeRing([{ first: 0, last: 29 }]);
    const ids = await made.answer({ promptIds: row.promptIds, maxTokens: row.greedyIds.length });
    expect(ids).toEqual(row.greedyIds);
  });

  it('two hosts give the golden ids, count steps, and are free afterwards', async () => {
    const made = makeRing([
      { first: 0, last: 16 },
      { first: 17, last: 29 },
    ]);
    const ids = await made.answer({ promptIds: row.promptIds, maxTokens: row.greedyIds.length });
    expect(ids).toEqual(row.greedyIds);
    for (const { host, faults } of made.nodes) {
      const snapshot = host.snapshot();
      expect(snapshot.sessions).toBe(0);
      expect(snapshot.steps).toBeGreaterThanOrEqual(row.greedyIds.length);
      expect(faults).toEqual([]);
      host.unloadIdle(new Set());
      expect(host.engines.shards()).toEqual([]);
    }
  });

  it('[S3] [S5] a prompt that was computed before gives the same ids, wherever its pages still are', async () => {
    const made = makeRing([
      { first: 0, last: 16 },
      { first: 17, last: 29 },
    ]);
    const promptIds = goldenRow('long1000').promptIds.slice(0, 110);
    const sharing = { salt: 'a reader', public: null, pagePositions: 32 };
    const ask = (mayHit: boolean, salt = sharing.salt, ids = promptIds) =>
      made.answer({
        ...{ promptIds: ids, maxTokens: 24 },
        choosing: { prefix: { ...sharing, salt, mayHit } },
      });
    const ids = await ask(false);
    expect([await ask(true), made.hits]).toEqual([ids, [96]]);
    expect([await ask(true, 'another reader'), made.hits]).toEqual([ids, [96]]);
    // What the answer added is there, too: 133 positions were computed.
    await ask(true, sharing.salt, [...promptIds, ...ids, 7]);
    expect(made.hits).toEqual([96, 128]);
    // The second host begins anew: the first one computes again what that lacks.
    made.nodes[1]!.host.unloadIdle(new Set());
    expect([await ask(true), made.hits]).toEqual([ids, [96, 128]]);
    expect([await ask(true), made.hits]).toEqual([ids, [96, 128, 96]]);
    expect(made.nodes.flatMap(({ faults }) => faults)).toEqual([]);
  });

  it('[F3] an answer that has to fit a schema: the same ids through the loss of the last stage', async () => {
    const made = makeRing(
      [
        { first: 0, last: 16 },
        { first: 17, last: 29 },
      ],
      1,
    );
    const schema = {
      type: 'object',
      properties: { city: { type: 'string' }, people: { type: 'integer' } },
      required: ['city', 'people'],
      additionalProperties: false,
    };
    const choosing = {
      sampling: { ...GREEDY, temperature: 1, seed: 5 },
      grammar: JSON.stringify(schema),
      eosIds: [...pack.tokenizer.eosIds],
    };
    const asked = { promptIds: row.promptIds, maxTokens: 60, choosing };
    const undisturbed = await made.answer(asked);
    let losses = 0;
    const ids = await made.answer({
      ...asked,
      onToken: (count, feed) => {
        if (count !== 6) return;
        losses += 1;
        feed({ type: 'node-lost', node: made.nodes[1]!.id, incarnation: 1 });
      },
      reroute: () => made.plan([0, 2]),
    });
    expect([losses, ids]).toEqual([1, undisturbed]);
    const text = pack.tokenizer.decode(ids, { skipSpecial: true });
    const value = JSON.parse(text) as Record<string, unknown>;
    expect(Object.entries(value).map(([name, member]) => [name, typeof member])).toEqual([
      ['city', 'string'],
      ['people', 'number'],
    ]);
  });
});
